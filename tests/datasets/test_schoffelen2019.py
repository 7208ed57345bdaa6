"""MOUS: CTF sensors, and the rows of the presentation's log that start a sound."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
from meg_files import ctf_raw
from planted_bump import bump, error_s

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.datasets.schoffelen2019 import open_schoffelen2019

SFREQ, N_SENSORS, RECORDING_S = 1200.0, 20, 40.0
#: number of the file, its seconds, and when it started
HEARD = ((45, 4.2, 3.1), (701, 5.0, 12.4567), (7, 6.0, 25.0))
BUMP_S = 2.5
GRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 4.2
tiers? <exists>
size = 1
item []:
    item [1]:
        class = "IntervalTier"
        name = "ORT-MAU"
        xmin = 0
        xmax = 4.2
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.3
            text = ""
        intervals [2]:
            xmin = 0.3
            xmax = 0.7
            text = "het"
        intervals [3]:
            xmin = 0.7
            xmax = 4.2
            text = "meisje"
"""


def name_of(number: int) -> str:
    return f"EQ_Ramp_Int2_Int1LPF{number:03d}.wav"


def write_events(path: Path) -> None:
    rows = []
    for number, seconds, start_s in HEARD:
        rows += [
            (start_s - 3.0, "Picture", "ZINNEN"),
            (start_s, "Sound", f"14 Start File {number:03d}.wav"),
            (start_s + 0.001, "UPPT001", "14"),
            (start_s + 0.3, "Nothing", "1 Audio onset"),
            (start_s + seconds, "Nothing", "15 End of file"),
        ]
    lines = [f"{t:.4f}\t0\t{round(t * SFREQ) + 1}\t{kind}\t{value}" for t, kind, value in rows]
    path.write_text("onset\tduration\tsample\ttype\tvalue\n" + "\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("mous") / "mous"
    sounds = root / "stimuli" / "audio_files"
    sounds.mkdir(parents=True)
    (root / "dataset_description.json").write_text('{"Name": "MOUS", "BIDSVersion": "1.0.2"}')
    rng = np.random.default_rng(0)
    for number, seconds, _ in HEARD:
        one = 0.1 * rng.standard_normal(round(seconds * 44100))
        soundfile.write(sounds / name_of(number), np.c_[one, one], 44100)
    (sounds / name_of(45)).with_suffix(".TextGrid").write_text(GRID)
    data = 1e-12 * rng.standard_normal((N_SENSORS, round(RECORDING_S * SFREQ)))
    data[0] += 5e-11 * bump(np.arange(data.shape[1]) / SFREQ, HEARD[1][2] + BUMP_S)
    for subject, task in (("A2002", "auditory"), ("V1001", "visual")):
        folder = root / f"sub-{subject}" / "meg"
        folder.mkdir(parents=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the name is BIDS' and not MNE's
            ctf_raw(data, SFREQ).save(folder / f"sub-{subject}_task-{task}_meg.fif", verbose="ERROR")
    write_events(root / "sub-A2002" / "meg" / "sub-A2002_task-auditory_events.tsv")
    read = root / "sub-V1001" / "meg" / "sub-V1001_task-visual_events.tsv"
    read.write_text("onset\tduration\tsample\ttype\tvalue\n1.0\t0\t1201\tPicture\t3 meisje 300\n")
    return root


@pytest.fixture(scope="module")
def dataset(original):
    return open_schoffelen2019(original)


def test_a_planted_bump_is_found_within_a_millisecond(dataset):
    stimulus = next(s for s in dataset.stimuli if s.name.endswith(name_of(701)))
    settings = DataConfig(picks="mag", sfreq=250.0)
    assert abs(error_s(dataset.recordings[0], stimulus.stimulus_id, BUMP_S, settings)) < 0.001


def test_each_sound_is_heard_whole_from_the_row_that_starts_it(dataset):
    (recording,) = dataset.recordings
    assert [p.onset_s for p in recording.presentations] == pytest.approx([s for _, _, s in HEARD], abs=1e-6)
    assert [p.duration_s for p in recording.presentations] == pytest.approx([d for _, d, _ in HEARD], abs=1e-4)


def test_people_who_read_are_left_out_with_the_reason(dataset):
    ((name, reason),) = dataset.skipped
    assert name == "sub-V1001_task-visual_meg"
    assert "no row of sub-V1001_task-visual_events.tsv names a stim_file" in reason


def test_words_come_from_the_tier_of_webmaus_beside_a_sound(dataset):
    stimulus = next(s for s in dataset.stimuli if s.name.endswith(name_of(45)))
    assert [word.text for word in stimulus.words] == ["het", "meisje"]


def test_without_the_sounds_it_says_what_is_missing_and_where_it_is(original, tmp_path):
    root = Path(shutil.copytree(original, tmp_path / "mous"))
    shutil.rmtree(root / "stimuli")
    with pytest.raises(DataError, match=r"sounds of MOUS are not in .*DSC_3011020\.09_236"):
        open_schoffelen2019(root)


def test_a_single_sound_that_is_missing_is_named(original, tmp_path):
    root = Path(shutil.copytree(original, tmp_path / "mous"))
    (root / "stimuli" / "audio_files" / name_of(7)).unlink()
    with pytest.raises(DataError, match=r"does not exist.*LPF007\.wav"):
        open_schoffelen2019(root)


@pytest.mark.slow
def test_the_command_of_its_page_runs_to_a_record(original, typed):
    ran = typed(f"schoffelen2019:{original}", "--picks", "mag")
    assert ran.record.dataset.name == "schoffelen2019"
    assert ran.speaks_of_meg()

"""The Little Prince: markers alone say what was heard (ds005345, BrainVision; ds004718, EEGLAB), as docs describe."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import numpy as np
import pybv
import pytest
import soundfile
from planted import LATER_S, bumps, late_in_recordings_s
from scipy.io import savemat

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.bids.bids_dataset import open_bids

PAGE = Path(__file__).parents[3] / "docs" / "littleprince.md"
NAMES = ["Fp1", "Fp2", "F3", "F4", "C3", "C4", "O1", "O2"]
SOUND_S, RATE_HZ = 10.0, 8000
CLICKS_S = np.arange(0.7, 9.5, 0.8113)


def described(name):
    """Return the description of a data set that the page shows."""
    block = re.search(rf"^    # {name}\.toml.*?(?=^\S)", PAGE.read_text(encoding="utf8"), re.MULTILINE | re.DOTALL)
    return textwrap.dedent(block[0])


def write_sounds(root, names):
    (root / "stimuli").mkdir(parents=True)
    for k, name in enumerate(names):
        samples = 1e-2 * np.random.default_rng(k).standard_normal(round(SOUND_S * RATE_HZ))
        samples[np.round(CLICKS_S * RATE_HZ).astype(int)] += 0.7
        soundfile.write(root / "stimuli" / name, samples, RATE_HZ)
    (root / "dataset_description.json").write_text('{"Name": "Le Petit Prince", "BIDSVersion": "1.8.0"}')


def eeg(sfreq, starts, seconds):
    n = round(seconds * sfreq)
    samples = np.random.default_rng(0).standard_normal((len(NAMES), n))
    samples[0] *= 0.1
    for start in starts:
        samples[0] += bumps(n, sfreq, start / sfreq + CLICKS_S + LATER_S, 40.0)
    return samples


@pytest.fixture
def multitalker(tmp_path):
    """Write four conditions in one recording; in the last two both talk."""
    root = tmp_path / "ds005345"
    write_sounds(root, ["single_female.wav", "single_male.wav", "mix.wav"])
    starts = [501, 6503, 12504, 18506]
    pybv.write_brainvision(
        data=eeg(500, starts, 50) * 1e-6, sfreq=500, ch_names=NAMES, fname_base="sub-01_task-multitalker_eeg",
        folder_out=str(root / "sub-01" / "eeg"), unit="µV",
        events=[{"onset": s, "description": k, "type": "Stimulus"} for k, s in enumerate(starts, start=1)],
    )  # fmt: skip
    return root


@pytest.fixture
def cantonese(tmp_path):
    """Write two runs in one recording with a trigger at each sentence, and the table that says where these are."""
    root = tmp_path / "ds004718"
    write_sounds(root, ["task-lppHK_run-1.wav", "task-lppHK_run-2.wav"])
    starts, sentences_s = [1001, 15003], [0.25, 3.5, 7.125]
    codes = [(run, at_s) for run in (1, 2) for at_s in sentences_s]
    latencies = [start + round(1000 * at_s) + 1 for start in starts for at_s in sentences_s]  # EEGLAB counts from 1
    kinds = [("type", object), ("latency", object), ("duration", object)]
    data = eeg(1000, starts, 30)
    content = {
        "setname": "sub-HK001",
        "nbchan": 8,
        "trials": 1,
        "pnts": data.shape[1],
        "srate": 1000.0,
        "xmin": 0.0,
        "xmax": (data.shape[1] - 1) / 1000,
        "data": data.astype("f4"),
        "chanlocs": np.array([(name,) for name in NAMES], dtype=[("labels", object)]),
        "event": np.array([(str(k), float(at), 0.0) for k, at in enumerate(latencies, start=1)], dtype=kinds),
        "ref": "common",
        **dict.fromkeys(("epoch", "icawinv", "icasphere", "icaweights", "icachansind"), np.array([])),
    }
    folder = root / "sub-HK001" / "eeg"
    folder.mkdir(parents=True)
    savemat(folder / "sub-HK001_task-lppHK_eeg.set", {"EEG": content})
    (root / "annotation").mkdir()
    rows = [f"{k}\ttask-lppHK_run-{run}.wav\t{at_s}\n" for k, (run, at_s) in enumerate(codes, start=1)]
    (root / "annotation" / "sentences.tsv").write_text("code\twav\tonset\n" + "".join(rows))
    return root


def late_s(root):
    root.with_name(f"{root.name}.toml").write_text(described(root.name), encoding="utf8")
    dataset = open_bids(root)
    return late_in_recordings_s(dataset, {s.name: CLICKS_S for s in dataset.stimuli})


def test_the_described_conditions_of_ds005345_meet_the_attended_talker(multitalker):
    found = late_s(multitalker)
    assert len(found) == 4 * len(CLICKS_S)
    assert np.abs(found).max() < 1e-3
    names = {s.stimulus_id: s.name for s in open_bids(multitalker).stimuli}
    (recording,) = open_bids(multitalker).recordings
    assert [names[p.stimulus_id] for p in recording.presentations] == ["single_female.wav", "single_male.wav"] * 2


def test_the_described_sentences_of_ds004718_place_the_runs(cantonese):
    found = late_s(cantonese)
    assert len(found) == 2 * len(CLICKS_S)
    assert np.abs(found).max() < 1e-3


@pytest.mark.parametrize("name", ["multitalker", "cantonese"])
def test_without_a_description_the_folder_is_refused_and_says_what_to_write(name, request):
    with pytest.raises(DataError, match=r"no sub-\w+_task-\w+_events\.tsv.*Add the column stim_file"):
        open_bids(request.getfixturevalue(name))


@pytest.mark.parametrize("name", ["ds005345", "ds004718"])
def test_the_published_skeletons_have_no_events(realdata, name):
    assert not list((realdata / "bids_skeletons" / name).rglob("*_events.tsv"))


@pytest.mark.slow
@pytest.mark.parametrize("container", ["multitalker", "cantonese"])
def test_a_folder_with_the_description_of_the_page_runs_to_a_record(container, request, typed):
    root = request.getfixturevalue(container)
    root.with_name(f"{root.name}.toml").write_text(described(root.name), encoding="utf8")
    ran = typed(str(root))
    assert ran.record.dataset.name == root.name

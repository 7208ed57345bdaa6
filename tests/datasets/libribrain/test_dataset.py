"""LibriBrain: h5 files, events tables and sounds, as they lie on the hub."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile
from meg_files import elekta_raw
from planted_bump import bump, error_s

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.channel_types import type_of
from eeg2speech_bench.datasets.libribrain.dataset import open_libribrain
from eeg2speech_bench.datasets.libribrain.placement import read_chapter
from eeg2speech_bench.datasets.preparation.preprocessing import load_eeg

SFREQ, N_TRIPLES, SOUND_S = 250.0, 4, 40.0
PROC = "proc-bads+headpos+sss+notch+bp+ds"
STEM = "sub-0_ses-1_task-Sherlock1_run-1"
#: sentences of the chapter: first and last word (start, stop), seconds in the sound
SENTENCES = ((1.0, 9.0), (10.0, 19.0), (20.0, 29.0), (30.0, 38.0))
BEGINS_S, STEP_S = 5.123, 0.033
BUMPS_S = (4.0, 34.0)


def origin_s(sentence: int) -> float:
    """Return when the sound would have begun for a sentence: each piece was played 33 ms late."""
    return BEGINS_S + STEP_S * sentence


def table(ratio: float = 1.0) -> str:
    columns = [
        "idx",
        "kind",
        "segment",
        "sentenceidx",
        "wordidx",
        "phonemeidx",
        "timemeg",
        "timechapter",
        "timesentence",
        "duration",
    ]
    lines = ["\t".join(columns)]
    for sentence, (first_s, last_s) in enumerate(SENTENCES):
        for number, inside_s in enumerate(np.arange(first_s, last_s, 0.5)):
            meg_s = origin_s(sentence) + ratio * inside_s
            common = f"{meg_s:.4f}\t{inside_s:.4f}\t0.1\t0.4"
            lines.append(f"{len(lines)}\tword\tword{number}\t{sentence}\t{number}\t\t{common}")
            lines.append(f"{len(lines)}\tphoneme\tw_B\t{sentence}\t{number}\t0\t{common}")
        lines.append(f"{len(lines)}\tsilence\t\t\t\t\t{meg_s + 0.5:.4f}\t\t\t0.5")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("libri") / "LibriBrain"
    book = root / "Sherlock1"
    for folder in ("derivatives/serialised", "derivatives/events", "stimuli/audio"):
        (book / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for chapter in (1, 2):
        samples = 0.1 * rng.standard_normal(round(SOUND_S * 16000))
        soundfile.write(book / f"stimuli/audio/studyinscarlet_{chapter:02d}_doyle_64kb.wav", samples, 16000)
    raw = elekta_raw(np.zeros((3 * N_TRIPLES, 2)), SFREQ)
    data = rng.standard_normal((3 * N_TRIPLES, round(50 * SFREQ))) * np.tile([1e-11, 1e-11, 1e-12], N_TRIPLES)[:, None]
    times_s = np.arange(data.shape[1]) / SFREQ
    for bump_s, sentence in zip(BUMPS_S, (0, 3), strict=True):
        data[2] += 5e-11 * bump(times_s, origin_s(sentence) + bump_s)
    with h5py.File(book / f"derivatives/serialised/{STEM}_{PROC}_meg.h5", "w") as file:
        file.create_dataset("data", data=data.astype(np.float32), chunks=(len(data), 50))
        file.create_dataset("times", data=times_s.astype(np.float32))
        file.attrs.update({"sample_frequency": SFREQ, "highpass_cutoff": 0.1, "lowpass_cutoff": 125.0})
        file.attrs["channel_names"] = ", ".join(raw.ch_names)
        file.attrs["channel_types"] = ", ".join(raw.get_channel_types())
    (book / f"derivatives/events/{STEM}_events.tsv").write_text(table())
    (root / "metadata").mkdir()
    places = [c["loc"][:3].tolist() for c in raw.info["chs"]]
    (root / "metadata" / "sensor_xyz.json").write_text(json.dumps(places))
    return root


@pytest.fixture
def root(original, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(original, tmp_path / "LibriBrain"))


@pytest.fixture(scope="module")
def dataset(original):
    return open_libribrain(original)


@pytest.mark.parametrize("bump_s", BUMPS_S)
def test_a_planted_bump_is_found_within_a_millisecond_in_each_piece_of_the_sound(dataset, bump_s):
    (stimulus,) = dataset.stimuli
    settings = DataConfig(picks="mag", sfreq=SFREQ)
    assert abs(error_s(dataset.recordings[0], stimulus.stimulus_id, bump_s, settings)) < 0.001


def test_the_sound_is_the_one_with_the_number_of_the_session(dataset):
    assert [s.name for s in dataset.stimuli] == ["Sherlock1/stimuli/audio/studyinscarlet_01_doyle_64kb.wav"]


def test_pieces_meet_in_the_middle_of_the_pauses(dataset):
    starts = [p.start_s for p in dataset.recordings[0].presentations]
    assert starts == pytest.approx([1.0, 9.45, 19.45, 29.45])


def test_sensors_have_types_places_and_units(dataset):
    loaded = load_eeg(dataset.recordings[0], DataConfig(picks="meg", sfreq=SFREQ))
    assert [type_of(c) for c in loaded.chs_info[:3]] == ["grad", "grad", "mag"]
    assert np.linalg.norm(loaded.chs_info[0]["loc"][:3]) == pytest.approx(0.11)
    assert loaded.eeg[:, [0, 5]].std(0) == pytest.approx([100, 1000], rel=0.05)


def test_words_have_their_times_and_sentences(dataset):
    words = dataset.stimuli[0].words
    assert (words[0].text, words[0].start_s, words[0].sentence, words[-1].sentence) == ("word0", 1.0, 0, 3)


def test_one_line_is_one_stretch(root):
    path = root / "Sherlock1/derivatives/events" / f"{STEM}_events.tsv"
    lines = [line.split("\t") for line in table().splitlines()]
    for cells in lines[1:]:
        if cells[7]:
            cells[6] = f"{BEGINS_S + float(cells[7]):.4f}"
    path.write_text("\n".join("\t".join(cells) for cells in lines))
    (stretch,) = read_chapter(path).stretches
    assert stretch.origin_s == pytest.approx(BEGINS_S, abs=1e-4)


def test_clocks_of_another_speed_are_followed_within_sentences(root):
    path = root / "Sherlock1/derivatives/events" / f"{STEM}_events.tsv"
    path.write_text(table(ratio=1.0048))
    chapter = read_chapter(path)
    assert chapter.ratio == pytest.approx(1.0048, abs=5e-5)
    assert "+4800 ppm" in chapter.notes[1]


def test_a_sentence_whose_words_disagree_is_left_out_and_counted(root):
    path = root / "Sherlock1/derivatives/events" / f"{STEM}_events.tsv"
    lines = [line.split("\t") for line in table().splitlines()]
    words = [cells for cells in lines if cells[1] == "word" and cells[3] == "1"]
    words[4][6] = f"{float(words[4][6]) + 0.2:.4f}"
    path.write_text("\n".join("\t".join(cells) for cells in lines))
    chapter = read_chapter(path)
    assert (len(chapter.stretches), chapter.notes[-1][-2:]) == (3, " 1")


def test_a_chapter_that_is_longer_than_the_sound_is_left_out_with_what_to_write(root):
    soundfile.write(root / "Sherlock1/stimuli/audio/studyinscarlet_01_doyle_64kb.wav", np.ones(16000) * 0.1, 16000)
    with pytest.raises(DataError, match=r"that is another chapter; name the right one under \[sounds\]"):
        open_libribrain(root)


def test_a_sound_that_the_user_names_goes_before_its_number(root):
    named = "Sherlock1/stimuli/audio/studyinscarlet_02_doyle_64kb.wav"
    (root / "eeg2speech-bench.toml").write_text(f'[sounds]\n"{STEM}" = "{named}"\n')
    assert [s.name for s in open_libribrain(root).stimuli] == [named]


def test_without_the_metadata_it_says_that_sensors_have_no_place(root):
    shutil.rmtree(root / "metadata")
    notes = open_libribrain(root).recordings[0].notes
    assert notes[-1] == "no sensor positions: metadata/sensor_xyz.json is not there"


def test_a_damaged_h5_file_is_refused_by_name(root):
    (root / f"Sherlock1/derivatives/serialised/{STEM}_{PROC}_meg.h5").write_bytes(b"no h5")
    with pytest.raises(DataError, match=r"_meg\.h5 cannot be read"):
        open_libribrain(root)


def test_a_folder_without_recordings_says_how_to_download_them(tmp_path):
    with pytest.raises(DataError, match=r"holds no recordings of LibriBrain.*hf download pnpl/LibriBrain"):
        open_libribrain(tmp_path)


@pytest.mark.slow
def test_the_command_of_its_page_runs_to_a_record(original, typed):
    ran = typed(f"libribrain:{original}", "--picks", "mag")
    assert ran.record.dataset.name == "libribrain"
    assert ran.speaks_of_meg()

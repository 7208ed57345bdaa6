"""The published tables: all 42 proc files, the tables of words, the events of the re-host, the cap and the sound."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.io

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.datasets.brennan2019.electrodes import places
from eeg2speech_bench.datasets.brennan2019.listeners import LISTS, SHIFTED, names
from eeg2speech_bench.datasets.brennan2019.placement import place
from eeg2speech_bench.datasets.brennan2019.releases import SOUND
from eeg2speech_bench.datasets.brennan2019.story import FILE, read_story
from eeg2speech_bench.datasets.brennan2019.word_times import read_events, read_proc
from eeg2speech_bench.datasets.preparation.splits.sentence_blocks import zones_by_sentence_blocks
from eeg2speech_bench.datasets.preparation.windows import starts_at_words
from eeg2speech_bench.datasets.sounds.sound_files import open_stimulus

#: seconds of the sound files: the twelfth is published here, the others are those of the published TextGrids
SOUNDS_S = [57.54, 60.85, 63.25, 69.98, 66.26, 63.77, 62.90, 57.31, 57.21, 61.24, 56.16, 46.98]
EVENTS = [name for name in LISTS["all"] if name not in ("S04", "S16", "S24")]


@pytest.fixture(scope="module")
def source(realdata):
    return realdata / "brennan2019_nm000180" / "sourcedata"


@pytest.fixture(scope="module")
def story(source):
    return read_story(source / FILE)


@pytest.mark.parametrize("listener", LISTS["all"])
def test_every_proc_file_places_its_segments(listener, source, story):
    placed = place(read_proc(source / "proc" / f"{listener}.mat"), story)
    assert placed.is_shifted == (listener in names(SHIFTED))
    assert list(placed.starts_s) == list(range(1, 13))
    assert placed.gap_error_s < 0.06
    assert placed.word_error_s < 2.2e-3
    assert (placed.missed_s > 0) == placed.is_shifted


@pytest.mark.parametrize("listener", EVENTS)
def test_every_table_of_events_says_the_same_as_the_proc_file(listener, source, story):
    root = source.parent
    events = root / f"sub-0{listener[1:]}" / "eeg" / f"sub-0{listener[1:]}_task-alicelistening_events.tsv"
    found, own = (
        place(times, story) for times in (read_events(events), read_proc(source / "proc" / f"{listener}.mat"))
    )
    assert list(found.starts_s.values()) == pytest.approx(list(own.starts_s.values()), abs=1e-3)


def test_listeners_of_the_paper_are_those_that_datasets_mat_uses(source):
    used = scipy.io.loadmat(source / "datasets.mat", simplify_cells=True)["use"]
    assert LISTS["paper"] == tuple(sorted(str(name).removesuffix(".mat") for name in used))


def test_listeners_with_word_times_are_those_with_proc_files(source):
    assert LISTS["all"] == tuple(sorted(path.stem for path in (source / "proc").glob("S*.mat")))


def test_the_cap_is_that_of_the_published_file(source):
    rows = (line.split() for line in (source / "easycapM10-acti61_elec.sfp").read_text().splitlines())
    own = places()
    for name, *place_cm in rows:
        expected = np.array(place_cm, dtype=float) / 9
        assert own[name] / 0.095 == pytest.approx(expected, abs=0.002), name


def test_both_published_copies_hold_the_same_words(realdata, story):
    other = read_story(realdata / "alice_text" / "AliceChapterOne-EEG.16col.csv")
    assert (story.words["text"] == other.words["text"]).all()
    assert np.allclose(story.words["onset_s"], other.words["onset_s"], atol=1e-5)


def test_the_edited_copy_is_refused(realdata):
    with pytest.raises(DataError, match=r"edited copy of the table of the story's words: got 2106 rows"):
        read_story(realdata / "alice_text" / "AliceChapterOne-EEG.edited-2106rows.csv")


def test_the_published_sound_holds_all_words_of_its_segment(source, story):
    path = source.parent / "stimuli" / SOUND.format(12)
    words = story.spoken_in(12)
    sound = open_stimulus(path, path.name, FileHashes(), lambda path, duration_s: words)
    assert sound.duration_s == pytest.approx(46.983, abs=1e-3)
    assert max(word.stop_s for word in sound.words) < sound.duration_s


def test_the_published_protocol_tests_on_words_of_each_tested_block(story):
    durations_s = {str(k): seconds for k, seconds in enumerate(SOUNDS_S, start=1)}
    words = {name: story.spoken_in(int(name)) for name in durations_s}
    zones = [z for z in zones_by_sentence_blocks(durations_s, words) if z.split == "test"]
    starts = [
        (z.stimulus_id, start) for z in zones for start in starts_at_words(z.start_s, z.stop_s, words[z.stimulus_id])
    ]
    # the paper reports 190: which of its sentences it joins is not known to the word
    assert len(starts) == 256

"""The sound files are placed by the words of a recording, and a lost trigger is seen by the times between them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.brennan2019.placement import GAPS_S, WordTimes, place
from eeg2speech_bench.datasets.brennan2019.story import read_story

#: seconds at which segment 1 began in the invented recordings
BEGAN_S = {"S01": 3.726, "S26": -3.67}


@pytest.fixture
def story(tables, tmp_path):
    tables.write_story(tmp_path)
    return read_story(next(tmp_path.iterdir()))


@pytest.fixture
def times(tables):
    """Return the word times of a listener, as read from trl."""

    def of(listener):
        begin, _, offset, segment, _, order = tables.trl[listener].T
        return WordTimes(listener, order.astype(int), segment.astype(int), (begin - offset - 1) / 500)

    return of


def test_segments_start_where_their_words_say(story, times):
    placed = place(times("S01"), story)
    assert not placed.is_shifted
    expected = BEGAN_S["S01"] + np.concatenate([[0.0], np.cumsum(GAPS_S)])
    assert list(placed.starts_s) == [1, 2, 3]
    assert list(placed.starts_s.values()) == pytest.approx(expected[:3], abs=1e-3)


def test_a_lost_trigger_is_repaired_and_the_first_segment_placed_before_the_recording(story, times):
    placed = place(times("S26"), story)
    assert placed.is_shifted
    expected = BEGAN_S["S26"] + np.concatenate([[0.0], np.cumsum(GAPS_S)])
    assert list(placed.starts_s) == [1, 2, 3, 4]
    assert list(placed.starts_s.values()) == pytest.approx(expected[:4], abs=1e-3)
    assert placed.missed_s == pytest.approx(3.67, abs=1e-3)


def test_times_between_segments_that_are_nobodys_are_refused(story, times):
    own = times("S01")
    moved = dataclasses.replace(own, onset_s=own.onset_s + np.where(own.segment == 3, 0.15, 0.0))
    with pytest.raises(DataError, match=r"times between segments in S01 .* got up to 0\.15 s off as labelled"):
        place(moved, story)


def test_a_word_that_is_off_the_line_of_its_segment_is_named(story, times):
    own = times("S01")
    onset_s = own.onset_s.copy()
    onset_s[7] += 0.05
    with pytest.raises(DataError, match=r"Word 8 of S01 is not where its sound file has it: got 0\.050 s"):
        place(dataclasses.replace(own, onset_s=onset_s), story)


def test_words_of_another_story_are_refused(story, times):
    own = times("S01")
    with pytest.raises(DataError, match=r"S01 does not go with .*got words of number \[5000\]"):
        place(dataclasses.replace(own, order=np.where(own.order == 1, 5000, own.order)), story)


def test_a_word_in_another_segment_is_refused(story, times):
    own = times("S01")
    with pytest.raises(DataError, match=r"S01 does not go with .*got word 1 in segment 2"):
        place(dataclasses.replace(own, segment=np.where(own.order == 1, 2, own.segment)), story)


def test_two_segments_are_too_few_to_tell_which_they_are(story, times):
    own = times("S01")
    few = own.segment < 3
    cut = WordTimes("S01", own.order[few], own.segment[few], own.onset_s[few])
    with pytest.raises(DataError, match=r"too few segments .*got segments \[1, 2\]"):
        place(cut, story)

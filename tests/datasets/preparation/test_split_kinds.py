"""Splits by story and by sentence."""

from __future__ import annotations

import dataclasses

import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Presentation, Recording, Word
from eeg2speech_bench.datasets.preparation.prepare import heard_durations, sentence_ends
from eeg2speech_bench.datasets.preparation.splits.plan import plan_split
from eeg2speech_bench.datasets.sounds.shared_stretches import SharedStretch

FRACTIONS = (0.5, 0.2, 0.3)
STORIES = [20.0, 21.0, 22.0, 20.0, 21.0, 20.0, 22.0, 20.0, 20.0, 20.0, 21.0]


def listeners(names):
    heard = (Presentation("x", 0.0, 100.0),)
    return [Recording(f"rec-{name}", name, name, heard, lambda: None) for name in names]


def plan(kind="stimulus-time", durations_s=None, **more):
    return plan_split(kind, durations_s or {"x": 100.0}, listeners("abcd"), FRACTIONS, guard_s=4.0, **more)


def test_a_split_by_story_cuts_none_where_stimulus_time_would():
    durations_s = {"x": 30.0, "y": 25.0, "z": 25.0, "u": 24.0}
    cut = plan("stimulus-time", durations_s).zones
    assert any((z.start_s, z.stop_s) != (0.0, durations_s[z.stimulus_id]) for z in cut)
    whole = plan("story", durations_s).zones
    assert sorted((z.stimulus_id, z.start_s, z.stop_s) for z in whole) == [
        ("u", 0.0, 24.0), ("x", 0.0, 30.0), ("y", 0.0, 25.0), ("z", 0.0, 25.0),
    ]  # fmt: skip


def test_a_split_by_story_needs_three():
    with pytest.raises(DataError, match=r"needs a sound for each .* got 2, .*data\.split=stimulus-time"):
        plan("story", {"x": 100.0, "y": 90.0})


def test_a_split_by_sentence_cuts_between_sentences_nearest_to_the_shares():
    split = plan("sentence", sentence_ends_s={"x": [10.0, 44.0, 58.0, 71.5, 90.0]})
    assert [(z.start_s, z.stop_s, z.split) for z in split.zones] == [
        (0.0, 42.0, "train"),
        (46.0, 69.5, "valid"),
        (73.5, 100.0, "test"),
    ]


def test_a_split_by_sentence_needs_numbered_sentences():
    with pytest.raises(DataError, match=r"number their sentences.*a column sentence in stimuli/<name>_words\.tsv"):
        plan("sentence")


def test_too_few_sentences_leave_no_window():
    with pytest.raises(DataError, match=r"leaves no window for 'test'"):
        plan("sentence", sentence_ends_s={"x": [50.0]})


def test_sentences_end_in_the_middle_of_the_pause(make_dataset):
    words = (Word("a", 0.0, 1.0, 1), Word("b", 1.1, 2.0, 1), Word("c", 3.0, 4.0, 2), Word("d", 4.0, 5.0, None))
    stimulus = dataclasses.replace(make_dataset([20.0]).stimuli[0], words=words)
    assert sentence_ends(stimulus) == [2.5]


def test_what_nobody_heard_takes_no_share_of_the_split(make_dataset):
    stimuli = make_dataset([20.0, 21.0]).stimuli
    heard = [
        Recording("r", "a", "a", (Presentation("s0", 0.0, 12.0), Presentation("s1", 30.0, 20.95)), lambda: None),
        Recording("q", "b", "b", (Presentation("s0", 0.0, 5.0, 9.0),), lambda: None),
    ]
    assert heard_durations(stimuli, heard) == {"s0": 14.0, "s1": 21.0}


def test_the_same_stories_in_another_order_are_told_as_such():
    durations_s = {"x": 120.0, "y": 120.0}
    turned = [SharedStretch("x", "y", start_s, 80.0 - start_s, 40.0, 1.0) for start_s in (0.0, 40.0, 80.0)]
    with pytest.raises(
        DataError, match=r"leaves no window for .* 40\.0 s of it at a stretch .* one sound file for each"
    ):
        plan("stimulus-time", durations_s, shared=turned)

"""Splits by story and by sentence, and listeners who are held out."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from eeg2speech_bench.core.errors import DataError, UsageError
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.recordings import Presentation, Recording, Word
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.datasets.preparation.prepare import heard_durations, prepare, sentence_ends
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


@pytest.mark.parametrize(("asked", "held_out"), [(["c", "a"], ("a", "c")), (0, ()), ([], ())])
def test_named_listeners_are_held_out(asked, held_out):
    assert plan(held_out=asked).held_out == held_out


def test_a_number_of_listeners_is_chosen_whatever_their_order():
    backwards = plan_split("stimulus-time", {"x": 100.0}, listeners("dcba"), FRACTIONS, held_out=2)
    assert len(backwards.held_out) == 2
    assert backwards.held_out == plan(held_out=2).held_out


@pytest.mark.parametrize(("asked", "got"), [(["a", "z"], "z"), (4, "4 of 4"), (["a", "b", "c", "d"], "4 of 4")])
def test_listeners_that_cannot_be_held_out_are_named(asked, got):
    with pytest.raises(UsageError, match=rf"cannot be held out: got {got}, expected some, but not all, of a, b, c, d"):
        plan(held_out=asked)


def test_held_out_listeners_change_the_hash():
    assert len({plan(held_out=asked).hash for asked in ([], ["a"], ["b"])}) == 3


def test_held_out_listeners_alone_are_tested_and_never_trained_on(make_dataset, tmp_path):
    prepare(make_dataset(STORIES, listeners=3), DataConfig(sfreq=120.0, held_out_listeners=("L0",)), tmp_path)
    store = SegmentStore(tmp_path)
    assert store.meta.subjects == ["L1", "L2", "L0"]
    heard = {split: set(store.segments.loc[store.indices(split), "subject"]) for split in ("train", "valid", "test")}
    assert heard == {"train": {0, 1}, "valid": {0, 1}, "test": {2}}
    assert store.signal.n_subjects == 2


def test_a_held_out_listener_is_scaled_by_windows_of_training_audio(make_dataset, tmp_path):
    dataset = make_dataset(STORIES, listeners=3)
    scales = {}
    for name, asked in (("in", ()), ("out", ("L0",))):
        prepare(dataset, DataConfig(sfreq=120.0, held_out_listeners=asked), tmp_path / name)
        scales[name] = np.load(tmp_path / name / "scale.npy")[0]
    assert np.array_equal(scales["in"], scales["out"])


def test_the_split_says_who_was_held_out(make_dataset, tmp_path):
    prepare(make_dataset(STORIES, listeners=3), DataConfig(sfreq=120.0, held_out_listeners=1), tmp_path)
    (name,) = json.loads((tmp_path / "meta.json").read_text())["split"]["held_out"]
    assert name in {"L0", "L1", "L2"}


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

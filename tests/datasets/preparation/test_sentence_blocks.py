"""The published protocol: blocks of sentences drawn by their words, and test windows that start before words."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from eeg2speech_bench.core.errors import DataError, UsageError
from eeg2speech_bench.core.presets.config import DataConfig, load_config
from eeg2speech_bench.core.segments.recordings import Word
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.datasets.preparation.prepare import prepare
from eeg2speech_bench.datasets.preparation.splits.plan import plan_split
from eeg2speech_bench.datasets.preparation.splits.sentence_blocks import drawn_part, zones_by_sentence_blocks
from eeg2speech_bench.datasets.preparation.windows import starts_at_words


def told(*sentences, step_s=1.0, start_s=0.0):
    """Place the words of sentences a second apart."""
    clock = itertools.count()
    return [
        Word(text, start_s + step_s * next(clock), start_s + step_s * next(clock) - step_s / 2, number)
        for number, sentence in sentences
        for text in sentence.split()
    ]


@pytest.mark.parametrize(
    ("text", "part"),
    [("a", "test"), ("hello world", "test"), ("down the rabbit hole", "train"), ("0,1", "train")],
)
def test_a_block_is_drawn_as_in_the_published_code(text, part):
    assert drawn_part(text) == part


def test_sentences_are_joined_until_they_last_longer_than_six_seconds():
    words = {"x": told((1, "one two"), (2, "three four"), (3, "five six"))}
    zones = zones_by_sentence_blocks({"x": 20.0}, words)
    assert [(z.start_s, round(z.stop_s, 3)) for z in zones] == [(0.0, 8.0), (8.0, 20.0)]
    assert [z.split for z in zones] == [drawn_part("one two,three four"), drawn_part("five six")]


def test_a_sentence_that_goes_on_in_the_next_sound_is_one_block():
    words = {"x": told((1, "one two three four five")), "y": told((1, "six seven"), (2, "eight nine ten eleven"))}
    zones = zones_by_sentence_blocks({"x": 10.0, "y": 12.0}, words)
    assert [(z.stimulus_id, z.start_s, round(z.stop_s, 3)) for z in zones] == [
        ("x", 0.0, 10.0), ("y", 0.0, 4.0), ("y", 4.0, 12.0),
    ]  # fmt: skip
    assert zones[0].split == zones[1].split == drawn_part("one two three four five six seven")


def test_neighbouring_blocks_of_one_part_stay_two():
    sentences = [(number, f"again{number} and again and") for number in range(40)]
    split = plan_split("brainmagick2023", {"x": 320.0}, [], guard_s=0.0, words={"x": told(*sentences)})
    assert len(split.zones) == 40
    assert {z.split for z in split.zones} == {"train", "valid", "test"}


def test_a_split_by_blocks_needs_numbered_sentences():
    with pytest.raises(DataError, match=r"'brainmagick2023' needs transcripts that number their sentences"):
        zones_by_sentence_blocks({"x": 20.0}, {"x": [Word("one", 0.0, 1.0)]})


def test_too_few_blocks_for_a_part_are_refused_with_the_way_out():
    words = {"x": told((1, "one two three four"))}
    with pytest.raises(DataError, match=r"leaves no window for 'valid'.*use --protocol own"):
        plan_split("brainmagick2023", {"x": 20.0}, [], guard_s=0.0, words=words)


def test_windows_start_half_a_second_before_words_and_end_in_their_block():
    words = [Word("a", 0.2, 0.4), Word("b", 0.5, 0.9), Word("c", 1.0, 1.2), Word("d", 2.6, 3.0)]
    assert np.allclose(starts_at_words(0.0, 4.0, words), [0.0, 0.5])


def test_test_windows_of_a_prepared_data_set_start_before_words(make_dataset, tmp_path):
    dataset = make_dataset([60.0, 60.0, 60.0], listeners=1)
    sentences = [[(10 * k + n, f"story{k} part{n} goes on") for n in range(7)] for k in range(3)]
    words = [told(*told_there, step_s=1.0, start_s=1.0) for told_there in sentences]
    dataset.stimuli = tuple(dataclasses.replace(s, words=own) for s, own in zip(dataset.stimuli, words, strict=True))
    prepare(dataset, DataConfig(protocol="brainmagick2023"), tmp_path)
    store = SegmentStore(tmp_path)
    assert (store.meta.split.kind, store.meta.split.guard_s) == ("brainmagick2023", 0.0)
    tested = store.windows[store.windows["split"] == "test"]
    onsets = {(k, word.start_s) for k, own in enumerate(words) for word in own}
    assert len(tested) > 3
    assert {(k, start_s + 0.5) for k, start_s in zip(tested["stimulus"], tested["start_s"], strict=True)} <= onsets


@pytest.mark.parametrize("setting", ["data.guard_s=1.0", "data.split=story", "data.fractions=[0.5,0.2,0.3]"])
def test_a_protocol_has_a_split_of_its_own(setting):
    with pytest.raises(UsageError, match=r"protocol 'brainmagick2023' has a split of its own: leave out"):
        load_config("quick", overrides=["data.protocol=brainmagick2023", setting])


def test_a_protocol_s_windows_are_no_longer_than_published():
    with pytest.raises(UsageError, match=r"has windows of 3 s: window_s is longer"):
        load_config("quick", overrides=["data.protocol=brainmagick2023", "data.window_s=3.2"])


def test_the_own_protocol_is_the_default():
    assert DataConfig().protocol == "own"

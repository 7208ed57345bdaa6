"""Labels of test segments: where words lie, who listens, and why something cannot be read out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from eeg2speech_bench.benchmarks.probes.labels import Labelled, count_tokens, make_labels
from eeg2speech_bench.benchmarks.stages.probes import _located
from eeg2speech_bench.core.segments.segment_store import SegmentStore


def labelled(store: SegmentStore, n_tokens: int = 20) -> Labelled:
    table, pool = _located(store, store.indices("test"), 4.0)
    return Labelled(store, table, pool, n_tokens)


def test_a_word_is_labelled_by_how_often_it_comes_in_the_tokens_that_it_sounds_in(store):
    about = labelled(store)
    words = make_labels(about)[0]["word_frequency"]
    # words of 0.3 s start at 16, 16.4, ...; tokens last 0.1 s; five begin in each of four windows, for three listeners
    assert len(words.value) == 3 * 20
    first = words.segment == 0
    assert sorted(zip(words.start[first], words.stop[first], strict=True))[:2] == [(0, 3), (4, 7)]
    assert sorted(set(words.value)) == pytest.approx(np.log2([2 / 20, 3 / 20]))


def test_tokens_are_labelled_by_the_sound_of_their_window_whoever_listens(store):
    envelope = make_labels(labelled(store))[0]["envelope"]
    values = envelope.value.reshape(12, 20)
    heard = labelled(store).table["window"].to_numpy()
    assert all(np.ptp(values[heard == window], axis=0).max() == 0 for window in np.unique(heard))
    assert len(np.unique(values)) == 4 * 20


def test_phonemes_are_labelled_by_their_manner_in_the_tokens_that_they_sound_in(store):
    symbols = ["AH0", "t", "S", "NG", "L", "CH", "UW1", "K", "Z", "M"] * 2
    phones = store.words.assign(symbol=symbols)[["stimulus", "start_s", "stop_s", "symbol", "split"]]
    phones.to_parquet(store.path / "phones.parquet")
    read = make_labels(labelled(SegmentStore(store.path)))[0]["phoneme_class"]
    assert read.classes == ("affricate", "approximant", "fricative", "nasal", "stop", "vowel")
    first = (read.segment == 0) & (read.start == 0)
    assert [read.classes[int(value)] for value in read.value[first]] == ["vowel"]


def test_symbols_of_another_alphabet_are_no_classes(store):
    phones = store.words.assign(symbol="\N{LATIN SMALL LETTER SCHWA}")
    phones.to_parquet(store.path / "phones.parquet")
    reason = make_labels(labelled(SegmentStore(store.path)))[1]["phoneme_class"]
    assert reason == "its phonemes are not written in ARPAbet: 0% of the symbols are known"


def two_voices(store: SegmentStore, voices: list[str]) -> Labelled:
    """The test segments as if each window were of a recording of its own, told by the voices."""
    about = labelled(store)
    told = [store.meta.stimuli[0].model_copy(update={"speaker": voice}) for voice in voices]
    store.meta = store.meta.model_copy(update={"stimuli": told})
    return Labelled(store, about.table.assign(stimulus=about.table["true"]), about.pool, about.n_tokens)


def test_a_voice_is_tested_on_recordings_that_were_not_learnt_from(store):
    speaker = make_labels(two_voices(store, ["a", "b", "a", "b"]))[0]["speaker"]
    assert speaker.classes == ("a", "b")
    assert len(np.unique(speaker.group)) == 4


def test_voices_of_a_single_recording_are_left_out(store):
    reason = make_labels(two_voices(store, ["a", "b", "a", ""]))[1]["speaker"]
    assert reason == "fewer than two voices are heard in two recordings each"


def test_listeners_are_classes_of_whole_segments(store):
    listener = make_labels(labelled(store))[0]["listener"]
    assert listener.classes == ("0", "1", "2")
    assert set(zip(listener.start, listener.stop, strict=True)) == {(0, 20)}


def test_all_listeners_to_one_stretch_of_audio_are_in_one_group(store):
    about = labelled(store)
    per_block = pd.Series(about.groups).groupby(about.table["block"].to_numpy()).nunique()
    assert (per_block == 1).all()
    assert len(np.unique(about.groups)) == 2


def test_what_is_not_there_is_left_out_with_the_reason(store):
    store.words.iloc[:0].to_parquet(store.path / "words.parquet")
    labels, skipped = make_labels(labelled(SegmentStore(store.path)))
    assert "word_frequency" not in labels
    assert skipped["word_frequency"] == "the data set has no words with their times"


def test_a_single_stretch_of_audio_cannot_be_learnt_from_and_tested_on(store):
    table, pool = _located(store, store.indices("test"), 100.0)
    labels, skipped = make_labels(Labelled(store, table, pool, 20))
    assert labels == {}
    assert "1 stretch of audio" in skipped["listener"]


def test_tokens_finer_than_speech_needs_are_averaged():
    assert count_tokens(86, 2.88) == 36
    assert count_tokens(1, 2.88) == 1

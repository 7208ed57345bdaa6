"""Embeddings become segments: each beside its own sound, number by number, and no part shares audio with another."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import soundfile
import torch

from eeg2speech_bench.core.errors import DataError, LeakageError, UsageError


def test_every_segment_holds_the_numbers_of_its_embedding_and_the_start_of_its_sound(prepared, opened):
    store, items = prepared(), opened().items
    batch = store.gather(np.arange(len(items)), with_sound=True)
    for k, item in enumerate(items):
        assert torch.equal(batch.eeg[k], torch.load(item.embedding)[0])
        sound = soundfile.read(item.sound, dtype="float32")[0]
        np.testing.assert_array_equal(batch.sound[k].numpy(), sound[: batch.sound.shape[1]])


def test_the_parts_are_those_of_the_data_set(prepared):
    store = prepared()
    assert store.meta.n_segments == {"train": 4, "valid": 8, "test": 8}
    assert store.meta.split.kind == "published"
    assert store.meta.split.evidence.shared_s == {"train-valid": 0.0, "train-test": 0.0, "valid-test": 0.0}


def test_dimensions_are_no_electrodes(prepared):
    signal = prepared().signal
    assert (signal.n_chans, signal.n_times, signal.has_positions) == (16, 343, False)


def test_the_record_is_told_that_nothing_was_scaled(prepared):
    notes = [note.note for note in prepared().meta.dataset.notes]
    assert notes == ["embeddings are used as they were published: no shift, baseline, scale or clamp"]


def test_one_sound_in_two_parts_is_refused_with_the_way_out(root, prepared):
    sounds = root / "dataset" / "sounds"
    shutil.copy(sounds / "item000.wav", sounds / "item019.wav")
    with pytest.raises(LeakageError, match=r"shares 3.0 of .* s of test stimulus audio with train.*data.split=story"):
        prepared()


def test_overlapping_sounds_in_two_parts_are_refused_and_lie_together_in_split_story(root, prepared):
    sounds = root / "dataset" / "sounds"
    first, rate = soundfile.read(sounds / "item000.wav")
    other, _ = soundfile.read(sounds / "item019.wav")
    soundfile.write(sounds / "item019.wav", np.concatenate([first[rate // 2 :], other[: rate // 2]]), rate)
    with pytest.raises(LeakageError, match=r"'item000.wav'.*'item019.wav'.*data.split=story"):
        prepared()
    store = prepared(split="story")
    names = [store.meta.stimuli[k].name for k in store.windows["stimulus"]]
    split = dict(zip(names, store.windows["split"], strict=True))
    assert split["item000.wav"] == split["item019.wav"]


@pytest.mark.parametrize("key", [{"highpass_hz": 0.5}, {"held_out_listeners": 1}, {"split": "subject"}])
def test_settings_that_would_do_nothing_are_refused(prepared, key):
    with pytest.raises(UsageError, match=next(iter(key))):
        prepared(**key)


def test_embeddings_of_another_window_are_refused_with_what_to_type(prepared):
    with pytest.raises(DataError, match=r"got 343 frames, expected 346.*--preset eeg2speech"):
        prepared(window_s=2.88)


def test_a_sound_that_is_shorter_than_its_embedding_is_refused(root, prepared):
    soundfile.write(root / "dataset" / "sounds" / "item005.wav", 0.1 * np.random.default_rng(9).random(30_000), 16_000)
    with pytest.raises(DataError, match=r"'item005.wav' is shorter than a window: got 1.875 s"):
        prepared()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.zeros(1, 16, 342), r"another shape: got \(1, 16, 342\), expected \(16, 343\)"),
        (torch.full((16, 343), torch.nan), "not finite"),
        ({"embedding": torch.zeros(16, 343)}, "holds no embedding: got dict"),
        (torch.nn.Linear(2, 2), "holds more than weights"),
    ],
)
def test_a_damaged_embedding_is_named(root, prepared, value, message):
    torch.save(value, root / "dataset" / "embeddings" / "item007.pt")
    with pytest.raises(DataError, match=message):
        prepared()


def test_a_cut_embedding_is_named(root, prepared):
    path = root / "dataset" / "embeddings" / "item007.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"item007.pt cannot be read"):
        prepared()


def test_the_revision_follows_the_content(root, opened):
    before = opened().revision
    torch.save(torch.zeros(1, 16, 343), root / "dataset" / "embeddings" / "item007.pt")
    assert opened().revision != before

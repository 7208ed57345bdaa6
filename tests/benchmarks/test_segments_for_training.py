"""Batches: shuffled by seed, gathered whole, and honest about what sounds the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from eeg2speech_bench.benchmarks.inputs.batches import OrderedSegments, TrainingSegments
from eeg2speech_bench.benchmarks.inputs.target_frames import FrameStore, write_frames
from eeg2speech_bench.benchmarks.stages.clips import choose_clips
from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.presets.config import AlignmentConfig


@pytest.fixture
def frames(store, tmp_path):
    folder = tmp_path / "features"
    folder.mkdir()
    rate_hz = 10.0
    parts = [np.arange(z.start_s, z.stop_s, 1 / rate_hz)[:, None] for z in store.zones.itertuples()]
    write_frames(folder, store, parts, rate_hz)
    return FrameStore(folder, store)


def training(store, frames, batch_size, steps_per_epoch, seed, **settings):
    config = AlignmentConfig(batch_size=batch_size, steps_per_epoch=steps_per_epoch, **settings)
    return TrainingSegments(store, frames, store.gather, config, seed)


def test_frames_of_a_window_are_those_of_its_own_time(store, frames):
    windows = np.array([0, 5, 7, 11])
    start_s = store.windows["start_s"].to_numpy()[windows]
    np.testing.assert_allclose(frames.gather(windows)[:, 0, 0], start_s, atol=1e-5)
    assert frames.gather(windows).shape == (4, 20, 1)


def test_training_frames_are_of_training_stretches_alone(frames):
    assert frames.train_frames().max() < 12.0


def test_batches_differ_between_epochs_and_repeat_by_seed(store, frames):
    def epochs(seed):
        data = training(store, frames, 4, 100, seed)
        return [[batch.window.tolist() for batch, _, _ in data] for _ in range(2)]

    assert epochs(0) == epochs(0)
    assert epochs(0)[0] != epochs(0)[1]
    assert epochs(0) != epochs(1)


def test_an_epoch_ends_after_its_steps(store, frames):
    assert len(list(training(store, frames, 4, 3, 0))) == 3


def test_training_never_meets_a_test_window(store, frames):
    test = set(np.flatnonzero(store.windows["split"] == "test"))
    for batch, _, _ in training(store, frames, 2, 100, 0):
        assert not test & set(batch.window.tolist())


def test_windows_that_overlap_or_are_heard_by_two_listeners_share_audio(store, frames):
    same = training(store, frames, 2, 100, 0).same_audio(np.array([0, 0, 1, 5]))
    assert same.tolist() == [[w == v for v in (0, 0, 1, 5)] for w in (0, 0, 1, 5)]
    store.windows["start_s"] = store.windows["start_s"] / 2  # now neighbours overlap by half
    near = training(store, frames, 2, 100, 0).same_audio(np.array([0, 1, 5]))
    assert near.tolist() == [[True, True, False], [True, True, False], [False, False, True]]


def test_a_batch_larger_than_the_training_set_is_refused(store, frames):
    with pytest.raises(DataError, match=r"fewer training segments than one batch: got 18, expected at least 64"):
        training(store, frames, 64, 100, 0)


def test_surrogates_keep_the_spectra_of_the_segments_and_no_sample(store, frames):
    (signal, _, _), (surrogate, _, _) = (
        next(iter(training(store, frames, 4, 3, 0, train_on=what))) for what in ("signal", "surrogate")
    )
    assert signal.window.tolist() == surrogate.window.tolist()
    spectra = [torch.fft.rfft(batch.eeg).abs() for batch in (signal, surrogate)]
    torch.testing.assert_close(*spectra, rtol=1e-3, atol=1e-3)
    assert (signal.eeg - surrogate.eeg).abs().mean() > 0.1


def test_ordered_segments_come_in_order_with_their_frames(store, frames):
    rows = store.indices("valid")
    batches = list(OrderedSegments(frames, store.gather, rows, 4))
    assert torch.cat([batch.window for batch, _ in batches]).tolist() == store.segments["window"][rows].tolist()
    assert sum(len(f) for _, f in batches) == len(rows)


def test_clips_are_different_audio_of_all_listeners_in_turn(store):
    rows = store.indices("test")
    chosen = store.segments.iloc[rows].iloc[choose_clips(store, rows, 3)]
    assert chosen["window"].nunique() == 3
    assert sorted(chosen["subject"]) == [0, 1, 2]
    pd.testing.assert_frame_equal(chosen, store.segments.iloc[rows].iloc[choose_clips(store, rows, 3)])

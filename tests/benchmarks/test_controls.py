"""Controls destroy what they say they destroy, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from eeg2speech_bench.benchmarks.controls import ControlSource, randomise_phases


@pytest.fixture
def source(store):
    return ControlSource(store, store.indices("test"), seed=1)


def everything(source, condition):
    return source.gather(condition, np.arange(len(source.rows)))


def test_eeg_is_the_segments_own(store, source):
    np.testing.assert_array_equal(everything(source, "eeg").eeg, store.gather_eeg(source.rows))


def test_shuffled_eeg_is_all_of_another_window_and_keeps_its_listener(store, source):
    windows = store.segments["window"].to_numpy()[source.rows]
    own, shuffled = everything(source, "eeg"), everything(source, "shuffle")
    origin = [np.flatnonzero((own.eeg == eeg).all((1, 2)))[0] for eeg in shuffled.eeg]
    assert sorted(origin) == list(range(len(windows)))
    assert (windows[origin] != windows).all()
    np.testing.assert_array_equal(own.subject[origin], shuffled.subject)


def test_shifted_eeg_is_of_the_same_listener_at_least_a_window_away(store, source):
    n_times = store.signal.n_times
    shifted = everything(source, "shift")
    np.testing.assert_array_equal(shifted.subject, store.segments["subject"].to_numpy()[source.rows])
    for row, eeg in zip(source.rows, shifted.eeg, strict=True):
        segment = store.segments.iloc[row]
        recording = store.meta["recordings"][segment["recording"]]
        candidates = np.arange(recording["start"], recording["stop"] - n_times + 1)
        there = [c for c in candidates if np.allclose(store.eeg[c : c + n_times].T, eeg)]
        assert len(there) == 1
        assert abs(there[0] - segment["eeg_start"]) >= n_times


def test_randomised_phases_keep_spectra_and_channel_covariance():
    eeg = np.random.default_rng(0).standard_normal((3, 41)).astype(np.float32)
    surrogate = randomise_phases(eeg, np.random.default_rng(1))
    assert np.abs(surrogate - eeg).max() > 0.5
    spectra = [np.abs(np.fft.rfft(x)) for x in (eeg, surrogate)]
    np.testing.assert_allclose(*spectra, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(np.cov(surrogate), np.cov(eeg), atol=1e-5)


@pytest.mark.parametrize("condition", ["shift", "phase", "shuffle"])
def test_controls_are_the_same_for_every_encoder_and_differ_by_seed(store, condition):
    rows = store.indices("test")
    first, again, other = (everything(ControlSource(store, rows, seed), condition).eeg for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_batch_of_a_control_does_not_depend_on_its_neighbours(source):
    whole = everything(source, "phase").eeg
    np.testing.assert_array_equal(source.gather("phase", np.array([2, 5])).eeg, whole[[2, 5]])

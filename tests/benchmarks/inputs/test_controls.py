"""Controls destroy what they say they destroy, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from eeg2speech_bench.benchmarks.inputs.controls import ControlSource
from eeg2speech_bench.core.conditions import embedded_conditions


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
        recording = store.meta.recordings[segment["recording"]]
        candidates = np.arange(recording.start, recording.stop - n_times + 1)
        there = [c for c in candidates if np.allclose(store.eeg[c : c + n_times].T, eeg)]
        assert len(there) == 1
        assert abs(there[0] - segment["eeg_start"]) >= n_times


@pytest.mark.parametrize("condition", ["shift", "phase", "shuffle"])
def test_controls_are_the_same_for_every_encoder_and_differ_by_seed(store, condition):
    rows = store.indices("test")
    first, again, other = (everything(ControlSource(store, rows, seed), condition).eeg for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_batch_of_a_control_does_not_depend_on_its_neighbours(source):
    whole = everything(source, "phase").eeg
    np.testing.assert_array_equal(source.gather("phase", np.array([2, 5])).eeg, whole[[2, 5]])


@pytest.mark.parametrize("condition", ["shift", "phase", "shuffle"])
def test_a_control_of_eeg_leaves_words_and_times_true(source, condition):
    own, destroyed = everything(source, "eeg"), everything(source, condition)
    assert own.text == destroyed.text
    for name in ("window", "elapsed_s"):
        np.testing.assert_array_equal(getattr(own, name), getattr(destroyed, name))


def test_text_has_no_phase_to_randomise():
    assert "phase" not in embedded_conditions("text")
    assert "phase" in embedded_conditions("audio")


@pytest.mark.parametrize("condition", ["shift", "shuffle"])
def test_a_control_of_text_is_the_text_of_another_window_and_the_true_eeg(store, condition):
    store.windows["text"] = [f"word {i}" for i in range(len(store.windows))]
    text = ControlSource(store, store.indices("test"), 1, "text")
    own, destroyed = everything(text, "eeg"), everything(text, condition)
    assert all(a != b for a, b in zip(own.text, destroyed.text, strict=True))
    np.testing.assert_array_equal(own.eeg, destroyed.eeg)


@pytest.mark.parametrize("condition", ["shift", "phase", "shuffle"])
def test_a_control_of_audio_destroys_the_waveform_alone(store, condition):
    audio = ControlSource(store, store.indices("test"), 1, "audio")
    own, destroyed = everything(audio, "eeg"), everything(audio, condition)
    assert (own.sound - destroyed.sound).abs().mean() > 0.1
    np.testing.assert_array_equal(own.eeg, destroyed.eeg)


def test_the_wrong_time_of_text_is_at_least_three_windows_away(store):
    text = ControlSource(store, store.indices("test"), 1, "text")
    start = store.segments["eeg_start"].to_numpy()
    assert (np.abs(start[text._far] - start[text.rows]) >= 3 * store.signal.n_times).all()

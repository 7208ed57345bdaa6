"""Samples have their place in time; those that were lost have theirs, too."""

from __future__ import annotations

import mne
import numpy as np
import pytest

from eeg2speech_bench.benchmarks.live.stream_buffer import Gap, StreamBuffer
from eeg2speech_bench.core.errors import DataError

SFREQ, N = 100.0, 2000
INFO = mne.create_info(["Cz", "Pz"], SFREQ, "eeg")
SAMPLES = np.arange(2.0 * N).reshape(N, 2)
STAMPS = 50.0 + np.arange(N) / SFREQ


def filled(*, lost: slice = slice(0, 0)) -> StreamBuffer:
    buffer = StreamBuffer(INFO)
    kept = np.delete(np.arange(N), lost)
    for part in np.array_split(kept, 90):
        buffer.add(SAMPLES[part], STAMPS[part])
    return buffer


def test_what_was_received_is_given_back():
    buffer = filled()
    np.testing.assert_array_equal(buffer.recording(300, 700).get_data(), SAMPLES[300:700].T)
    assert (buffer.n_received, buffer.n_lost, buffer.n_samples) == (N, 0, N)


def test_time_goes_on_where_samples_were_lost():
    buffer = filled(lost=slice(1000, 1025))
    assert buffer.gaps == [Gap(1000, 1025)]
    assert (buffer.n_received, buffer.n_lost, buffer.n_samples) == (N - 25, 25, N)
    raw = buffer.recording(990, 1100)
    np.testing.assert_array_equal(raw.get_data()[:, 35:], SAMPLES[1025:1100].T)
    assert not raw.get_data()[:, 10:35].any()
    marks = raw.annotations
    assert list(zip(marks.onset, marks.duration, marks.description, strict=True)) == [(0.1, 0.25, "BAD_ACQ_SKIP")]


def test_a_stamp_tells_the_second_of_the_stream():
    buffer = filled(lost=slice(1000, 1025))
    assert buffer.stamp(1500) == STAMPS[1500]
    assert buffer.second_of(STAMPS[1200]) == pytest.approx(12.0)
    assert buffer.second_of(STAMPS[-1] + 3) == pytest.approx((N - 1) / SFREQ + 3)


def test_samples_that_were_given_away_are_not_taken_for_others():
    buffer = filled()
    buffer.forget(500)
    np.testing.assert_array_equal(buffer.recording(500, 510).get_data(), SAMPLES[500:510].T)
    with pytest.raises(DataError, match=r"no longer kept: got 4.99 s, expected 5.00 s or later"):
        buffer.recording(499, 510)

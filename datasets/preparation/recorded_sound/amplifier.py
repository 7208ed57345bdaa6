"""Computes what an amplifier would record of a sound: its level and its waveform, at the times of EEG samples."""

from __future__ import annotations

import numpy as np
from scipy import fft

from eeg2speech_bench.core.segments.recordings import Sound


def level_at(sound: Sound, time_s: np.ndarray, width_s: float) -> np.ndarray:
    """Return the mean of the rectified sound over ``width_s`` around each time.

    Parameters
    ----------
    sound : Sound
        A waveform, or an envelope, which is interpolated where its samples are wider than ``width_s``.
    time_s : array, shape (n_times,)
        Rising times of the stimulus, seconds; before and after the stimulus is silence.
    width_s : float

    Returns
    -------
    array of float64, shape (n_times,)
    """
    width = max(width_s * sound.rate_hz, 1.0)
    first = int(np.floor(time_s[0] * sound.rate_hz - width))
    values = np.abs(_cut(sound, first, int(np.ceil(time_s[-1] * sound.rate_hz + width)) + 2))
    cumulative = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    middle = time_s * sound.rate_hz - first + 0.5
    places = np.arange(len(cumulative))
    upper, lower = (np.interp(middle + side, places, cumulative) for side in (width / 2, -width / 2))
    return (upper - lower) / width


def wave_until(sound: Sound, start_s: float, stop_s: float, edge_hz: float) -> np.ndarray:
    """Return the waveform from ``start_s`` to ``stop_s`` at its own rate, without what lies above ``edge_hz``.

    Parameters
    ----------
    sound : Sound
        A waveform.
    start_s, stop_s : float
        Times of the stimulus; before and after the stimulus is silence.
    edge_hz : float

    Returns
    -------
    array of float32, shape (n_samples,)
    """
    wave = _cut(sound, round(start_s * sound.rate_hz), round(stop_s * sound.rate_hz))
    if edge_hz >= sound.rate_hz / 2:
        return wave
    n_fft = fft.next_fast_len(len(wave), real=True)
    spectrum = fft.rfft(wave, n_fft)
    spectrum[fft.rfftfreq(n_fft, 1 / sound.rate_hz) > edge_hz] = 0
    return fft.irfft(spectrum, n_fft)[: len(wave)]


def _cut(sound: Sound, first: int, last: int) -> np.ndarray:
    """Copy rows ``first`` to ``last`` of a sound, with silence where it has none."""
    inside = np.asarray(sound.values[max(first, 0) : max(last, 0)], dtype=np.float32)
    before = min(max(-first, 0), last - first)
    return np.pad(inside, (before, last - first - before - len(inside)))

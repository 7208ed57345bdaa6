"""Computes loudness, its rises, and the pitch of stretches of sound."""

from __future__ import annotations

import numpy as np

#: places per second at which loudness is taken before it is averaged over tokens
FINE_HZ = 100.0
#: compression of loudness (Biesmans et al. 2017)
POWER = 0.6
#: range of pitch
LOWEST_HZ, HIGHEST_HZ = 60.0, 400.0
#: length of the stretch in which a period is looked for, and the step from one to the next
FRAME_S, HOP_S = 0.05, 0.02
#: correlation of a stretch with itself one period later from which on it is voiced
VOICED = 0.6
#: level below the loudest stretch at which nothing is voiced
QUIET = 10 ** (-40 / 20)
#: a shorter period nearly as good as the best one is the true one; the others are its multiples
NEARLY = 0.9


def mean_in_bins(values: np.ndarray, n_bins: int) -> np.ndarray:
    """Average values (n, n_samples) over bins of equal length, shape (n, n_bins)."""
    edges = np.linspace(0, values.shape[1], n_bins + 1).round().astype(int)
    return np.add.reduceat(values, edges[:-1], axis=1) / np.diff(edges)


def envelope(sound: np.ndarray, kind: str, window_s: float) -> np.ndarray:
    """Return the loudness of windows, at `FINE_HZ` or the rate of a published envelope if that is less.

    Parameters
    ----------
    sound : array, shape (n, n_samples)
    kind : str
        ``"waveform"`` or ``"envelope"``; the latter is taken as it is.
    window_s : float
    """
    n_bins = min(round(window_s * FINE_HZ), sound.shape[1])
    course = mean_in_bins(np.abs(sound) if kind == "waveform" else sound, n_bins)
    return course**POWER if kind == "waveform" else course


def onsets(course: np.ndarray) -> np.ndarray:
    """Return where an envelope (n, n_times) rises, and how fast; falls are 0."""
    return np.maximum(np.diff(course, axis=1, prepend=course[:, :1]), 0)


def pitch(sound: np.ndarray, rate_hz: float) -> np.ndarray:
    """Return log2 of the fundamental frequency in Hz of windows of sound, NaN where nothing is voiced.

    Parameters
    ----------
    sound : array, shape (n, n_samples)

    Returns
    -------
    array, shape (n, n_frames)
        One frame each `HOP_S`.
    """
    return np.stack([_pitch_of_one(one.astype(np.float64), rate_hz) for one in sound])


def _pitch_of_one(sound: np.ndarray, rate_hz: float) -> np.ndarray:
    length, hop = round(FRAME_S * rate_hz), round(HOP_S * rate_hz)
    frames = np.lib.stride_tricks.sliding_window_view(sound, length)[::hop]
    frames = frames - frames.mean(axis=1, keepdims=True)
    first, last = int(rate_hz / HIGHEST_HZ), int(rate_hz / LOWEST_HZ)
    spectrum = np.fft.rfft(frames, 2 * length)
    products = np.fft.irfft(np.abs(spectrum) ** 2)[:, first : last + 1]
    power = np.pad(np.cumsum(frames**2, axis=1), ((0, 0), (1, 0)))
    lags = np.arange(first, last + 1)
    # both stretches that are compared get shorter with the lag, and so does what their product is divided by
    norm = np.sqrt(power[:, length - lags] * (power[:, -1:] - power[:, lags]))
    alike = products / np.maximum(norm, 1e-12)
    best = alike.max(axis=1)
    period = lags[np.argmax(_peaks(alike) & (alike >= NEARLY * best[:, None]), axis=1)]
    level = np.sqrt(power[:, -1])
    voiced = (best >= VOICED) & (level > QUIET * level.max(initial=1e-9))
    return np.where(voiced, np.log2(rate_hz / period), np.nan)


def _peaks(alike: np.ndarray) -> np.ndarray:
    padded = np.pad(alike, ((0, 0), (1, 1)), constant_values=-1.0)
    return (alike >= padded[:, :-2]) & (alike >= padded[:, 2:])

"""Measures what a sound file lost before anybody heard it: clipped, silent and shifted samples."""

from __future__ import annotations

import numpy as np

#: level, of full scale, that a clipped sample reaches, and how many in a row make a clip
FULL_SCALE, N_IN_A_ROW = 0.999, 3
#: seconds of a frame, and its level below the loudest frame (-60 dB) that is silence
FRAME_S, SILENCE = 0.02, 1e-3


def clipped_share(values: np.ndarray) -> float:
    """Return the share of samples that lie in runs of three or more at full scale.

    Parameters
    ----------
    values : array, shape (n_samples,)
        Full scale is 1.
    """
    full = np.abs(np.asarray(values)) >= FULL_SCALE
    edges = np.flatnonzero(np.diff(np.concatenate(([0], full.astype(np.int8), [0]))))
    lengths = np.diff(edges.reshape(-1, 2), axis=1)
    return float(lengths[lengths >= N_IN_A_ROW].sum()) / max(1, len(full))


def silence_share(values: np.ndarray, rate_hz: float) -> float:
    """Return the share of frames of 20 ms that are silent: 60 dB below the loudest, or all of a file of zeros.

    Parameters
    ----------
    values : array, shape (n_samples,)
    rate_hz : float
    """
    n = max(1, round(FRAME_S * rate_hz))
    frames = np.asarray(values, dtype=np.float64)[: len(values) // n * n].reshape(-1, n)
    level = np.sqrt(np.mean((frames - frames.mean()) ** 2, axis=1)) if len(frames) else np.zeros(1)
    return float(np.mean(level <= SILENCE * level.max()))


def dc(values: np.ndarray) -> float:
    """Return the mean of the samples, which is 0 in a sound without a constant shift; full scale is 1."""
    return float(np.mean(values, dtype=np.float64)) if len(values) else 0.0

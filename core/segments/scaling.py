"""Scales windows of EEG as encoders are given them: baseline, unit and clamp."""

from __future__ import annotations

import numpy as np


def scale_windows(eeg: np.ndarray, scale: np.ndarray, n_baseline: int, limit: float) -> np.ndarray:
    """Subtract the baseline of windows, divide by the scale of their channels, and clamp.

    Parameters
    ----------
    eeg : array, shape (batch, n_times, n_chans)
        Microvolts, or the unit of its channels' type.
    scale : array, shape (batch, n_chans) or (1, n_chans)
        Inter-quartile ranges, in the same units.
    n_baseline : int
        Samples at the start of a window whose mean is subtracted, per channel; 0 for none.
    limit : float
        Largest absolute value that is kept, in inter-quartile ranges.

    Returns
    -------
    array of float32, shape (batch, n_chans, n_times)
    """
    if n_baseline:
        eeg = eeg - eeg[:, :n_baseline].mean(1, keepdims=True)
    scaled = np.clip(eeg / scale[:, None, :], -limit, limit)
    return np.ascontiguousarray(scaled.transpose(0, 2, 1), dtype=np.float32)

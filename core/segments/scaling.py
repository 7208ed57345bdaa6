"""Scales windows of EEG as encoders are given them: baseline, unit and clamp."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def scale_windows(
    eeg: Sequence[np.ndarray] | np.ndarray, scale: np.ndarray, n_baseline: int, limit: float
) -> np.ndarray:
    """Subtract the baseline of windows, divide by the scale of their channels, and clamp.

    Parameters
    ----------
    eeg : sequence of array, shape (n_times, n_chans), or array, shape (batch, n_times, n_chans)
        Microvolts, or the unit of its channels' type; at least one window.
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
    n_times, n_chans = eeg[0].shape
    scaled = np.empty((len(eeg), n_chans, n_times), dtype=np.float32)
    # One window after the other stays in the processor's cache; a batch goes through memory at every step.
    values = np.empty((n_times, n_chans), dtype=np.result_type(eeg[0], scale))
    for window, unit, out in zip(eeg, np.broadcast_to(scale, (len(eeg), n_chans)), scaled, strict=True):
        baseline = np.add.reduce(window[:n_baseline]) / values.dtype.type(n_baseline or 1)  # `mean` takes twice as long
        np.subtract(window, baseline, out=values)
        np.divide(values, unit, out=values)
        values.clip(-limit, limit, out=values)
        out[...] = values.T
    return scaled

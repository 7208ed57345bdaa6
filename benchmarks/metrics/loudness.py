"""Measures how loud waveforms are, and which of them are silent."""

from __future__ import annotations

import numpy as np

#: root mean square (full scale 1) below which a clip is silent: -100 dB, under the last bit of 16-bit audio
SILENT_RMS = 1e-5


def rms(waveform: np.ndarray) -> np.ndarray:
    """Return the root mean square over the last axis, in double precision."""
    return np.sqrt(np.mean(np.square(waveform, dtype=np.float64), axis=-1))


def is_silent(waveform: np.ndarray) -> np.ndarray:
    """Say of each waveform (..., n_samples) whether its root mean square is below `SILENT_RMS`, shape (...)."""
    return rms(waveform) < SILENT_RMS

"""Defines what a preparation gives of a single recording: its EEG, cleaned and resampled, read a part at a time."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class ContinuousEeg(Protocol):
    """The EEG of one recording as segments are cut from it; memory does not grow with its length.

    Attributes
    ----------
    n_rows : int
        Samples at the rate of the settings; row k is the time k / sfreq after the recording's first sample.
    recorded_sfreq : float
        Rate of the recording itself, Hz.
    cuts_s : tuple of float
        Times at which it was paused, edited or joined, in seconds from its first sample.
    notes : tuple of str
        What was decided while reading.
    """

    n_rows: int
    recorded_sfreq: float
    cuts_s: tuple[float, ...]
    notes: tuple[str, ...]

    def span(self, first: int, stop: int) -> tuple[int, int, int]:
        """Return what rows ``first`` to ``stop`` depend on: a row, its sample, and the sample behind the last.

        A part of the recording that begins at that sample has the same rows, counted from that row. The last may lie
        beyond the end of the recording.
        """

    def read(self, first: int, stop: int) -> np.ndarray:
        """Return rows ``first`` to ``stop``, float32 (n_rows, n_chans), in microvolts (MEG: `channel_types`)."""

    def scale(self, starts: np.ndarray, n_times: int, n_baseline: int) -> np.ndarray:
        """Return the scale of each channel over some windows, float32 (n_chans,), as training measures it.

        Parameters
        ----------
        starts : array of int, shape (n_windows,)
            First rows of the windows.
        n_times, n_baseline : int
            Rows of a window, and of the baseline at its start.
        """

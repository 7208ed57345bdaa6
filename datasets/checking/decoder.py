"""Fits a linear decoder that reconstructs the envelope of speech from EEG."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eeg2speech_bench.datasets.checking.heard import Heard

#: EEG from here to there after the sound is read, in steps of two samples (1/30 s: enough for 8 Hz)
FIRST_S, LAST_S, STEP = 0.0, 0.25, 2
#: of the mean diagonal of the features' covariance (reference: realdata, A1)
PENALTY = 1e-2
N_PARTS = 5


@dataclass(frozen=True)
class Moments:
    """Products of features with each other and with the envelope: all that a fit needs, and they add up.

    Shapes are (n_features, n_features) and (n_features,).
    """

    gram: np.ndarray
    cross: np.ndarray

    def __add__(self, other: Moments) -> Moments:
        """Put two lots of data together."""
        return Moments(self.gram + other.gram, self.cross + other.cross)

    def __sub__(self, other: Moments) -> Moments:
        """Leave data out again."""
        return Moments(self.gram - other.gram, self.cross - other.cross)

    def weights(self) -> np.ndarray:
        """Fit by ridge regression, shape (n_features,)."""
        penalty = PENALTY * np.trace(self.gram) / len(self.gram)
        weights: np.ndarray = np.linalg.solve(self.gram + max(penalty, 1e-12) * np.eye(len(self.gram)), self.cross)
        return weights


def features(heard: Heard, late_s: float = 0.0) -> np.ndarray:
    """Return the EEG that follows each sample, shape (n_times, n_lags * n_chans) of float32.

    ``late_s`` moves the lags, for a data set in which all EEG is late.
    """
    first = round((FIRST_S + late_s) * heard.rate_hz)
    last = round((LAST_S + late_s) * heard.rate_hz)
    return np.concatenate([_moved(heard.eeg, lag) for lag in range(first, last + 1, STEP)], axis=1)


def _moved(eeg: np.ndarray, lag: int) -> np.ndarray:
    moved = np.zeros_like(eeg)
    moved[max(0, -lag) : len(eeg) - max(0, lag)] = eeg[max(0, lag) : len(eeg) - max(0, -lag)]
    return moved


def moments(lagged: np.ndarray, heard: Heard, rows: np.ndarray | None = None) -> Moments:
    """Sum the products over the rows in which something is heard, or over ``rows``."""
    rows = np.flatnonzero(heard.presentation >= 0) if rows is None else rows
    chosen = lagged[rows]
    gram = (chosen.T @ chosen).astype(np.float64)
    return Moments(gram, (chosen.T @ heard.envelope[rows].astype(np.float32)).astype(np.float64))


def reconstruct_by_parts(lagged: np.ndarray, heard: Heard) -> np.ndarray:
    """Reconstruct the envelope of each part of a recording from a fit to its other parts, shape (n_times,)."""
    rows = np.flatnonzero(heard.presentation >= 0)
    parts = [part for part in np.array_split(rows, N_PARTS) if len(part)]
    own = [moments(lagged, heard, part) for part in parts]
    total = sum(own[1:], own[0])
    estimate = np.zeros(len(lagged))
    starts = [0, *(int(part[0]) for part in parts[1:]), len(lagged)]
    for start, stop, part in zip(starts[:-1], starts[1:], own, strict=True):
        estimate[start:stop] = lagged[start:stop] @ (total - part).weights().astype(np.float32)
    return estimate

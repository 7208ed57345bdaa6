"""Identification: which of the reference clips is each generated clip most like?"""

from __future__ import annotations

import numpy as np

from eeg2speech_bench.benchmarks.metrics import retrieval
from eeg2speech_bench.benchmarks.metrics.quality import standardise_bands
from eeg2speech_bench.core.clips import Clips


def identification(generated: Clips, reference: Clips) -> np.ndarray:
    """Credit for picking the true clip first among all reference clips.

    Likeness is `quality.mel_correlation`, which knows time and no mean spectrum. References that are equal (two
    listeners who heard the same audio) are one candidate.

    Parameters
    ----------
    generated, reference : Clips
        n clips of the same segments.

    Returns
    -------
    array of float, shape (n,)
        Expected credit when ties are broken at random. Chance is 1 / n distinct references, and exactly that is
        what silence gets. NaN where the reference is silent (it is no candidate either), or is the only one.

    Raises
    ------
    ContractError
        If the clips differ in number or length.
    """
    return _scored(retrieval.top_1, generated, reference)


def identification_rank(generated: Clips, reference: Clips) -> np.ndarray:
    """Rank of the true clip among all reference clips as a share: 0 is best, 0.5 chance, 1 worst.

    Parameters, errors and NaN as `identification`; ties count half.
    """
    return _scored(retrieval.relative_rank, generated, reference)


def similarity_matrix(generated: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Mean over bands of the correlation over time of every generated mel with every candidate.

    Parameters
    ----------
    generated : array of float32, shape (n, n_frames, n_bands)
    candidates : array of float32, shape (m, n_frames, n_bands)
        None of them silent.

    Returns
    -------
    array of float, shape (n, m)
    """
    ours, _ = standardise_bands(generated)
    theirs, varies = standardise_bands(candidates)
    return ours.reshape(len(ours), -1) @ theirs.reshape(len(theirs), -1).T / varies.sum(axis=1)


def _scored(metric: retrieval.ScoreMetric, generated: Clips, reference: Clips) -> np.ndarray:
    generated.check_matches(reference)
    values = np.full(len(reference), np.nan)
    sounding = np.flatnonzero(standardise_bands(reference.mel)[1].any(axis=1))
    if sounding.size:
        first, true = _distinct(reference.mel[sounding])
        candidates = reference.mel[sounding[first]]
        values[sounding] = metric(similarity_matrix(generated.mel[sounding], candidates), true)
    return values


def _distinct(mel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of ``mel`` that are met for the first time, and for each row the number of its equal among those."""
    first: dict[bytes, int] = {}
    true = np.array([first.setdefault(row.tobytes(), len(first)) for row in mel])
    return np.unique(true, return_index=True)[1], true

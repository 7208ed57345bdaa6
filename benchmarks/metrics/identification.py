"""Identifies the reference clip that each generated clip is most like."""

from __future__ import annotations

import numpy as np

from eeg2speech_bench.benchmarks.metrics import embeddings, retrieval
from eeg2speech_bench.benchmarks.metrics.quality import standardise_bands
from eeg2speech_bench.core.segments.clips import Clips


def identification(generated: Clips, reference: Clips) -> np.ndarray:
    """Return the credit for picking the true clip first among all reference clips.

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
    generated.check_matches(reference)
    return identify(retrieval.top_1, generated.mel, reference.mel, reference)


def identification_rank(generated: Clips, reference: Clips) -> np.ndarray:
    """Return the rank of the true clip among all reference clips as a share: 0 best, 0.5 chance, 1 worst.

    Parameters, errors and NaN as `identification`; ties count half.
    """
    generated.check_matches(reference)
    return identify(retrieval.relative_rank, generated.mel, reference.mel, reference)


def two_way_identification(generated: Clips, reference: Clips) -> np.ndarray:
    """Return the share of other reference clips that are less like the generated clip than the true one.

    Chance is 0.5.

    Parameters, errors and NaN as `identification`; ties count half.
    """
    generated.check_matches(reference)
    return identify(retrieval.match_mismatch, generated.mel, reference.mel, reference)


def wakeword_identification(generated: Clips, reference: Clips) -> np.ndarray:
    """Identify clips by `embeddings.wakeword`, a network that no stage ever saw.

    Vectors are compared by their correlation over time; see `identification`.

    A generator may learn to paint mels that correlate; this judge listens with other ears.
    """
    generated.check_matches(reference)
    ours, theirs = embeddings.wakeword(generated), embeddings.wakeword(reference)
    return identify(retrieval.top_1, ours, theirs, reference)


def wakeword_two_way(generated: Clips, reference: Clips) -> np.ndarray:
    """Return `two_way_identification` by `embeddings.wakeword`."""
    generated.check_matches(reference)
    ours, theirs = embeddings.wakeword(generated), embeddings.wakeword(reference)
    return identify(retrieval.match_mismatch, ours, theirs, reference)


def count_candidates(reference: Clips) -> int:
    """Count references that are told from each other: equal ones once, silent ones not at all."""
    sounding = standardise_bands(reference.mel)[1].any(axis=1)
    return len(_distinct(reference.mel[sounding])[0]) if sounding.any() else 0


def identify(
    metric: retrieval.ScoreMetric, generated: np.ndarray, candidates: np.ndarray, reference: Clips
) -> np.ndarray:
    """Retrieve the true clip from the generated one by sequences of vectors, with any metric of `retrieval`.

    Parameters
    ----------
    metric : callable
        Of `retrieval`.
    generated, candidates : array of float, shape (n, n_frames, dim)
        Of generated and reference clips.
    reference : Clips
        Decides which segments are scored, and which of them are one candidate.

    Returns
    -------
    array of float, shape (n,)
        NaN where the reference is silent.
    """
    values = np.full(len(reference), np.nan)
    sounding = np.flatnonzero(standardise_bands(reference.mel)[1].any(axis=1))
    if sounding.size:
        first, true = _distinct(reference.mel[sounding])
        values[sounding] = metric(similarity_matrix(generated[sounding], candidates[sounding[first]]), true)
    return values


def similarity_matrix(generated: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return the mean correlation over time of every generated sequence with every candidate.

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


def _distinct(mel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of ``mel`` that are met for the first time, and for each row the number of its equal among those."""
    first: dict[bytes, int] = {}
    true = np.array([first.setdefault(row.tobytes(), len(first)) for row in mel])
    return np.unique(true, return_index=True)[1], true

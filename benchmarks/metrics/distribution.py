"""Measures the distance between all generated and all reference clips: one number per condition."""

from __future__ import annotations

import numpy as np

from eeg2speech_bench.benchmarks.metrics import embeddings
from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.segments.clips import Clips

#: subset sizes from which the distance at infinite n is read, as shares of the clips
_SHARES = np.linspace(0.2, 0.5, 7)
#: subsets drawn per size
_N_SUBSETS = 8
#: clips below which the extrapolation is not tried
MIN_CLIPS = 16


def frechet_cepstral(generated: Clips, reference: Clips) -> float:
    """Return the Frechet distance at infinite n between `embeddings.cepstral` of all clips.

    See `frechet_at_infinity`.
    """
    return frechet_at_infinity(embeddings.cepstral(generated), embeddings.cepstral(reference))


def frechet_wakeword(generated: Clips, reference: Clips) -> float:
    """Return the Frechet distance at infinite n between `embeddings.wakeword` of all clips.

    See `frechet_at_infinity`.
    """
    return frechet_at_infinity(embeddings.wakeword(generated), embeddings.wakeword(reference))


def frechet_at_infinity(generated: np.ndarray, reference: np.ndarray) -> float:
    """Extrapolate the Frechet distance, relative to the reference's variance, to infinitely many clips.

    The distance of finite sets is too large by an amount that falls as 1 / n. Here n clips are drawn from one side
    and n clips of *other* segments from the other, n from a fifth to half of the clips, and the intercept of a line
    over 1 / n is returned. Whole clips are drawn, because neighbouring vectors are not independent; never the same
    segment on both sides, so that pairing neither helps nor hurts. The distance of the references to themselves is
    therefore that of real speech to other real speech: the floor.

    Parameters
    ----------
    generated, reference : array of float, shape (n_clips, n_vectors, dim)

    Returns
    -------
    float
        About 0 for speech of the same kind, and by noise on either side of it. NaN for fewer than `MIN_CLIPS` clips,
        or a reference without variance.

    Raises
    ------
    ContractError
        If the two sides differ in shape.

    Notes
    -----
    Sources: Chong and Forsyth (2020), CVPR, 6070 (arXiv 1911.07023); Gui et al. (2024), ICASSP (arXiv 2311.01616).
    """
    if generated.shape != reference.shape:
        raise ContractError(
            "A Frechet distance needs equal numbers", got=f"{generated.shape} and {reference.shape}", expected="equal"
        )
    n_clips = len(reference)
    scale = np.trace(np.cov(_flat(reference), rowvar=False)) if n_clips > 1 else 0.0
    if n_clips < MIN_CLIPS or not scale > 0:
        return np.nan
    rng = np.random.default_rng(0)
    inverse, distances = [], []
    for n in np.unique((_SHARES * n_clips).astype(int)):
        for _ in range(_N_SUBSETS):
            rows = rng.permutation(n_clips)
            inverse.append(1 / n)
            distances.append(frechet_distance(_flat(generated[rows[:n]]), _flat(reference[rows[-n:]])))
    return float(np.polyfit(inverse, distances, 1)[1] / scale)


def frechet_distance(left: np.ndarray, right: np.ndarray) -> float:
    """Return the squared Frechet (Wasserstein-2) distance of the Gaussians that fit two sets of vectors.

    ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))``; the trace of the root is the sum of the roots of the eigenvalues
    of the symmetric ``C1^(1/2) C2 C1^(1/2)``, which never turn complex.

    Parameters
    ----------
    left, right : array of float, shape (n, dim)
        At least two vectors each. Too large by about (tr C) / n for n independent vectors of equal law.

    Returns
    -------
    float

    Notes
    -----
    Source: Kilgour et al. (2019), *Interspeech*, 2350; Dowson and Landau (1982), *J. Multivariate Analysis* 12:450.
    """
    left, right = left.astype(np.float64), right.astype(np.float64)
    difference = left.mean(axis=0) - right.mean(axis=0)
    first, second = (np.atleast_2d(np.cov(side, rowvar=False)) for side in (left, right))
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0)).sum()
    return float(max(difference @ difference + np.trace(first) + np.trace(second) - 2 * cross, 0.0))


def _flat(clips: np.ndarray) -> np.ndarray:
    return clips.reshape(-1, clips.shape[-1])

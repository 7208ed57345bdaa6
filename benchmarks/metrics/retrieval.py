"""Measures retrieval of a segment's audio among candidates, by ranks and top-k credit that are fair to ties.

Metrics of this module take ``scores`` (n, m), the column ``true`` (n,) of each row's own candidate and, where not all
columns are candidates of all rows, ``pool`` (n, m) from `pools.candidates`. They return one value per segment. NaN
marks a segment whose pool leaves the metric undefined, never a fault of the scores.

scikit-learn's ``top_k_accuracy_score`` returns one number for all rows, so that nothing could be paired or drawn anew,
knows no pools, and breaks ties by the order of the columns.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from eeg2speech_bench.benchmarks.metrics.pools import FIXED_POOL
from eeg2speech_bench.core.errors import ContractError


class ScoreMetric(Protocol):
    """Returns one value per segment from scores, true columns and a pool: the type of this module's metrics."""

    def __call__(self, scores: np.ndarray, true: np.ndarray, pool: np.ndarray | None = None) -> np.ndarray:
        """Return values of shape (n,)."""


def ranks(scores: np.ndarray, true: np.ndarray, pool: np.ndarray | None = None) -> np.ndarray:
    """Return the zero-based rank of each row's true candidate: those that score higher plus half of the ties.

    Parameters
    ----------
    scores : array of float, shape (n, m)
        Higher is more alike.
    true : array of int, shape (n,)
        Column of the true candidate.
    pool : array of bool, shape (n, m), optional
        Candidates of each row, the true one among them; all columns if not given.

    Returns
    -------
    array of float, shape (n,)
        0 is best, n_candidates - 1 worst, (n_candidates - 1) / 2 the expectation of guessing.

    Raises
    ------
    ContractError
        If a score is not finite, ``true`` does not name a column per row, or ``pool`` leaves a true one out.
    """
    better, ties, _ = _count_candidates(scores, true, pool)
    return better + ties / 2


def hits(scores: np.ndarray, true: np.ndarray, k: int, pool: np.ndarray | None = None) -> np.ndarray:
    """Return the expected credit for a true candidate among the best ``k``, with ties broken at random.

    Parameters, errors as `ranks`; values from 0 to 1, shape (n,). Equal scores give exactly k / n_candidates.
    """
    better, ties, _ = _count_candidates(scores, true, pool)
    return np.clip((k - better) / (ties + 1), 0.0, 1.0)


def top_1(scores: np.ndarray, true: np.ndarray, pool: np.ndarray | None = None) -> np.ndarray:
    """Return the top-1 credit per segment; NaN where the pool has one candidate. See `hits`."""
    return _top_credit(scores, true, 1, pool)


def top_5(scores: np.ndarray, true: np.ndarray, pool: np.ndarray | None = None) -> np.ndarray:
    """Return the top-5 credit per segment; NaN where the pool has five candidates or fewer. See `hits`."""
    return _top_credit(scores, true, 5, pool)


def top_10(scores: np.ndarray, true: np.ndarray, pool: np.ndarray | None = None) -> np.ndarray:
    """Return the top-10 credit per segment; NaN where the pool has ten candidates or fewer. See `hits`."""
    return _top_credit(scores, true, 10, pool)


def top_1_of_50(scores: np.ndarray, true: np.ndarray, pool: np.ndarray | None = None) -> np.ndarray:
    """Return the top-1 credit in pools of 50; chance is 1 / 50 for every data set. See `hits_of_random_pool`."""
    return hits_of_random_pool(scores, true, 1, FIXED_POOL, pool)


def top_10_of_50(scores: np.ndarray, true: np.ndarray, pool: np.ndarray | None = None) -> np.ndarray:
    """Return the top-10 credit in pools of 50; chance is 10 / 50 for every data set. See `hits_of_random_pool`."""
    return hits_of_random_pool(scores, true, 10, FIXED_POOL, pool)


def reciprocal_rank(scores: np.ndarray, true: np.ndarray, pool: np.ndarray | None = None) -> np.ndarray:
    """Return the expected 1 / (rank + 1) per segment, with ties broken at random; guessing gives H(m) / m."""
    better, ties, _ = _count_candidates(scores, true, pool)
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, scores.shape[1] + 1))])
    return (harmonic[better + ties + 1] - harmonic[better]) / (ties + 1)


def relative_rank(scores: np.ndarray, true: np.ndarray, pool: np.ndarray | None = None) -> np.ndarray:
    """Return the rank as a share of the pool, per segment: 0 best, 0.5 guessing, 1 worst; NaN for a pool of one.

    Comparable between pools; its median over segments is the one to report.
    """
    better, ties, size = _count_candidates(scores, true, pool)
    return np.where(size > 1, (better + ties / 2) / np.maximum(size - 1, 1), np.nan)


def match_mismatch(scores: np.ndarray, true: np.ndarray, pool: np.ndarray | None = None) -> np.ndarray:
    """Return the share of other candidates that the true one beats, ties half.

    This is a two-way choice against every impostor.

    Guessing gives 0.5, and so does an encoder that prefers some audio whatever the EEG is, provided that the choice
    is balanced: every candidate is as often impostor as it is true. That holds for the pool ``same-recording``, and
    for all candidates where all listeners heard the same windows equally often (the doubt of Puffay et al. 2023,
    arXiv 2302.01736).
    """
    return 1 - relative_rank(scores, true, pool)


def hits_of_random_pool(
    scores: np.ndarray, true: np.ndarray, k: int, n_candidates: int, pool: np.ndarray | None = None
) -> np.ndarray:
    """Return the expected top-k credit in a random pool: the true candidate and others drawn without replacement.

    The expectation is exact (hypergeometric), so nothing is drawn. It makes data sets with pools of different sizes
    comparable.

    Parameters, errors as `ranks`; shape (n,). NaN where the pool is smaller than ``n_candidates``.
    """
    from scipy.stats import hypergeom

    better, ties, size = _count_candidates(scores, true, pool)
    credit = np.full(len(scores), np.nan)
    for m in np.unique(size[size >= n_candidates]):
        rows = size == m
        # Among its ties the true candidate holds every place equally often: average over the number ahead of it.
        among_best = hypergeom.cdf(k - 1, m - 1, np.arange(m), n_candidates - 1)
        total = np.concatenate([[0.0], np.cumsum(among_best)])
        credit[rows] = (total[(better + ties + 1)[rows]] - total[better[rows]]) / (ties[rows] + 1)
    return credit


def chance(metric: ScoreMetric, n_candidates: int) -> float:
    """Return the value of ``metric`` for guessing: what it gives when all candidates score the same."""
    return float(metric(np.zeros((1, n_candidates)), np.zeros(1, dtype=np.int64))[0])


def chance_band(
    metric: ScoreMetric,
    sizes: np.ndarray,
    *,
    confidence: float,
    aggregate: str = "mean",
    n_draws: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the central band of a cell's value when every rank is guessed, for the segments that were scored.

    Parameters
    ----------
    metric : callable
        Of this module.
    sizes : array of int, shape (n,)
        Candidates of each *independent* segment. Segments of several listeners to the same audio are not
        independent for an encoder that ignores the EEG: pass one per distinct window for a band that holds then too.
    confidence : float
        Such as 0.95.
    aggregate : {'mean', 'median'}
    n_draws, seed : int
        Of the simulation.

    Returns
    -------
    low, high : float
        NaN where the metric is not defined for these sizes.
    """
    rng = np.random.default_rng(seed)
    draws = np.empty((n_draws, len(sizes)))
    for size in np.unique(sizes):
        rows = np.flatnonzero(sizes == size)
        by_rank = _values_by_rank(metric, int(size))
        draws[:, rows] = by_rank[rng.integers(0, size, (n_draws, len(rows)))]
    draws = draws[:, np.isfinite(draws).all(axis=0)]
    if not draws.size:
        return np.nan, np.nan
    values = np.median(draws, axis=1) if aggregate == "median" else draws.mean(axis=1)
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _values_by_rank(metric: ScoreMetric, size: int) -> np.ndarray:
    """Value of ``metric`` for a true candidate at each rank from 0 to size - 1, without ties; (size,)."""
    places = np.arange(size)
    scores = -np.where(places[None, :] <= places[:, None], places[None, :] - size, places[None, :])
    scores[places, 0] = 0  # column 0 is the true one; row r has r columns above it
    return metric(scores.astype(np.float64), np.zeros(size, dtype=np.int64))


def _top_credit(scores: np.ndarray, true: np.ndarray, k: int, pool: np.ndarray | None) -> np.ndarray:
    """`hits`, or NaN where the k best are the whole pool and every encoder would reach 1."""
    better, ties, size = _count_candidates(scores, true, pool)
    return np.where(size > k, np.clip((k - better) / (ties + 1), 0.0, 1.0), np.nan)


def _count_candidates(
    scores: np.ndarray, true: np.ndarray, pool: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Candidates above the true one, others level with it, and all of them; each int (n,)."""
    _check_finite(scores)
    true = np.asarray(true)
    n, m = scores.shape
    if true.shape != (n,) or np.any((true < 0) | (true >= m)):
        raise ContractError(
            "True candidates do not fit the scores",
            got=f"{true.shape} from {true.min(initial=0)} to {true.max(initial=0)}",
            expected=f"one column number from 0 to {m - 1} for each of {n} rows",
        )
    own = scores[np.arange(n), true][:, None]
    if pool is None:
        return (scores > own).sum(axis=1), (scores == own).sum(axis=1) - 1, np.full(n, m)
    _check_pool(pool, true, (n, m))
    return ((scores > own) & pool).sum(axis=1), ((scores == own) & pool).sum(axis=1) - 1, pool.sum(axis=1)


def _check_pool(pool: np.ndarray, true: np.ndarray, shape: tuple[int, int]) -> None:
    if pool.shape != shape or pool.dtype != bool or not pool[np.arange(len(true)), true].all():
        raise ContractError(
            "A pool of candidates does not fit the scores",
            got=f"{pool.dtype} {pool.shape}",
            expected=f"bool {shape} in which every true candidate is one",
        )


def _check_finite(scores: np.ndarray) -> None:
    if not np.isfinite(scores).all():
        raise ContractError(
            "Retrieval scores are not finite",
            got=f"{np.count_nonzero(~np.isfinite(scores))} of {scores.size} NaN or infinite",
            expected="finite scores",
            then="Check the encoder's embeddings; a NaN is never given a middle rank.",
        )

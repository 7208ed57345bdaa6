"""Retrieval of a segment's audio among candidates: ranks and top-k credit that are fair to ties.

Metrics of this module take ``scores`` (n, m) and the column ``true`` (n,) of each row's own candidate and return
one value per segment. NaN marks a metric that the pool leaves undefined, never a fault of the scores.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eeg2speech_bench.core.errors import ContractError

ScoreMetric = Callable[[np.ndarray, np.ndarray], np.ndarray]

#: guards the division by a silent candidate's norm, as in brainmagick
_EPSILON = 1e-8


def score_matrix(estimates: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """CLIP score of every estimate with every candidate.

    The inner product over tokens and channels jointly, divided by the norm of the candidate. The norm of the
    estimate scales a whole row and changes no rank.

    Parameters
    ----------
    estimates : array of float, shape (n, n_tokens, dim)
        What the encoder says of each segment.
    candidates : array of float, shape (m, n_tokens, dim)
        Target embeddings of the distinct test windows.

    Returns
    -------
    array of float32, shape (n, m)

    Raises
    ------
    ContractError
        If tokens or dim differ, or a value is not finite.

    Notes
    -----
    Source: Defossez et al. (2023), *Nature Machine Intelligence* 5:1097.
    """
    if estimates.ndim != 3 or candidates.ndim != 3 or estimates.shape[1:] != candidates.shape[1:]:
        raise ContractError(
            "Estimates and candidates cannot be compared",
            got=f"{estimates.shape} and {candidates.shape}",
            expected="(n, n_tokens, dim) and (m, n_tokens, dim)",
            then="Pool the candidates to the encoder's tokens first.",
        )
    left = estimates.reshape(len(estimates), -1).astype(np.float32, copy=False)
    right = candidates.reshape(len(candidates), -1).astype(np.float32, copy=False)
    scores = left @ right.T / (_EPSILON + np.linalg.norm(right, axis=1))
    _check_finite(scores)
    return scores


def ranks(scores: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Zero-based rank of each row's true candidate: candidates that score higher plus half of those that tie.

    Parameters
    ----------
    scores : array of float, shape (n, m)
        Higher is more alike.
    true : array of int, shape (n,)
        Column of the true candidate.

    Returns
    -------
    array of float, shape (n,)
        0 is best, m - 1 worst, (m - 1) / 2 the expectation of guessing.

    Raises
    ------
    ContractError
        If a score is not finite, or ``true`` does not name a column per row.
    """
    better, ties = _better_and_ties(scores, true)
    return better + ties / 2


def hits(scores: np.ndarray, true: np.ndarray, k: int) -> np.ndarray:
    """Expected credit for a true candidate among the best ``k`` when ties are broken at random.

    Parameters, errors as `ranks`; values from 0 to 1, shape (n,). Equal scores give exactly k / m.
    """
    better, ties = _better_and_ties(scores, true)
    return np.clip((k - better) / (ties + 1), 0.0, 1.0)


def top_1(scores: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Top-1 credit per segment, see `hits`; NaN where the pool has one candidate."""
    return _top(scores, true, 1)


def top_5(scores: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Top-5 credit per segment, see `hits`; NaN where the pool has five candidates or fewer."""
    return _top(scores, true, 5)


def top_10(scores: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Top-10 credit per segment, see `hits`; NaN where the pool has ten candidates or fewer."""
    return _top(scores, true, 10)


def reciprocal_rank(scores: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Expected 1 / (rank + 1) per segment when ties are broken at random; guessing gives H(m) / m."""
    better, ties = _better_and_ties(scores, true)
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, scores.shape[1] + 1))])
    return (harmonic[better + ties + 1] - harmonic[better]) / (ties + 1)


def relative_rank(scores: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Rank as a share of the pool, per segment: 0 is best, 1 worst, 0.5 guessing; NaN for a pool of one.

    Comparable between pools; its median over segments is the one to report.
    """
    n_others = scores.shape[1] - 1
    return ranks(scores, true) / n_others if n_others else np.full(len(scores), np.nan)


def chance(metric: ScoreMetric, n_candidates: int) -> float:
    """Value of ``metric`` for guessing: what it gives when all candidates score the same."""
    return float(metric(np.zeros((1, n_candidates)), np.zeros(1, dtype=np.int64))[0])


def _top(scores: np.ndarray, true: np.ndarray, k: int) -> np.ndarray:
    """`hits`, or NaN where the k best are the whole pool and every encoder would reach 1."""
    credit = hits(scores, true, k)
    return credit if k < scores.shape[1] else np.full_like(credit, np.nan)


def _better_and_ties(scores: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Candidates above, and other candidates level with, the true one; both int (n,)."""
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
    return (scores > own).sum(1), (scores == own).sum(1) - 1


def _check_finite(scores: np.ndarray) -> None:
    if not np.isfinite(scores).all():
        raise ContractError(
            "Retrieval scores are not finite",
            got=f"{np.count_nonzero(~np.isfinite(scores))} of {scores.size} NaN or infinite",
            expected="finite scores",
            then="Check the encoder's embeddings; a NaN is never given a middle rank.",
        )

"""Tests whether a short series rises."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

#: a shorter series cannot be told from chance at 5 %: its smallest p is 1/6
MIN_POINTS = 4


def rising_p(values: Sequence[float]) -> float:
    """Return the one-sided p of a series that rises, by the exact test of Mann and Kendall.

    It asks nothing of the size of the noise, which a training curve does not tell, and counts only which of every two
    points is higher. Ties count as no rise.

    Parameters
    ----------
    values : sequence of float
        In the order of time.

    Returns
    -------
    float
        Share of the orders of as many points in which at least as many pairs rise.

    Notes
    -----
    Source: Mann (1945), "Nonparametric tests against trend", *Econometrica* 13:245. Own code since
    ``scipy.stats.kendalltau`` takes a millisecond, and a board judges thousands of curves.
    """
    series = np.asarray(values, dtype=float)
    n_rising = int((series[:, None] < series[None])[np.triu_indices(len(series), 1)].sum())
    return float(_tail(len(series))[n_rising])


@lru_cache(maxsize=512)
def _tail(n: int) -> np.ndarray:
    """Return by number of rising pairs the share of the orders of n points that have so many or more."""
    share = np.ones(1)
    for k in range(2, n + 1):  # the k-th point may be higher than 0 to k - 1 of those before it
        share = np.convolve(share, np.full(k, 1 / k))
    return np.cumsum(share[::-1])[::-1]

"""Computes exact binomial intervals for shares of hits."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.statistics.resampling import Interval


def proportion_interval(hits: int, n: int, confidence: float) -> Interval:
    """Return the exact confidence interval of a share of hits among ``n`` independent trials.

    Segments of one recording are not independent, so the true interval is wider. Use this one as a lower limit of its
    width: a bootstrap of no hits at all has no width.

    Parameters
    ----------
    hits, n : int
    confidence : float
        Such as 0.95.

    Raises
    ------
    DataError
        If ``hits`` is not from 0 to ``n`` or ``n`` is below 1.

    Notes
    -----
    Source: Clopper and Pearson (1934), *Biometrika* 26:404.
    """
    if n < 1 or not 0 <= hits <= n:
        raise DataError("No interval of a share", got=f"{hits} of {n}", expected="0 to n hits, and n of at least 1")
    from scipy.stats import binomtest  # takes a second to import, which commands that list things need not wait for

    interval = binomtest(hits, n).proportion_ci(confidence, method="exact")
    return Interval(float(interval.low), float(interval.high))


@lru_cache(maxsize=4096)  # a board asks for the same listeners and pools in every row
def guessing_band(n: int, chance: float, confidence: float = 0.95) -> Interval:
    """Return the central band of the shares of hits that guessers with ``n`` independent trials reach.

    Segments of one recording are not independent, so the true band is wider. Use `paired_sign_flip` against a control
    to decide.

    Parameters
    ----------
    n : int
        Trials of one guesser.
    chance : float
        Probability that a trial succeeds.
    confidence : float
        Share of guessers inside the band.

    Raises
    ------
    DataError
        If ``chance`` is not a probability or ``n`` is below 1.

    Examples
    --------
    >>> guessing_band(100, 0.5)
    Interval(low=0.4, high=0.6)
    """
    if not 0 <= chance <= 1 or n < 1:
        got = f"chance = {chance}, n = {n}"
        raise DataError("No band of guessing", got=got, expected="chance from 0 to 1 and n of at least 1")
    tail = (1 - confidence) / 2
    return Interval(_binomial_quantile(tail, n, chance) / n, _binomial_quantile(1 - tail, n, chance) / n)


def _binomial_quantile(share: float, n: int, chance: float) -> float:
    """Return the fewest hits that ``share`` of guessers do not exceed."""
    from scipy.special import (
        bdtr,
        bdtrik,
    )  # scipy.stats takes three times as long to import, in every process of a board

    if chance in (0, 1):
        return float(n * chance)
    hits = float(np.ceil(bdtrik(share, n, chance)))
    return hits - 1 if hits >= 1 and bdtr(hits - 1, n, chance) >= share else max(hits, 0.0)

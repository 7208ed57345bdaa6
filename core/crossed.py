"""The test of a mean over listeners and stretches of audio that are both samples of others."""

from __future__ import annotations

import numpy as np
from scipy.special import fdtrc

from eeg2speech_bench.core import statistics

#: fewer listeners or blocks say nothing about how listeners or blocks vary
MIN_UNITS = 3


def crossed_p(differences: np.ndarray, subject: np.ndarray, block: np.ndarray) -> float:
    """Return the two-sided p of a mean difference that is to hold for other listeners and for other audio.

    The quasi-F ratio min F' of Clark (1973, Journal of Verbal Learning and Verbal Behavior 12:335-359): with F1 over
    the means of listeners and F2 over the means of blocks, 1 / min F' = 1 / F1 + 1 / F2. What a segment alone varies by
    counts in both, which errs on the safe side. Unlike sign flips of few listeners it has no smallest p, so that it
    can be corrected for many comparisons.

    Parameters
    ----------
    differences : array of float, shape (n,)
    subject, block : array, shape (n,)
        Listener and stretch of audio of each segment.

    Returns
    -------
    float
        1 where there are fewer than `MIN_UNITS` listeners or blocks, or no difference at all.
    """
    by_listener, by_block = (_means(differences, unit) for unit in (subject, block))
    mean = statistics.estimate(differences, subject)
    if min(len(by_listener), len(by_block)) < MIN_UNITS or mean == 0:
        return 1.0
    variances = [means.var(ddof=1) / len(means) for means in (by_listener, by_block)]
    degrees = [len(means) - 1 for means in (by_listener, by_block)]
    total = sum(variances)
    if total == 0:
        return 0.0
    # Satterthwaite's degrees of freedom of the sum of both variances, which are those of min F'
    freedom = total**2 / sum(v**2 / n for v, n in zip(variances, degrees, strict=True))
    return float(fdtrc(1, freedom, mean**2 / total))


def _means(values: np.ndarray, unit: np.ndarray) -> np.ndarray:
    _, place = np.unique(unit, return_inverse=True)
    return np.bincount(place, values) / np.bincount(place)

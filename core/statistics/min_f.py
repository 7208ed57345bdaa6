"""Tests a mean when both listeners and audio are random samples (min F')."""

from __future__ import annotations

import numpy as np

#: fewer listeners or blocks say nothing about how listeners or blocks vary
MIN_UNITS = 3


def crossed_p(differences: np.ndarray, subject: np.ndarray, block: np.ndarray) -> float:
    """Return the two-sided p of a mean difference, for other listeners and for other audio.

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
        1 where there are fewer than `MIN_UNITS` listeners or blocks, or where the mean over listeners and the mean over
        blocks are not on one side of 0.
    """
    units = [_means(differences[:, None], unit) for unit in (subject, block)]
    return float(_min_f_p(units[0], units[1])[0])


def pairwise_p(values: np.ndarray, subject: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Return `crossed_p` of the difference of every two columns.

    Parameters
    ----------
    values : array of float, shape (n, k)
        What is compared, measured on the same segments.
    subject, block : array, shape (n,)

    Returns
    -------
    array of float, shape (k, k)
        Symmetric, with ones on the diagonal.
    """
    k = values.shape[1]
    units = [_means(values, unit) for unit in (subject, block)]
    p = np.ones((k, k))
    for i in range(k - 1):  # a row at a time: all pairs at once would need gigabytes for hundreds of columns
        listeners, blocks = (means[:, i : i + 1] - means[:, i + 1 :] for means in units)
        p[i, i + 1 :] = p[i + 1 :, i] = _min_f_p(listeners, blocks)
    return p


def _min_f_p(by_listener: np.ndarray, by_block: np.ndarray) -> np.ndarray:
    """Return a p for each column of the units' mean differences, shapes (n_listeners, k) and (n_blocks, k)."""
    from scipy.special import fdtrc  # a tenth of a second, which a board without ranks need not wait for

    units = (by_listener, by_block)
    means = [own.mean(axis=0) for own in units]
    if min(map(len, units)) < MIN_UNITS:
        return np.ones(len(means[0]))
    with np.errstate(divide="ignore", invalid="ignore"):
        # 1 / F of listeners and of blocks, whose sum is 1 / min F'
        inverse = [own.var(axis=0, ddof=1) / len(own) / mean**2 for own, mean in zip(units, means, strict=True)]
        total = inverse[0] + inverse[1]
        freedom = total**2 / sum(i**2 / (len(own) - 1) for i, own in zip(inverse, units, strict=True))
        p = fdtrc(1, freedom, 1 / total)
    against = means[0] * means[1] <= 0  # no difference, or none on which listeners and audio agree
    return np.where(against, 1.0, np.where(total == 0, 0.0, p))


def _means(values: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return the mean of each column over the segments of each unit, shape (n_units, k)."""
    units, place = np.unique(unit, return_inverse=True)
    sums = np.zeros((len(units), values.shape[1]))
    np.add.at(sums, place, values)
    return sums / np.bincount(place)[:, None]

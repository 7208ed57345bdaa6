"""Ranks of encoders with their uncertainty: intervals by a paired bootstrap, and groups of those that tie by min F'."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eeg2speech_bench.core import statistics
from eeg2speech_bench.core.crossed import MIN_UNITS, crossed_p
from eeg2speech_bench.core.seeding import derive_seed
from eeg2speech_bench.leaderboard.pairing import CONFIDENCE, N_RESAMPLES

ALPHA = 0.05


@dataclass(frozen=True)
class Rank:
    """Where an encoder stands.

    Attributes
    ----------
    low, high : int
        Best and worst rank of the 95 % interval; 1 is the best encoder.
    group : int
        Encoders of one group cannot be told from the best of that group; 1 is the best group.
    n : int
        Encoders that were ranked together.
    n_units : int
        Listeners or blocks of audio, whichever are fewer: what their test rests on.
    """

    low: int
    high: int
    group: int
    n: int
    n_units: int

    @property
    def blind(self) -> bool:
        """Whether all tie because so few units cannot tell any apart."""
        return self.n > 1 and self.n_units < MIN_UNITS

    @property
    def tie(self) -> str:
        """Letter of the group: A is the best, Z is followed by AA."""
        letters, left = "", self.group
        while left:
            left, place = divmod(left - 1, 26)
            letters = chr(ord("A") + place) + letters
        return letters


def rank(values: np.ndarray, subject: np.ndarray, block: np.ndarray, *, name: str) -> list[Rank]:
    """Rank encoders that were measured on the same segments.

    Parameters
    ----------
    values : array of float, shape (n_segments, n_encoders)
        Large is good.
    subject, block : array, shape (n_segments,)
        Labels of listener and stretch of audio.
    name : str
        Of the metric; what is drawn at random depends on it and on nothing else.
    """
    intervals = rank_intervals(values, subject, block, seed=derive_seed(0, "rank", name)).tolist()
    groups = tie_groups(values, subject, block)
    n_units = min(len(np.unique(subject)), len(np.unique(block)))
    return [Rank(low, high, group, len(groups), n_units) for (low, high), group in zip(intervals, groups, strict=True)]


def rank_intervals(values: np.ndarray, subject: np.ndarray, block: np.ndarray, *, seed: int) -> np.ndarray:
    """Return best and worst rank of each encoder when listeners and blocks of audio are drawn anew.

    Parameters
    ----------
    values : array of float, shape (n_segments, n_encoders)
        Large is good.
    subject, block : array, shape (n_segments,)
        One draw of listeners and one of blocks serves all encoders, so that what they share cancels out.
    seed : int

    Returns
    -------
    array of int, shape (n_encoders, 2)
        Bounds that leave at most 2.5 % of the resamples on either side; encoders that tie in a resample count as
        both the best and the worst of their ranks.
    """
    estimates = _resampled(values, subject, block, np.random.default_rng(seed))
    room = 1e-12 * np.abs(values).max(initial=0)  # sums in another order differ in the last bits
    best, worst = np.empty_like(estimates, dtype=int), np.empty_like(estimates, dtype=int)
    for i in range(values.shape[1]):
        own = estimates[:, i : i + 1]
        best[:, i] = 1 + (estimates > own + room).sum(axis=1)
        worst[:, i] = (estimates >= own - room).sum(axis=1)
    tail = (1 - CONFIDENCE) / 2
    low = np.quantile(best, tail, axis=0, method="lower")
    high = np.quantile(worst, 1 - tail, axis=0, method="higher")
    return np.stack([low, high], axis=1)


def _resampled(values: np.ndarray, subject: np.ndarray, block: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the mean over drawn listeners of their means over drawn blocks, (n_resamples, n_encoders)."""
    subjects, subject = np.unique(subject, return_inverse=True)
    blocks, block = np.unique(block, return_inverse=True)
    sums = np.zeros((len(blocks), len(subjects), values.shape[1]))
    counts = np.zeros((len(blocks), len(subjects)))
    np.add.at(sums, (block, subject), values)
    np.add.at(counts, (block, subject), 1)
    n_listeners, n_blocks = (
        rng.multinomial(n, np.full(n, 1 / n), size=N_RESAMPLES).astype(float) for n in (len(subjects), len(blocks))
    )
    n_segments = n_blocks @ counts
    means = np.tensordot(n_blocks, sums, axes=1) / np.maximum(n_segments, 1)[..., None]
    # A listener who heard none of the drawn blocks takes no part; a resample without anybody is dropped.
    weights = n_listeners * (n_segments > 0)
    total = weights.sum(axis=1)
    return np.einsum("rs,rse->re", weights, means)[total > 0] / total[total > 0, None]


def tie_groups(values: np.ndarray, subject: np.ndarray, block: np.ndarray) -> list[int]:
    """Return the group of each encoder: the best one leads, and those that cannot be told from it tie with it.

    The best of the others leads the next group. Within a group, p values (see `crossed_p`) are Holm-corrected for the
    number of encoders held against the leader; the sign flips of `leaderboard compare` have a smallest p, which no
    correction for twenty encoders survives with eight listeners.

    Parameters
    ----------
    values, subject, block
        As in `rank_intervals`.
    """
    means = [statistics.estimate(column, subject) for column in values.T]
    left = sorted(range(len(means)), key=lambda i: -means[i])
    groups, group = [0] * len(means), 0
    while left:
        group += 1
        leader, *others = left
        p = [crossed_p(values[:, leader] - values[:, i], subject, block) for i in others]
        tied = {i for i, adjusted in zip(others, statistics.holm(np.array(p)), strict=True) if adjusted >= ALPHA}
        for i in (leader, *tied):
            groups[i] = group
        left = [i for i in others if i not in tied]
    return groups

"""Ranks encoders with their uncertainty: intervals by a paired bootstrap, ties by min F'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eeg2speech_bench.core.statistics import resampling as statistics
from eeg2speech_bench.core.statistics.draws import draw_counts, weigh_subjects
from eeg2speech_bench.core.statistics.min_f import MIN_UNITS, pairwise_p
from eeg2speech_bench.core.training.seeding import derive_seed
from eeg2speech_bench.leaderboard.standings.differences import CONFIDENCE, N_RESAMPLES

ALPHA = 0.05


#: doubles held at once while resampling (32 MB)
_CHUNK_SIZE = 4_000_000


@dataclass(frozen=True)
class Rank:
    """Where an encoder stands.

    Attributes
    ----------
    low, high : int
        Best and worst rank of the 95 % interval; 1 is the best encoder.
    groups : tuple of int
        Sets of encoders of which no two can be told apart, 1 the one that reaches highest; encoders that share a group
        tie, encoders that share none differ.
    n : int
        Encoders that were ranked together.
    n_units : int
        Listeners or blocks of audio, whichever are fewer: what their test rests on.
    """

    low: int
    high: int
    groups: tuple[int, ...]
    n: int
    n_units: int

    @property
    def blind(self) -> bool:
        """Whether all tie because so few units cannot tell any apart."""
        return self.n > 1 and self.n_units < MIN_UNITS

    @property
    def letters(self) -> str:
        """A letter for each group: A reaches highest, Z is followed by AA."""
        return " ".join(map(_letter, self.groups))

    @property
    def place(self) -> tuple[int, int]:
        """Sorts encoders from the best to the worst."""
        return self.low + self.high, self.low


def rank(values: np.ndarray, encoder: np.ndarray, subject: np.ndarray, block: np.ndarray, *, name: str) -> list[Rank]:
    """Rank encoders that were measured on the same segments.

    Parameters
    ----------
    values : array of float, shape (n_segments, n_runs)
        Large is good. A run is a seed of an encoder.
    encoder : array of int, shape (n_runs,)
        Which encoder a run is of, from 0.
    subject, block : array, shape (n_segments,)
        Labels of listener and stretch of audio.
    name : str
        Of the metric; what is drawn at random depends on it and on nothing else.
    """
    intervals = rank_intervals(values, encoder, subject, block, seed=derive_seed(0, "rank", name)).tolist()
    groups = tie_groups(encoder_means(values, encoder), subject, block)
    n_units = min(len(np.unique(subject)), len(np.unique(block)))
    return [Rank(low, high, own, len(groups), n_units) for (low, high), own in zip(intervals, groups, strict=True)]


def encoder_means(values: np.ndarray, encoder: np.ndarray) -> np.ndarray:
    """Return the mean over the runs of each encoder, shape (n_segments, n_encoders)."""
    return np.stack([values[:, encoder == i].mean(axis=1) for i in range(encoder.max() + 1)], axis=1)


def rank_intervals(
    values: np.ndarray, encoder: np.ndarray, subject: np.ndarray, block: np.ndarray, *, seed: int
) -> np.ndarray:
    """Return best and worst rank of each encoder when listeners, blocks of audio and seeds are drawn anew.

    Parameters
    ----------
    values, encoder, subject, block : array
        See `rank`. One draw of listeners and one of blocks serves all encoders, so that what they share cancels out;
        seeds are drawn for each encoder by itself.
    seed : int

    Returns
    -------
    array of int, shape (n_encoders, 2)
        Bounds that leave at most 2.5 % of the resamples on either side; encoders that tie in a resample count as
        both the best and the worst of their ranks.
    """
    estimates = _resampled(values, encoder, subject, block, np.random.default_rng(seed))
    room = 1e-12 * np.abs(values).max(initial=0)  # sums in another order differ in the last bits
    best, worst = np.empty_like(estimates, dtype=int), np.empty_like(estimates, dtype=int)
    for i in range(estimates.shape[1]):
        own = estimates[:, i : i + 1]
        best[:, i] = 1 + (estimates > own + room).sum(axis=1)
        worst[:, i] = (estimates >= own - room).sum(axis=1)
    tail = (1 - CONFIDENCE) / 2
    low = np.quantile(best, tail, axis=0, method="lower")
    high = np.quantile(worst, 1 - tail, axis=0, method="higher")
    return np.stack([low, high], axis=1)


def _resampled(
    values: np.ndarray, encoder: np.ndarray, subject: np.ndarray, block: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return the mean over drawn listeners of their means over drawn blocks and seeds, (n_resamples, n_encoders)."""
    subjects, subject = np.unique(subject, return_inverse=True)
    blocks, block = np.unique(block, return_inverse=True)
    sums = np.zeros((len(blocks), len(subjects), values.shape[1]))
    counts = np.zeros((len(blocks), len(subjects)))
    np.add.at(sums, (block, subject), values)
    np.add.at(counts, (block, subject), 1)
    n_listeners, n_blocks = (draw_counts(n, N_RESAMPLES, rng).astype(float) for n in (len(subjects), len(blocks)))
    n_segments = n_blocks @ counts
    weights, n_taking_part = weigh_subjects(n_listeners, n_segments)
    kept = n_taking_part[:, 0] > 0
    weights = (weights / np.maximum(n_taking_part, 1))[kept]
    size = max(1, _CHUNK_SIZE // sums[0].size)
    of_runs = np.concatenate(
        [
            np.einsum("rs,rse->re", weights[i : i + size], np.tensordot(n_blocks[kept][i : i + size], sums, axes=1))
            for i in range(0, len(weights), size)
        ]
    )
    drawn = [of_runs[:, encoder == i] for i in range(encoder.max() + 1)]
    return np.stack([_seeds_drawn(own, rng) for own in drawn], axis=1)


def _seeds_drawn(estimates: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the mean over drawn seeds, (n_resamples,), of an encoder's estimates, (n_resamples, n_seeds)."""
    n = estimates.shape[1]
    picks = draw_counts(n, len(estimates), rng) if n > 1 else 1
    return (estimates * picks).sum(axis=1) / n


def tie_groups(values: np.ndarray, subject: np.ndarray, block: np.ndarray) -> list[tuple[int, ...]]:
    """Return the groups of each encoder (compact letter display); encoders that share one cannot be told apart.

    Every encoder is held against every other (see `crossed.pairwise_p`), Holm-corrected for all pairs; a group is a
    largest set of which no two differ.

    Parameters
    ----------
    values : array of float, shape (n_segments, n_encoders)
        Large is good.
    subject, block : array, shape (n_segments,)

    Notes
    -----
    Source: Piepho (2004), "An algorithm for a letter-based representation of all-pairwise comparisons", *Journal of
    Computational and Graphical Statistics* 13:456.
    """
    n = values.shape[1]
    upper = np.triu_indices(n, 1)
    alike = np.ones((n, n), dtype=bool)
    alike[upper] = statistics.holm(pairwise_p(values, subject, block)[upper]) >= ALPHA
    alike &= alike.T
    order = sorted(range(n), key=lambda i: -statistics.estimate(values[:, i], subject))
    return _cliques(alike, order)


def _cliques(alike: np.ndarray, order: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the numbers of the largest sets of which all are alike that each one is in; sets are numbered by order."""
    sets: set[frozenset[int]] = {frozenset()}
    for place, i in enumerate(order):
        like = frozenset(other for other in range(place) if alike[i, order[other]])
        grown = {own & like | {place} for own in sets} | {own for own in sets if not own <= like}
        sets = {own for own in grown if not any(own < other for other in grown)}
    numbered = sorted(sets, key=sorted)
    of_place = [tuple(k for k, own in enumerate(numbered, 1) if place in own) for place in range(len(order))]
    return [of_place[order.index(i)] for i in range(len(order))]


def _letter(group: int) -> str:
    letters = ""
    while group:
        group, place = divmod(group - 1, 26)
        letters = chr(ord("A") + place) + letters
    return letters

"""Ranks of encoders with their uncertainty: intervals by a paired bootstrap, and groups of those that tie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.core import statistics
from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.records import Record
from eeg2speech_bench.core.seeding import derive_seed
from eeg2speech_bench.leaderboard.pairing import (
    CONFIDENCE,
    N_RESAMPLES,
    SEGMENT,
    Located,
    paired_p,
    segment_values,
    tested_on,
)

if TYPE_CHECKING:
    import pandas as pd

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
    """

    low: int
    high: int
    group: int


def rank(cells: Iterable[tuple[Path, Record]], metric: str) -> dict[str, Rank]:
    """Rank the encoders of one data set, preset and split on the segments that all of them have.

    Parameters
    ----------
    cells : iterable of (Path, Record)
        Records with where they lie, ``<results>/records/<cell id>.json``; seeds of an encoder are averaged.
        Baselines, ceilings, cells that are not done and cells without the metric are left out.
    metric : str

    Returns
    -------
    dict of str to Rank
        By label, the best first; empty if there is no such cell.

    Raises
    ------
    DataError
        If the cells were tested on different windows, or no segment is common to all encoders.
    StorageError
        If a file of segments is missing.
    """
    by_label: dict[str, list[Located]] = {}
    for cell in (Located(path, record) for path, record in cells):
        if _competes(cell.record, metric):
            by_label.setdefault(cell.label, []).append(cell)
    if not by_label:
        return {}
    every = [cell for own in by_label.values() for cell in own]
    if len({cell.tested_on for cell in every}) > 1:
        raise DataError("Ranks need one data set, preset and split", got=tested_on(every))
    entry = every[0].record.metric(metric) or {}
    table = _aligned(by_label, metric)
    values = table.to_numpy() * (1 if entry.get("higher_is_better", True) else -1)
    subject, block = (table.index.get_level_values(name).to_numpy() for name in ("subject", "block"))
    intervals = rank_intervals(values, subject, block, seed=derive_seed(0, "rank", metric))
    groups = tie_groups(values, subject, block, seed=derive_seed(0, "tie", metric))
    order = np.argsort([-statistics.estimate(column, subject) for column in values.T], kind="stable")
    labels = list(table.columns)
    return {labels[i]: Rank(int(intervals[i, 0]), int(intervals[i, 1]), groups[i]) for i in order}


def _competes(record: Record, metric: str) -> bool:
    reference = record.encoder.get("baseline") or record.encoder.get("ceiling")
    return record.status == "done" and not reference and record.metric(metric) is not None


def _aligned(by_label: dict[str, list[Located]], metric: str) -> pd.DataFrame:
    """Return segments x encoders; rows are the segments that all encoders have, with their block in the index."""
    import pandas as pd

    columns = {}
    for label, cells in by_label.items():
        own = segment_values(cells).loc[lambda table: table.index.get_level_values("metric") == metric]
        columns[label] = own.set_index("block", append=True)["value"]
    table = pd.concat(columns, axis=1, join="inner")
    if table.empty:
        then = "Run them again with one scores.block_s and one scores.which."
        raise DataError(f"No segment with '{metric}' is common to the encoders", got=", ".join(by_label), then=then)
    return table.sort_index(level=SEGMENT)


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


def tie_groups(values: np.ndarray, subject: np.ndarray, block: np.ndarray, *, seed: int) -> list[int]:
    """Return the group of each encoder: the best one leads, and those that cannot be told from it tie with it.

    The best of the others leads the next group. Within a group, p values are Holm-corrected for the number of
    encoders held against the leader.

    Parameters
    ----------
    values, subject, block, seed
        As in `rank_intervals`.
    """
    means = [statistics.estimate(column, subject) for column in values.T]
    left = sorted(range(len(means)), key=lambda i: -means[i])
    groups, group = [0] * len(means), 0
    while left:
        group += 1
        leader, *others = left
        p = [paired_p(values[:, leader] - values[:, i], subject, block, seed=seed) for i in others]
        tied = {i for i, adjusted in zip(others, statistics.holm(np.array(p)), strict=True) if adjusted >= ALPHA}
        for i in (leader, *tied):
            groups[i] = group
        left = [i for i in others if i not in tied]
    return groups

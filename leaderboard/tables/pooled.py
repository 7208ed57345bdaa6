"""Pools one effect over several data sets as a random-effects mean, and makes the tables that ``compare`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.statistics.random_effects import PooledEffect, random_effects
from eeg2speech_bench.leaderboard.labels import signed
from eeg2speech_bench.leaderboard.standings.differences import CONFIDENCE, Difference, LocatedRecord
from eeg2speech_bench.leaderboard.tables.table import Table

#: how effects of several data sets are pooled, for those who read a table
NOTE = (
    "Random effects (DerSimonian-Laird, interval of Hartung and Knapp): tau is the standard deviation of the true "
    "effects between data sets, I2 the share of the variance that is not sampling error."
)


#: of fewer, the interval is wider than anything the metric could reach
MIN_DATASETS = 3


class Effect(NamedTuple):
    """The effect on one data set, in the metric's unit, with its standard error."""

    dataset: str
    value: float
    error: float


def standard_error(low: float, high: float, confidence: float = CONFIDENCE) -> float:
    """Return the standard error that fits a bootstrap interval, as if its distribution were normal.

    Parameters
    ----------
    low, high : float
        Of the interval.
    confidence : float
        Its coverage.
    """
    return (high - low) / _width(confidence)


@lru_cache
def _width(confidence: float) -> float:
    return 2 * NormalDist().inv_cdf((1 + confidence) / 2)


def pool_effects(effects: Sequence[Effect]) -> PooledEffect | str:
    """Return the random-effects mean over data sets, or why there is none.

    Parameters
    ----------
    effects : sequence of Effect
        One per data set. A data set that is there twice (two splits) is not two data sets, and nothing is pooled.
    """
    if len(effects) < MIN_DATASETS:
        return f"{len(effects)} data sets say too little of the spread between data sets"
    names = [effect.dataset for effect in effects]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        return f"tested in two ways on {', '.join(twice)}"
    values, errors = (np.array([effect[i] for effect in effects]) for i in (1, 2))
    try:
        return random_effects(values, errors, confidence=CONFIDENCE)
    except DataError as error:
        return str(error).rstrip(".")


def pooled_tables(names: Sequence[str], groups: Sequence[tuple[LocatedRecord, list[Difference]]]) -> list[Table]:
    """Return the pooled differences of two encoders, a table per preset with two data sets or more.

    Parameters
    ----------
    names : sequence of str
        A and B.
    groups : sequence of (LocatedRecord, list of Difference)
        A cell of every data set, preset and split, and what was found there.
    """
    presets: dict[str, list[tuple[LocatedRecord, list[Difference]]]] = {}
    for cell, found in groups:
        if cell.record.dataset.is_null:  # no sample of the data sets that anybody asks about
            continue
        presets.setdefault(cell.tested_on[1], []).append((cell, found))
    return [
        _pooled_table(f"{names[0]} against {names[1]} over data sets, preset {preset}", own)
        for preset, own in presets.items()
        if len({cell.tested_on[0] for cell, _ in own}) > 1
    ]


def _pooled_table(title: str, groups: list[tuple[LocatedRecord, list[Difference]]]) -> Table:
    datasets = list(dict.fromkeys(cell.tested_on[0] for cell, _ in groups))
    head = ["metric", *datasets, "pooled A - B [95 %]", "next data set [95 %]", "tau", "I2", "Q (df)"]
    table = Table(title, head, notes=[NOTE])
    for metric in dict.fromkeys(d.metric for _, found in groups for d in found):
        own = [(cell, d) for cell, found in groups for d in found if d.metric == metric]
        title = own[0][1].label
        effects = [Effect(cell.tested_on[0], d.effect, standard_error(d.low, d.high)) for cell, d in own]
        pooled = pool_effects(effects)
        if isinstance(pooled, str):
            table.notes.append(f"{title} is not pooled: {pooled}.")
            continue
        shown = {cell.tested_on[0]: signed(d.effect, d.low, d.high) for cell, d in own}
        table.rows.append([title, *(shown.get(name, "-") for name in datasets), *_texts(pooled)])
        sizes = {entry.n_pool for cell, _ in own if (entry := cell.record.metric(metric)) is not None}
        if len(sizes) > 1:
            counts = ", ".join(map(str, sorted(sizes)))
            table.notes.append(f"{title}: the data sets have pools of {counts} candidates.")
    return table


def _texts(pooled: PooledEffect) -> list[str]:
    further = pooled.prediction
    return [
        signed(pooled.mean, pooled.interval.low, pooled.interval.high),
        "-" if further is None else f"[{further.low:+.3f}, {further.high:+.3f}]",
        f"{pooled.tau2**0.5:.3f}",
        f"{100 * pooled.i2:.0f} %",
        f"{pooled.q:.1f} ({pooled.n_datasets - 1})",
    ]

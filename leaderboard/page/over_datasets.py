"""Pools over data sets how far every encoder is above its best control, with random effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eeg2speech_bench.core.statistics.random_effects import PooledEffect
from eeg2speech_bench.leaderboard.page.rows import Row, describing_score
from eeg2speech_bench.leaderboard.standings.identity import EEG_KINDS
from eeg2speech_bench.leaderboard.tables.pooled import Effect, pool_effects

#: metrics whose chance depends on the data set's pool, and the same in a pool of fixed size
FIXED_POOL = {"top1": "top1_of_50"}


@dataclass(frozen=True)
class PooledRow:
    """A method on several data sets.

    Attributes
    ----------
    row : Row
        Of the first data set; stands for the method.
    effects : list of (Row, Effect)
        Metric minus best control, turned so that above 0 is better, on each data set.
    found : PooledEffect, optional
    reason : str
        Why nothing was pooled; empty otherwise.
    """

    row: Row
    effects: list[tuple[Row, Effect]]
    found: PooledEffect | None
    reason: str


@dataclass(frozen=True)
class PooledTable:
    """All methods in one metric, the largest pooled effect first."""

    label: str
    rows: list[PooledRow]
    pools: list[int]


def over_datasets(rows: Sequence[Row], headlines: Sequence[str]) -> list[PooledTable]:
    """Return a table per headline metric that a method has on two data sets or more.

    References take no part, and neither does a data set without signal: it is no sample of those anybody asks about.
    """
    methods: dict[str, list[Row]] = {}
    for row in rows:
        if row.kind in EEG_KINDS and row.done and not row.first.is_null:
            methods.setdefault(row.first.method, []).append(row)
    several = [own for own in methods.values() if len({row.first.dataset for row in own}) > 1]
    tables = [_table(several, metric) for metric in headlines]
    return [table for table in tables if table.rows]


def _table(methods: list[list[Row]], headline: str) -> PooledTable:
    rows = [row for own in methods for row in own if row.mean(headline) is not None]
    fixed = FIXED_POOL.get(headline, headline)
    metric = fixed if all(row.mean(fixed) for row in rows) else headline
    pooled = [found for own in methods if (found := _pooled(own, metric)) is not None]
    pooled.sort(key=lambda p: (p.found is None, -p.found.mean if p.found else 0.0, p.row.first.encoder))
    sizes = {mean.first.n_pool for row in rows if (mean := row.mean(metric)) is not None}
    return PooledTable(describing_score(rows, metric).title if rows else metric, pooled, sorted(sizes))


def _pooled(rows: list[Row], metric: str) -> PooledRow | None:
    effects = []
    for row in rows:
        mean = row.mean(metric)
        if mean is not None and mean.gain is not None and mean.gain_error is not None:
            effects.append((row, Effect(row.first.dataset, mean.gain, mean.gain_error)))
    if len({effect.dataset for _, effect in effects}) < 2:
        return None
    found = pool_effects([effect for _, effect in effects])
    return PooledRow(rows[0], effects, *((None, found) if isinstance(found, str) else (found, "")))

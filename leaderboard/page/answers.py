"""What a reader wants to know of a data set first: which encoder leads, is it real, on whom, at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from eeg2speech_bench.leaderboard.page.pareto import Point, cost_quality
from eeg2speech_bench.leaderboard.page.rows import Mean, Row
from eeg2speech_bench.leaderboard.table import LABELS


@dataclass(frozen=True)
class Leader:
    """The row that leads by one headline metric, and the next one.

    Attributes
    ----------
    real : bool
        False if no row is distinguishable from no signal; then ``row`` is merely the one with the highest value.
    overlap : bool
        Whether the next row's interval reaches into the leader's.
    """

    metric: str
    row: Row
    mean: Mean
    real: bool
    next_row: Row | None
    next_mean: Mean | None

    @property
    def label(self) -> str:
        """The metric's name in tables."""
        return LABELS.get(self.metric, self.metric)

    @property
    def overlap(self) -> bool:
        """Whether the intervals of leader and next share values."""
        return self.next_mean is not None and self.next_mean.high >= self.mean.low


@dataclass(frozen=True)
class DatasetSummary:
    """One data set: its rows, its leaders and its cost-quality plots."""

    name: str
    anchor: str
    rows: list[Row]
    leaders: list[Leader]
    plots: list[Markup]
    listen: str

    @property
    def n_cells(self) -> int:
        """Cells of this data set."""
        return sum(len(row.cells) for row in self.rows)

    @property
    def n_failed(self) -> int:
        """Cells without scores."""
        return sum(cell.status != "done" for row in self.rows for cell in row.cells)


def summarise_dataset(name: str, anchor: str, rows: list[Row], headlines: Sequence[str], listen: str) -> DatasetSummary:
    """Find the leaders of a data set and draw its plots."""
    leaders = [found for metric in headlines if (found := find_leader(rows, metric)) is not None]
    return DatasetSummary(name, anchor, rows, leaders, list(_plots(rows, headlines)), listen)


def find_leader(rows: Sequence[Row], metric: str) -> Leader | None:
    """Return the best row whose every seed is told from no signal, else the best of all; ceilings take no part."""
    scored = [(mean, row) for row in rows if row.kind != "ceiling" and (mean := row.mean(metric)) is not None]
    if not scored:
        return None
    sign = 1 if scored[0][0].first.higher_is_better else -1
    scored.sort(key=lambda pair: -sign * pair[0].value)
    real = [pair for pair in scored if pair[1].state(metric) == "signal"]
    mean, row = (real or scored)[0]
    others = [pair for pair in scored if pair[1] is not row]
    next_mean, next_row = others[0] if others else (None, None)
    return Leader(metric, row, mean, bool(real), next_row, next_mean)


def _plots(rows: Sequence[Row], headlines: Sequence[str]) -> list[Markup]:
    made = []
    for metric in headlines:
        for cost, label, unit in (
            ("seconds", "minutes, all stages", 60.0),
            ("parameters", "parameters of the encoder", 1.0),
        ):
            points = _points(rows, metric, cost, unit)
            if len(points) > 1:
                chance = next((m.first.chance for row in rows if (m := row.mean(metric))), None)
                made.append(cost_quality(points, label, LABELS.get(metric, metric), chance))
    return made


def _points(rows: Sequence[Row], metric: str, cost: str, unit: float) -> list[Point]:
    points = []
    for row in rows:
        mean, spent = row.mean(metric), row.cost(cost)
        if mean is not None and spent:
            name, href = row.first.encoder, f"rows/{row.name}.html"
            told = row.state(metric) == "signal"
            points.append(Point(name, spent / unit, mean.value, mean.low, mean.high, href, row.kind, told))
    return points

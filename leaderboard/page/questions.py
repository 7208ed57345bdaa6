"""Answers what readers ask first of a data set: which encoder leads, whether it is real, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from markupsafe import Markup

from eeg2speech_bench.leaderboard.page.pareto import ParetoPoint, cost_quality
from eeg2speech_bench.leaderboard.page.rows import MeanScore, Row, describing_score
from eeg2speech_bench.leaderboard.standings.identity import EEG_KINDS
from eeg2speech_bench.leaderboard.standings.standings import Standing, Standings


@dataclass(frozen=True)
class Leader:
    """The row that leads by one headline metric, and the next one.

    Attributes
    ----------
    real : bool
        False if no row is distinguishable from no signal; then ``row`` is merely the one with the highest value.
    standing : Standing, optional
        Rank of the row, and its margin over the best baseline; None if it does not compete.
    tied : list of Row
        Encoders that cannot be told from it.
    next_told : bool, optional
        Whether the next row can be told from it; None if they do not compete.
    """

    metric: str
    row: Row
    mean: MeanScore
    real: bool
    next_row: Row | None
    next_mean: MeanScore | None
    standing: Standing | None = None
    tied: list[Row] = field(default_factory=list)
    next_told: bool | None = None

    @property
    def label(self) -> str:
        """The metric's name in tables."""
        return self.mean.first.title

    @property
    def minutes(self) -> float | None:
        """Of all stages that the metric needs."""
        seconds = self.row.cost(_seconds_of(self.metric))
        return None if seconds is None else seconds / 60


@dataclass(frozen=True)
class DatasetSummary:
    """One data set: its rows, its leaders and its cost-quality plots."""

    name: str
    about: str
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


def summarise_dataset(
    name: str, anchor: str, rows: list[Row], headlines: Sequence[str], listen: str, standings: Standings
) -> DatasetSummary:
    """Find the leaders of a data set and draw its plots."""
    leaders = [
        _with_ties(found, rows, standings) for metric in headlines if (found := find_leader(rows, metric)) is not None
    ]
    about = next((row.first.about for row in rows if row.first.about), "")
    return DatasetSummary(name, about, anchor, rows, leaders, list(_plots(rows, headlines)), listen)


def find_leader(rows: Sequence[Row], metric: str) -> Leader | None:
    """Return the best row of which every seed beats the controls, else the best of all; references take no part.

    It is held against the next encoder, and not against itself with another budget or other settings.
    """
    scored = [(mean, row) for row in rows if row.kind in EEG_KINDS and (mean := row.mean(metric)) is not None]
    if not scored:
        return None
    sign = 1 if scored[0][0].first.higher_is_better else -1
    scored.sort(key=lambda pair: -sign * pair[0].value)
    real = [pair for pair in scored if pair[1].state(metric) == "signal"]
    mean, row = (real or scored)[0]
    others = [pair for pair in scored if pair[1].first.encoder != row.first.encoder]
    next_mean, next_row = others[0] if others else (None, None)
    return Leader(metric, row, mean, bool(real), next_row, next_mean)


def _with_ties(leader: Leader, rows: Sequence[Row], standings: Standings) -> Leader:
    own = leader.row.standing(leader.metric, standings)
    if own is None:
        return leader
    others = {row.name: row.standing(leader.metric, standings) for row in rows if row is not leader.row}
    tied = [row for row in rows if own.ties(others.get(row.name))]
    return replace(leader, standing=own, tied=tied, next_told=_told(leader, own, others))


def _told(leader: Leader, own: Standing, others: dict[str, Standing | None]) -> bool | None:
    if leader.next_row is None:
        return None
    if leader.next_row.kind == "baseline":
        same = own.margin is not None and own.margin.baseline == leader.next_row.first.encoder
        return own.margin.told if same and own.margin is not None else None
    other = others[leader.next_row.name]
    ranked = own.rank is not None and other is not None and other.rank is not None
    return not own.ties(other) if ranked and other is not None and other.competition == own.competition else None


def _seconds_of(metric: str) -> str:
    return "retrieval_seconds" if metric == "top1" else "seconds"


def _plots(rows: Sequence[Row], headlines: Sequence[str]) -> list[Markup]:
    made = []
    for metric in headlines:
        stages = "what retrieval needs" if metric == "top1" else "all stages"
        for cost, axis, unit in (
            (_seconds_of(metric), f"minutes, {stages}", 60.0),
            ("parameters", "parameters of the encoder", 1.0),
        ):
            points, left_out = _points(rows, metric, cost, unit)
            if len(points) > 1:
                described = describing_score(rows, metric)
                made.append(cost_quality(points, axis, described.title, described.chance, left_out=left_out))
    return made


def _points(rows: Sequence[Row], metric: str, cost: str, unit: float) -> tuple[list[ParetoPoint], list[str]]:
    points, left_out = [], []
    for row in rows:
        if (mean := row.mean(metric)) is None:
            continue
        name, href = row.first.encoder, f"rows/{row.name}.html"
        if not (spent := row.cost(cost)):
            left_out.append(name)
            continue
        told = row.state(metric) == "signal"
        points.append(ParetoPoint(name, spent / unit, mean.value, mean.low, mean.high, href, row.kind, told))
    return points, left_out

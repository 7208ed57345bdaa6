"""Groups cells into rows of the table: one row averages the seeds of one encoder under one configuration."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from eeg2speech_bench.core.conditions import CONTROLS
from eeg2speech_bench.core.records.metrics import Metric
from eeg2speech_bench.leaderboard.labels import BOARD_METRICS, CONTROL_METRICS, p_text
from eeg2speech_bench.leaderboard.page.cell_summary import CellSummary, Score, plain_name
from eeg2speech_bench.leaderboard.standings.identity import Kind
from eeg2speech_bench.leaderboard.standings.standings import STILL, Standing, Standings
from eeg2speech_bench.leaderboard.tables.pooled import standard_error
from eeg2speech_bench.leaderboard.tables.table import NO_SIGNAL, NOT_TESTABLE, testable

#: seeds that differ by a smaller share are the same: a fit in closed form has the last digits of its arithmetic only
SAME = 1e-9
State = Literal["signal", "mixed", "none", "failed", ""]


@dataclass(frozen=True)
class MeanScore:
    """A metric over the seeds of a row.

    Attributes
    ----------
    value, low, high : float
        Means of the values and of the bounds of the seeds' intervals.
    n_seeds : int
        Seeds that have the metric.
    spread : float, optional
        Standard deviation between seeds; None for one seed, or where all are the same to the last digits.
    best_control : str
        Condition without signal that reaches furthest on average; empty if none was measured.
    control, ceiling : float, optional
        Means of what it and the true audio embedding reach.
    gain, gain_error : float, optional
        How much better than that control, whichever direction that is, and the standard error from both intervals:
        those of listeners and audio that EEG and control share are counted twice, so it is rather too large.
    listeners : tuple of float, optional
        Lowest and highest of the listeners, each a mean over seeds.
    first : Score
        Of the lowest seed: chance, pool and the rest that seeds share.
    """

    value: float
    low: float
    high: float
    n_seeds: int
    spread: float | None
    best_control: str
    control: float | None
    ceiling: float | None
    gain: float | None
    gain_error: float | None
    listeners: tuple[float, float] | None
    first: Score

    @property
    def testable(self) -> bool:
        """Whether the true audio embedding beats the best control; if not, no encoder could show anything."""
        return testable(self.ceiling, self.control, higher_is_better=self.first.higher_is_better)


@dataclass
class Row:
    """Cells that differ in the seed alone, in the order of their seeds, with every metric's mean over them."""

    cells: list[CellSummary]
    means: dict[str, MeanScore] = field(default_factory=dict)

    @cached_property
    def first(self) -> CellSummary:
        """The cell that stands for the row where one has to: the lowest seed that is done, else the lowest."""
        return self.done[0] if self.done else self.cells[0]

    @cached_property
    def done(self) -> list[CellSummary]:
        """Cells with scores, one per seed; if a seed was run twice, the complete run."""
        done = sorted((cell for cell in self.cells if cell.status == "done"), key=lambda cell: len(cell.scores))
        by_seed = {cell.seed: cell for cell in done}
        return [cell for cell in self.cells if by_seed.get(cell.seed) is cell]

    @cached_property
    def name(self) -> str:
        """File name without ending of the row's page: readable, and unlike that of any other row."""
        split = next((cell.split_hash for cell in self.cells if cell.split_hash), "")
        readable = plain_name(f"{self.first.encoder}-{self.first.dataset}-{self.first.preset}")[:80]
        return f"{readable}-{self.first.key}{split[:8]}"

    @property
    def data(self) -> tuple[str, str]:
        """Name and revision of the data set: rows that do not share both are never compared."""
        return self.first.dataset, self.first.revision

    @property
    def kind(self) -> Kind:
        """What the encoder is there for."""
        return self.first.kind

    def mean(self, metric: str) -> MeanScore | None:
        """Return a metric's mean over seeds, None if no cell has it."""
        return self.means.get(metric)

    def standing(self, metric: str, standings: Standings) -> Standing | None:
        """Return where the row stands; None if it does not compete."""
        found = (standings.get((cell.id, metric)) for cell in self.done)
        return next((standing for standing in found if standing is not None), None)

    @property
    def budget(self) -> str:
        """What the encoder was trained with; a range where seeds stopped early at different steps."""
        cells = self.done or self.cells
        found = sorted({cell.budget for cell in cells}, key=_numbers_first)
        text = found[0] if len(found) == 1 else f"{found[0]} to {found[-1]}"
        n = sum(cell.convergence == STILL for cell in cells)
        seeds = "" if n == len(cells) else f" in {n} of {len(cells)} seeds"
        return f"{text}, {STILL}{seeds}" if n else text

    def cost(self, name: str) -> float | None:
        """Return the mean of ``seconds``, ``retrieval_seconds``, ``memory_mb``, ``energy_wh`` or ``parameters``.

        It is over the cells that say it; but for what retrieval takes, over those that went the whole way of the row.
        """
        cells = self.done if name == "retrieval_seconds" else self.whole
        return _mean_of_known(getattr(cell, name) for cell in (cells or self.cells))

    @cached_property
    def whole(self) -> list[CellSummary]:
        """Cells with scores that went as far as any of the row."""
        furthest = max((len(cell.verdicts) for cell in self.done), default=0)
        return [cell for cell in self.done if len(cell.verdicts) == furthest]

    def state(self, metric: str) -> State:
        """Return what the row says of a headline metric, in one word."""
        if not self.done:
            return "failed"
        told = [cell.verdicts[metric].distinguishable for cell in self.done if metric in cell.verdicts]
        if not told:
            return ""
        return "signal" if all(told) else "mixed" if any(told) else "none"

    def verdict(self, metric: str) -> str:
        """Return what the row says of a headline metric, in the record's words; the largest p of the seeds."""
        if not self.done:
            return ended_text(self.first)
        verdicts = [cell.verdicts[metric] for cell in self.done if metric in cell.verdicts]
        state = self.state(metric)
        if state == "signal":
            n = len(verdicts)
            seeds = "" if n == len(self.done) else f" ({n} seed{'s' if n > 1 else ''})"
            return f"signal, {p_text(max(v.p for v in verdicts))}{seeds}"
        if state == "mixed":
            n = sum(v.distinguishable for v in verdicts)
            return f"signal in {n} of {len(verdicts)} seeds, in the others {NO_SIGNAL}"
        return self._none_text(metric) if state == "none" else "not run"

    def verdict_of(self, cell: CellSummary, metric: str) -> tuple[str, State]:
        """Return what one of its cells says of a headline metric, and the same in one word."""
        if cell.status != "done":
            return ended_text(cell), "failed"
        if (verdict := cell.verdicts.get(metric)) is None:
            return "not run", ""
        if verdict.distinguishable:
            return f"signal, {p_text(verdict.p)}", "signal"
        return self._none_text(metric), "none"

    def _none_text(self, metric: str) -> str:
        mean = self.mean(metric)
        return NO_SIGNAL if mean is None or mean.testable else f"{NOT_TESTABLE} {mean.ceiling:.3f}"


def ended_text(cell: CellSummary) -> str:
    """Return how a cell without scores ended: its status, phase and reason."""
    return f"{cell.status.upper()} in {cell.error}"


def cells_by_row(cells: Iterable[CellSummary]) -> list[list[CellSummary]]:
    """Return the cells of each row, in the order of their seeds.

    A cell that ended before its split was made joins the row that is like it in all else.
    """
    groups: dict[tuple[str, str], list[CellSummary]] = {}
    # cells with a split first, so that those without find the row to join
    for cell in sorted(cells, key=lambda c: (not c.split_hash, c.dataset, c.seed, c.id)):
        like = [key for key in groups if key[0] == cell.key] if not cell.split_hash else []
        groups.setdefault(like[0] if like else (cell.key, cell.split_hash), []).append(cell)
    return [sorted(own, key=lambda c: (c.seed, c.id)) for own in groups.values()]


def make_row(cells: list[CellSummary], scores: Mapping[str, Mapping[str, Score]]) -> Row:
    """Return the row of some cells; ``scores`` are those of each by its id."""
    row = Row(cells)
    of_metric: dict[str, list[Score]] = {}
    for cell in row.done:
        for name, score in scores[cell.id].items():
            of_metric.setdefault(name, []).append(score)
    row.means = {name: _mean(own) for name, own in of_metric.items()}
    return row


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Sort rows: by data set, the best retrieval of each first and those without scores last."""
    return sorted(rows, key=_order)


def _mean(scores: list[Score]) -> MeanScore:
    first, value = scores[0], _average(s.value for s in scores)
    spread = math.sqrt(math.fsum((s.value - value) ** 2 for s in scores) / max(len(scores) - 1, 1))
    of_each = {c: [s.controls[c] for s in scores if c in s.controls] for c in CONTROLS}
    controls = {c: _average(entry.value for entry in own) for c, own in of_each.items() if own}
    best = (max if first.higher_is_better else min)(controls, key=lambda c: controls[c], default="")
    by_listener: dict[str, list[float]] = {}
    for score in scores:
        for name, reached in score.per_subject.items():
            by_listener.setdefault(name, []).append(reached)
    heard = [sum(own) / len(own) for own in by_listener.values()]
    return MeanScore(
        value=value,
        low=_average(s.low for s in scores),
        high=_average(s.high for s in scores),
        n_seeds=len(scores),
        spread=spread if spread > SAME * max(1.0, abs(value)) else None,
        best_control=best,
        control=controls.get(best),
        ceiling=_mean_of_known(s.ceiling for s in scores),
        gain=(1 if first.higher_is_better else -1) * (value - controls[best]) if best else None,
        gain_error=_average(_gain_error(s, s.controls[best]) for s in scores if best in s.controls) if best else None,
        listeners=(min(heard), max(heard)) if heard else None,
        first=first._replace(controls={}, per_subject={}),  # entries of the record, which is not kept
    )


def _gain_error(eeg: Score, control: Metric) -> float:
    own = standard_error(eeg.low, eeg.high, eeg.confidence)
    return math.hypot(own, standard_error(control.low, control.high, control.confidence))


def _average(values: Iterable[float]) -> float:
    known = list(values)
    return math.fsum(known) / len(known)


def metric_names(rows: Iterable[Row]) -> list[str]:
    """Return the metrics that the records hold, the suite's own first in its order."""
    found = dict.fromkeys(name for row in rows for name in row.means)
    known = dict.fromkeys(name for name in (*BOARD_METRICS, *CONTROL_METRICS) if name in found)
    return list(known | found)


def describing_score(rows: Iterable[Row], metric: str) -> Score:
    """Return what one of the rows says of a metric that some of them have, if possible one with a label."""
    scores = [mean.first for row in rows if (mean := row.mean(metric)) is not None]
    return next((score for score in scores if score.label), scores[0])


def headline_names(rows: Sequence[Row]) -> list[str]:
    """Return the metrics that have a verdict, retrieval first."""
    found = {name for row in rows for cell in row.cells for name in cell.verdicts}
    return [name for name in metric_names(rows) if name in found]


def preset_variants(rows: Sequence[Row]) -> dict[int, str]:
    """Return what to add to the preset's name where rows would otherwise read the same, by position."""
    seen: dict[tuple[str, ...], list[int]] = {}
    for number, row in enumerate(rows):
        c = row.first
        seen.setdefault((c.encoder, *row.data, c.preset, c.target), []).append(number)
    alike = [number for numbers in seen.values() if len(numbers) > 1 for number in numbers]
    return {number: rows[number].first.key[:4] for number in alike}


def _numbers_first(text: str) -> tuple[list[int], str]:
    """Return what sorts 320 x 64 before 1040 x 64."""
    return [int(number) for number in re.findall(r"\d+", text)], text


def _mean_of_known(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return _average(known) if known else None


def _order(row: Row) -> tuple[Any, ...]:
    mean = row.mean("top1")
    return (*row.data, -(mean.value if mean else -math.inf), row.first.encoder, row.first.preset, row.first.id)

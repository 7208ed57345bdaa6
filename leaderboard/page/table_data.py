"""The table of the page as data: columns and rows, which the script in the page draws, sorts and exports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eeg2speech_bench.leaderboard.page.cell import Cell
from eeg2speech_bench.leaderboard.page.rows import FIRST_METRICS, Mean, Row, ended_text, variants
from eeg2speech_bench.leaderboard.standings import Standings
from eeg2speech_bench.leaderboard.table import CONDITION_LABELS, RANK_NOTE, label

#: what the verdict of a headline metric is about
VERDICT_LABELS = {"top1": "retrieval", "identification": "generated speech"}


def table_columns(metrics: Sequence[str], headlines: Sequence[str], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the columns: field, title, kind, whether shown at first, and what the head says on hover."""
    columns = [
        _column("e", "encoder", "name", "the encoder; a number before it opens its seeds"),
        _column("d", "data set", "text", ""),
        _column("t", "target", "text", "the audio target that the encoder was aligned to"),
        _column("p", "preset", "text", "the configuration; four letters tell variants of one preset apart"),
    ]
    for number, name in enumerate(metrics):
        first = next(mean.first for row in rows if (mean := row.mean(name)))
        better = "higher is better" if first.higher_is_better else "lower is better"
        unit = f", {first.unit}" if first.unit else ""
        if name in headlines:
            columns.append(_column(f"r{number}", f"rank, {label(name)}", "rank", RANK_NOTE))
        column = _column(f"m{number}", label(name), "score", f"{better}{unit}", shown=name in FIRST_METRICS)
        columns.append(column | {"higher": first.higher_is_better})
        if name in headlines:
            title = VERDICT_LABELS.get(name, f"{label(name)}: verdict")
            note = f"{label(name)} against the controls that carry no signal"
            columns.append(_column(f"v{number}", title, "verdict", note))
    energy = [_column("wh", "energy, Wh", "number", "all stages; mean over seeds", shown=False)]
    return [
        *columns,
        _column("bud", "budget", "text", "alignment steps x batch; *: own optimiser settings"),
        _column("par", "parameters", "count", "trained parameters of the encoder"),
        _column("min", "minutes", "number", "all stages, as if none had been reused; mean over seeds"),
        _column("mem", "memory, GB", "number", "highest of all stages; mean over seeds", shown=False),
        *(energy if any(row.cost("energy_wh") is not None for row in rows) else []),
        _column("lis", "listeners", "count", ""),
        _column("seg", "segments", "count", "test segments of all listeners"),
        _column("n", "seeds", "text", "seeds with scores, of all that were run"),
    ]


def table_rows(
    rows: Sequence[Row],
    datasets: Sequence[str],
    metrics: Sequence[str],
    headlines: Sequence[str],
    standings: Standings,
) -> list[dict[str, Any]]:
    """Return one dictionary per row, with its cells as children where there are several."""
    variant = variants(rows)
    ranks = [_ranks(rows, name, metrics.index(name), standings) for name in headlines]
    made = []
    for number, row in enumerate(rows):
        one = _row(row, metrics, headlines) | {"i": number, "d": datasets.index(row.first.dataset)}
        for of_metric in ranks:
            one |= of_metric[number]
        one["p"] = row.first.preset + (f" ·{variant[number]}" if number in variant else "")
        if len(row.cells) > 1:
            one["cells"] = [_cell(cell, metrics, headlines) for cell in row.cells]
        made.append(one)
    return made


def _ranks(rows: Sequence[Row], metric: str, field: int, standings: Standings) -> list[dict[str, Any]]:
    """Return for every row its place in the order of ranks, and the rank or the reason why it has none.

    The order goes by competition, tie group and rank. A rank is [low, high, how many, tie, competition,
    what limits it].
    """
    found = [row.standing(metric, standings) for row in rows]
    competitions = sorted({standing.competition for standing in found if standing is not None})
    made: list[dict[str, Any]] = [{} for _ in rows]
    ranked = []
    for number, standing in enumerate(found):
        if standing is None:
            continue
        made[number] = {f"q{field}": standing.reason}
        if (rank := standing.rank) is not None:
            competition = competitions.index(standing.competition)
            made[number] = {f"q{field}": [rank.low, rank.high, rank.n, rank.tie, competition, standing.limit]}
            ranked.append((competition, rank.group, rank.low + rank.high, number))
    for place, (*_, number) in enumerate(sorted(ranked)):
        made[number][f"r{field}"] = place
    return made


def _column(field: str, title: str, kind: str, note: str, *, shown: bool = True) -> dict[str, Any]:
    return {"f": field, "title": title, "kind": kind, "note": note, "shown": shown}


def _row(row: Row, metrics: Sequence[str], headlines: Sequence[str]) -> dict[str, Any]:
    first, seconds, memory = row.first, row.cost("seconds"), row.cost("memory_mb")
    made: dict[str, Any] = {
        "e": first.encoder,
        "k": "" if row.kind == "encoder" else row.kind,
        "t": first.target,
        "h": f"rows/{row.name}.html",
        "s": first.status,
        "bud": row.budget,
        "par": row.cost("parameters"),
        "min": None if seconds is None else round(seconds / 60, 2),
        "mem": None if memory is None else round(memory / 1000, 2),
        "wh": _rounded(row.cost("energy_wh")),
        "lis": first.n_subjects,
        "seg": first.n_segments,
        "n": _seeds(row),
    }
    for number, name in enumerate(metrics):
        mean = row.mean(name)
        if mean is not None:
            made[f"m{number}"], made[f"x{number}"] = _rounded(mean.value), _beside(mean)
        if name in headlines:
            made[f"v{number}"], made[f"w{number}"] = row.verdict(name), row.state(name)
    if not row.done:
        made["err"] = ended_text(first)
    return made


def _cell(cell: Cell, metrics: Sequence[str], headlines: Sequence[str]) -> list[Any]:
    """Return a cell below its row, in little space: name, seed, minutes, error, scores and verdicts by position."""
    scores = [cell.scores.get(name) for name in metrics]
    alone = Row([cell])
    return [
        cell.name,
        cell.seed,
        None if cell.seconds is None else round(cell.seconds / 60, 2),
        "" if cell.status == "done" else ended_text(cell),
        [score and [round(number, 4) for number in score] for score in scores],
        {metrics.index(name): [alone.verdict(name), alone.state(name)] for name in headlines},
    ]


def _seeds(row: Row) -> str:
    seeds = {cell.seed for cell in row.cells}
    return str(len(seeds)) if len(row.done) == len(seeds) else f"{len(row.done)} of {len(seeds)}"


def _beside(mean: Mean) -> list[Any]:
    """Return interval, spread, chance, best control's value and name, ceiling."""
    first = mean.first
    numbers = (mean.low, mean.high, mean.spread, first.chance, mean.control)
    control = CONDITION_LABELS.get(first.control, first.control)
    return [*map(_rounded, numbers), control, _rounded(mean.ceiling)]


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")

"""Writes the table of the page as data, which the script in the page draws, sorts and exports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eeg2speech_bench.core.conditions import condition_label
from eeg2speech_bench.leaderboard.labels import BOARD_METRICS
from eeg2speech_bench.leaderboard.page.cell_summary import CellSummary
from eeg2speech_bench.leaderboard.page.rows import MeanScore, Row, describing_score, ended_text, preset_variants
from eeg2speech_bench.leaderboard.standings.standings import STILL, Standings
from eeg2speech_bench.leaderboard.tables.table import RANK_NOTE

#: what the margin over a baseline is, for those who read a table
MARGIN_NOTE = (
    "difference from the baseline that reaches highest on the same test windows; p by min F', over listeners and "
    "blocks at once, Holm-corrected for the encoders of the competition"
)
#: what stands beside the budget of a row that was still improving
STILL_NOTE = "validation still rose when the budget ended, see docs/budgets.md"
#: what the verdict on pretraining is, for those who read a table
PRETRAINING_NOTE = (
    "difference from the same network under the same strategy with random weights; p by min F', over listeners and "
    "blocks at once, Holm-corrected for all such pairs of the competition"
)
#: what the verdict of a headline metric is about
VERDICT_LABELS = {"top1": "retrieval", "identification": "generated speech"}


def table_columns(metrics: Sequence[str], headlines: Sequence[str], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the columns: field, title, kind, whether shown at first, and what the head says on hover."""
    columns = [
        _column("e", "encoder", "name", "the encoder; the + before it opens its cells"),
        _column("d", "data set", "text", ""),
        _column("t", "target", "text", "the audio target that the encoder was aligned to"),
        _column("p", "preset", "text", "the configuration; four letters tell variants of one preset apart"),
    ]
    has_twins = any(cell.competitor is not None and cell.competitor.random for row in rows for cell in row.cells)
    for number, name in enumerate(metrics):
        first = describing_score(rows, name)
        note = f"{first.note or first.unit} {'Higher' if first.higher_is_better else 'Lower'} is better.".strip()
        if name in headlines:
            columns.append(_column(f"r{number}", f"rank, {first.title}", "rank", RANK_NOTE))
        column = _column(f"m{number}", first.title, "score", note, shown=name in BOARD_METRICS)
        columns.append(column | {"higher": first.higher_is_better})
        if name in headlines:
            title = VERDICT_LABELS.get(name, f"{first.title}: verdict")
            note = f"{first.title} against the controls that carry no signal"
            columns.append(_column(f"v{number}", title, "verdict", note))
            columns.append(_column(f"b{number}", f"{first.title} above best baseline", "margin", MARGIN_NOTE))
            if has_twins:
                columns.append(_column(f"h{number}", f"{first.title}: pretraining", "text", PRETRAINING_NOTE))
    energy = [_column("wh", "energy, Wh", "number", "all stages; mean over seeds", shown=False)]
    return [
        *columns,
        _column("bud", "budget", "text", f"alignment steps x batch; *: own optimiser settings; {STILL}: {STILL_NOTE}"),
        _column("par", "parameters", "count", "parameters of the encoder, trained or not; a closed form counts none"),
        _column("min", "minutes", "number", "what retrieval needs, as if no stage had been reused; mean over seeds"),
        _column("all", "minutes, with speech", "number", "all stages, where speech was generated", shown=False),
        _column("mem", "memory, GB", "number", "highest of all stages; mean over seeds", shown=False),
        *(energy if any(row.cost("energy_wh") is not None for row in rows) else []),
        _column("lis", "listeners", "count", ""),
        _column("seg", "segments", "count", "test segments of all listeners"),
        _column("n", "seeds", "text", "seeds with scores, of all that were run"),
    ]


def table_rows(
    rows: Sequence[Row],
    datasets: Sequence[tuple[str, str]],
    metrics: Sequence[str],
    headlines: Sequence[str],
    standings: Standings,
) -> list[dict[str, Any]]:
    """Return one dictionary per row, with its cells as children where there are several."""
    variant = preset_variants(rows)
    ranks = [_ranks(rows, name, metrics.index(name), standings) for name in headlines]
    made = []
    for number, row in enumerate(rows):
        one = _row(row, metrics, headlines) | {"i": number, "d": datasets.index(row.data)}
        for of_metric in ranks:
            one |= of_metric[number]
        one["p"] = row.first.preset + (f" ·{variant[number]}" if number in variant else "")
        if len(row.cells) > 1:
            one["cells"] = [_cell(row, cell, metrics, headlines) for cell in row.cells]
        made.append(one)
    return made


def _ranks(rows: Sequence[Row], metric: str, field: int, standings: Standings) -> list[dict[str, Any]]:
    """Return for every row its place in the order of ranks, the rank, and how far it is above the best baseline.

    The order goes by competition and rank. A rank is [low, high, how many, letters, competition, what limits it], with
    one more text for a row that was still improving, or the reason why there is none; a margin is [difference, p,
    baseline].
    """
    found = [row.standing(metric, standings) for row in rows]
    competitions = sorted({standing.competition for standing in found if standing is not None})
    made: list[dict[str, Any]] = [{} for _ in rows]
    ranked = []
    for number, standing in enumerate(found):
        if standing is None:
            continue
        if (margin := standing.margin) is not None:
            made[number][f"b{field}"] = [_rounded(margin.difference), _rounded(margin.p), margin.baseline]
        if (pretraining := standing.pretraining) is not None:
            made[number][f"h{field}"] = pretraining.short
        if (rank := standing.rank) is None:
            made[number][f"q{field}"] = standing.reason
            continue
        competition = competitions.index(standing.competition)
        made[number][f"q{field}"] = [rank.low, rank.high, rank.n, rank.letters, competition, standing.limit]
        if standing.improving:
            made[number][f"q{field}"].append(STILL)
        ranked.append((competition, *rank.place, number))
    for place, (*_, number) in enumerate(sorted(ranked)):
        made[number][f"r{field}"] = place
    return made


def _column(field: str, title: str, kind: str, note: str, *, shown: bool = True) -> dict[str, Any]:
    return {"f": field, "title": title, "kind": kind, "note": note, "shown": shown}


def _row(row: Row, metrics: Sequence[str], headlines: Sequence[str]) -> dict[str, Any]:
    first, memory = row.first, row.cost("memory_mb")
    made: dict[str, Any] = {
        "e": first.encoder,
        "k": "" if row.kind == "encoder" else row.kind,
        "t": first.target,
        "h": f"rows/{row.name}.html",
        "s": first.status,
        "bud": row.budget,
        "par": row.cost("parameters"),
        "min": _minutes(row.cost("retrieval_seconds")),
        "all": _minutes(row.cost("seconds")) if first.generated else None,
        "mem": None if memory is None else round(memory / 1000, 2),
        "wh": _rounded(row.cost("energy_wh")),
        "lis": first.n_subjects,
        "seg": first.n_segments,
        "n": _seeds(row),
    }
    for number, name in enumerate(metrics):
        mean = row.mean(name)
        if mean is not None:
            made[f"m{number}"], made[f"x{number}"] = _rounded(mean.value), _beside(mean, first.modality)
        if name in headlines:
            made[f"v{number}"], made[f"w{number}"] = row.verdict(name), row.state(name)
    if not row.done:
        made["err"] = ended_text(first)
    return made


def _cell(row: Row, cell: CellSummary, metrics: Sequence[str], headlines: Sequence[str]) -> list[Any]:
    """Return a cell below its row, in little space.

    Name, seed, minutes, error, scores and verdicts by position, and whether it went through the generator.
    """
    scores = [cell.scores.get(name) for name in metrics]
    return [
        cell.name,
        cell.seed,
        _minutes(cell.retrieval_seconds),
        "" if cell.status == "done" else ended_text(cell),
        [score and [round(score[0], 4), round(score[1], 4), round(score[2], 4)] for score in scores],
        {metrics.index(name): row.verdict_of(cell, name) for name in headlines},
        cell.generated,
    ]


def _seeds(row: Row) -> str:
    seeds = {cell.seed for cell in row.cells}
    return str(len(seeds)) if len(row.done) == len(seeds) else f"{len(row.done)} of {len(seeds)}"


def _beside(mean: MeanScore, modality: str) -> list[Any]:
    """Return interval, spread, chance, best control's value and name, ceiling, number of seeds."""
    numbers = (mean.low, mean.high, mean.spread, mean.first.chance, mean.control)
    control = condition_label(mean.best_control, modality) if mean.best_control else ""
    return [*map(_rounded, numbers), control, _rounded(mean.ceiling), mean.n_seeds]


def _minutes(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds / 60, 2)


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")

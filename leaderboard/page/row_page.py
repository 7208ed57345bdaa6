"""Renders the page of one row: cells, scores beside controls, listeners, learning curves, cost, what was run."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from markupsafe import Markup, escape
from pydantic import BaseModel

from eeg2speech_bench.core.conditions import BY_NAME, CEILINGS, SCORED, condition_label
from eeg2speech_bench.core.records.convergence import Convergence
from eeg2speech_bench.core.records.metrics import Metric
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.leaderboard.labels import metric_titles, p_text
from eeg2speech_bench.leaderboard.page import plots
from eeg2speech_bench.leaderboard.page.boards import standing_mark
from eeg2speech_bench.leaderboard.page.markup import render
from eeg2speech_bench.leaderboard.page.means import (
    Entries,
    Found,
    by_condition,
    largest_p,
    listener_means,
    mean_entries,
)
from eeg2speech_bench.leaderboard.page.pool_scores import pool_rows
from eeg2speech_bench.leaderboard.page.rows import Row, ended_text
from eeg2speech_bench.leaderboard.page.set_scores import set_table
from eeg2speech_bench.leaderboard.results.history import (
    Series,
    convergence_of_stage,
    is_number,
    judged_series,
    kept_step,
    learning_series,
)
from eeg2speech_bench.leaderboard.tables.probes import leaks, probes_table

#: metrics with pictures, where the row has them
PICTURED = ("top1", "identification", "mel_correlation")
#: metrics that are shares of hits
PROPORTIONS = ("top1", "identification")
#: what costs of a stage are called, with their units
COSTS = {"peak_memory_mb": "peak memory, MB", "energy_wh": "energy, Wh"}


def render_row(row: Row, records: Sequence[Record]) -> str:
    """Return the page of a row; ``records`` are those of its cells, in their order."""
    done = [record for cell, record in zip(row.cells, records, strict=True) if cell in row.done]
    found, tested, modality = by_condition(done), largest_p(done), row.first.modality
    every = mean_entries(found)
    entries = {name: found for name, found in every.items() if not next(iter(found.values())).pool}
    return render(
        "row.html",
        row=row,
        records=dict(zip((cell.name for cell in row.cells), records, strict=True)),
        record=records[row.cells.index(row.first)],
        skipped={what: why for what, why in records[0].skipped.items() if all(what in r.skipped for r in records)},
        titles=metric_titles(done),
        condition_label=partial(condition_label, modality=modality),
        headlines=[name for name in entries if row.state(name) and row.mean(name)],
        heads=[next(iter(found.values())) for found in entries.values()],
        table=_table(entries, tested, modality),
        pools=pool_rows(every, tested, modality),
        sets=set_table(done),
        probes=probes_table(done),
        leaks=leaks(done),
        notes=_notes(every, done),
        pictures=list(_pictures(entries, found, modality)),
        curves=list(_curves(done, [cell.seed for cell in row.done])),
        stages=_stages(
            [record for cell, record in zip(row.cells, records, strict=True) if cell in row.whole] or records
        ),
        facts=_facts(row, records),
        ended_text=ended_text,
        p_text=p_text,
        heard=tuple(BY_NAME),
        standing_mark=standing_mark,
        commands=_commands(row),
    )


def setting_lines(tree: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield ``section.key = value`` lines of a nested dictionary."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from setting_lines(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key} = {value}"


def _notes(entries: Entries, records: Sequence[Record]) -> dict[str, str]:
    """Return what the heads of the tables mean, by head."""
    measured = [next(iter(found.values())) for found in entries.values()]
    return {entry.title: entry.note for entry in (*measured, *(s for r in records for s in r.sets)) if entry.note}


def _commands(row: Row) -> dict[str, str]:
    """Return what to type to repeat the row's cell, and to hold the row against another one; names are quoted."""
    typed = {"rerun": f"eeg2speech-bench rerun records/{row.first.name}.json"}
    if row.done:
        encoder = shlex.quote(row.first.encoder)
        typed["compare"] = f"eeg2speech-bench leaderboard compare {encoder} OTHER --results results"
    return typed


def _facts(row: Row, records: Sequence[Record]) -> dict[str, str]:
    """Return what was run as text; what seeds share is said once, what differs with the seed before it."""
    first = records[row.cells.index(row.first)]
    environments = [list(setting_lines(_as_read(r.provenance, "stages"))) for r in records]
    shared = [line for line in environments[0] if all(line in lines for lines in environments[1:])]
    known = set(shared)
    own = [
        f"seed {cell.seed}: {line}"
        for cell, lines in zip(row.cells, environments, strict=True)
        for line in lines
        if line not in known
    ]
    training = list(setting_lines({stage: _as_read(trained, "history") for stage, trained in first.training.items()}))
    return {
        "Configuration": "\n".join(setting_lines(first.config)),
        "Encoder, target, data and split": "\n".join(_origin(first)),
        f"Training, seed {row.first.seed}": "\n".join(training),
        "Environment": "\n".join([*shared, *own]),
    }


def _origin(record: Record) -> Iterator[str]:
    for name in ("cell", "encoder", "target", "dataset", "split"):
        yield from setting_lines(_as_read(getattr(record, name)), f"{name}.")


def _as_read(part: BaseModel, *without: str) -> dict[str, Any]:
    """Return a part of a record as its file has it."""
    return part.model_dump(exclude_unset=True, exclude=set(without))


def _table(entries: Entries, tested: dict[tuple[str, str], float], modality: str) -> Markup:
    """Return table rows: a condition each, every metric with its interval, p where the EEG was tested against it.

    Made here and not by the template, which would take most of the time of a large board; names are escaped.
    """
    others = {c for found in entries.values() for c in found}.difference(SCORED)
    rows = []
    for condition in (*SCORED, *sorted(others)):
        values = [(found.get(condition), tested.get((name, condition))) for name, found in entries.items()]
        if any(entry for entry, _ in values):
            title = escape(condition_label(condition, modality))
            kind = ' class="eeg"' if condition == "eeg" else ""
            cells = "".join(_table_cell(entry, p) for entry, p in values)
            rows.append(f'<tr{kind}><th scope="row">{title}</th>{cells}</tr>')
    return Markup("".join(rows))


def _table_cell(entry: Metric | None, p: float | None) -> str:
    if entry is None:
        return "<td>–</td>"
    tested = "" if p is None else f"<small>{escape(p_text(p))}</small>"
    return f"<td>{entry.value:.3f}<small>{entry.low:.3f} to {entry.high:.3f}</small>{tested}</td>"


def _pictures(entries: Entries, found: Found, modality: str) -> Iterator[tuple[str, Markup, Markup]]:
    for name in PICTURED:
        own = entries.get(name, {})
        if "eeg" not in own:
            continue
        title, hardest = own["eeg"].title, _hardest(own)
        eeg = _with_listeners(own["eeg"], found[name])
        control = None if hardest is None else _with_listeners(hardest, found[name])
        seeds = [entry.per_subject for entry in found[name]["eeg"]]
        dots = plots.subject_dots(eeg, seeds[1:] and seeds, control, title, proportion=name in PROPORTIONS)
        yield title, plots.control_bars(own, title, modality), dots


def _with_listeners(entry: Metric, found: dict[str, list[Metric]]) -> Metric:
    return entry.model_copy(update={"per_subject": listener_means(found[entry.condition])})


def _hardest(found: dict[str, Metric]) -> Metric | None:
    controls = [found[c] for c in SCORED if c in found and c != "eeg" and c not in CEILINGS]
    return max(controls, key=lambda entry: entry.sign * entry.value, default=None)


def _curves(records: Sequence[Record], seeds: Sequence[int]) -> Iterator[tuple[str, str, Markup]]:
    """Yield every series in the histories of the trained stages, a line per seed, with how it ended if it is judged."""
    found: dict[tuple[str, str, str], dict[int, tuple[Series, Record]]] = {}
    for record, seed in zip(records, seeds, strict=True):
        for series in learning_series(record.training):
            found.setdefault((series.title, series.axis, series.stage), {})[seed] = series, record
    for (title, axis, stage), of_seed in found.items():
        lines = {seed: series.points for seed, (series, _) in of_seed.items()}
        kept = {seed: kept_step(record.training[stage]) for seed, (_, record) in of_seed.items()}
        judged = [
            convergence_of_stage(record, stage)
            for series, record in of_seed.values()
            if series.name == judged_series(record.training[stage])
        ]
        yield title, _ending_text(judged), plots.curves(lines, title, axis, kept)


def _ending_text(judged: Sequence[Convergence]) -> str:
    """Return how the trainings of all seeds ended, such as "still improving in 2 of 3 seeds, levelled off in 1"."""
    counts = Counter(judged)
    if len(counts) < 2:
        return next(iter(counts), "")
    return ", ".join(f"{said} in {n} of {len(judged)} seeds" for said, n in counts.most_common())


def _stages(records: Sequence[Record]) -> dict[str, Any]:
    """Return the cost of every stage as text, the mean over cells of whatever numbers the records have on it."""
    found: dict[str, dict[str, list[float]]] = {}
    for record in records:
        for stage in record.stages:
            costs = found.setdefault(stage.name, {})
            for name, value in stage:
                if is_number(value):
                    costs.setdefault(name, []).append(value)
    names = list(dict.fromkeys(name for costs in found.values() for name in costs))
    rows = [(stage, [_cost_text(costs.get(name)) for name in names]) for stage, costs in found.items()]
    return {"heads": [COSTS.get(name, name.replace("_", " ")) for name in names], "rows": rows}


def _cost_text(values: list[float] | None) -> str:
    return "–" if not values else f"{sum(values) / len(values):,.1f}"

"""Makes tables of records: text cells with named columns, the same for terminal, Markdown and CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eeg2speech_bench.core.conditions import CONTROLS, SCORED, condition_label
from eeg2speech_bench.core.records.metrics import Metric
from eeg2speech_bench.core.records.provenance import total_seconds
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.leaderboard.labels import BOARD_METRICS, CONTROL_METRICS, WITH_INTERVAL, metric_titles, p_text
from eeg2speech_bench.leaderboard.standings.identity import convergence_of, dataset_titles, kind_of
from eeg2speech_bench.leaderboard.standings.standings import STILL
from eeg2speech_bench.leaderboard.tables.coverage import CoveredCell, cell_coverage

if TYPE_CHECKING:
    from eeg2speech_bench.leaderboard.standings.standings import Standings

#: what a table can be written as
FORMATS = ("table", "markdown", "csv", "svg")
NO_SIGNAL = "not distinguishable from no signal"
#: what is said instead where even a perfect encoder could not be told from a control
NOT_TESTABLE = "not testable: the true audio embedding itself is no better than a control, at"
#: pairs of encoder and data set that a note names
MAX_MISSING = 5
#: what a rank is, for those who read a table
RANK_NOTE = (
    "Rank: 95 % interval among encoders on equal terms (data, test windows, target, generator, training allowed), "
    "means over seeds, paired over listeners and blocks; encoders that share a letter cannot be told apart."
)

#: what it means that a row was still improving
IMPROVING_NOTE = "was still improving when its budget ended: with more training it may rank higher, above others too"


@dataclass
class Table:
    """A table of text, with notes below it.

    Attributes
    ----------
    title : str
    columns : list of str
    rows : list of list of str
    notes : list of str
        Lines below the table.
    optional : tuple of str
        Columns that a narrow terminal can do without, those that are missed least first.
    """

    title: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    optional: tuple[str, ...] = ()


def board(records: Iterable[Record], standings: Standings) -> Table:
    """Return one row per cell, the best retrieval of each data set first.

    Parameters
    ----------
    records : iterable of Record
    standings : mapping of (str, str) to Standing
        Ranks of the cells that compete, see `standings.stand`.
    """
    records = sorted(records, key=_board_order)
    called, titles = metric_titles(records), dataset_titles(map(_data, records))
    metrics = [name for name in BOARD_METRICS if any(record.metric(name) for record in records)]
    ranked = [name for name in metrics if any((record.cell.id, name) in standings for record in records)]
    head = ["encoder", "data set", "preset", "seed", "target", *(f"rank, {called[name]}" for name in ranked)]
    labels = [called[name] for name in metrics]
    table = Table("Leaderboard", [*head, *labels, "retrieval", "generated speech", "budget", "parameters", "minutes"])
    table.optional = ("parameters", "budget", "minutes", "target", "preset", *_optional(called, ("estoi", "top10")))
    for record in records:
        cell = record.cell
        row = [name_text(record), titles[_data(record)], cell.preset, str(cell.seed), record.target.name]
        row += [rank_text(record, name, standings) for name in ranked]
        row += [value_text(record.metric(metric)) for metric in metrics]
        row += [verdict_text(record, "top1"), verdict_text(record, "identification")]
        table.rows.append([*row, trained_text(record), _parameters(record), _minutes(record)])
    table.notes = [*_board_notes(records, titles), *_rank_notes(records, titles, standings, called)]
    return table


def controls(record: Record) -> Table:
    """Return one row per condition of a cell: signal, controls, ceilings; p is of the signal against that control."""
    metrics = [name for name in CONTROL_METRICS if record.metric(name)]
    cell, called = record.cell, metric_titles([record])
    on = f"{cell.dataset}, preset {cell.preset}, seed {cell.seed}"
    title = f"{name_text(record)} on {on}: {condition_label('eeg', record.reads)} and controls"
    p_columns = [name for name in ("top1", "identification") if name in metrics]
    labels = [*(called[name] for name in metrics), *(f"p, {called[name]}" for name in p_columns)]
    table = Table(title, ["condition", *labels])
    table.optional = _optional(called, ("median_rank", "top5", "lsd", "mrr", "estoi", "top10"))
    p = {(test.metric, test.control): test.p for test in record.tests}
    for condition in SCORED:
        entries = [record.metric(name, condition) for name in metrics]
        if not any(entries):
            continue
        row = [condition_label(condition, record.reads), *(value_text(entry) for entry in entries)]
        table.rows.append(row + [_bare_p(p.get((name, condition))) for name in p_columns])
    table.rows.append(["chance", *(_number(_chance(record, name)) for name in metrics), *("" for _ in p_columns)])
    table.notes = [*_distance_to_ceiling(record), *_verdict_notes(record)]
    return table


def _optional(called: dict[str, str], metrics: Sequence[str]) -> tuple[str, ...]:
    return tuple(called[name] for name in metrics if name in called)


def name_text(record: Record) -> str:
    """Return what the row is called: the encoder, its twin, and whether it is a floor, a reference or a ceiling."""
    kind = kind_of(record)
    return record.cell.title if kind == "encoder" else f"{record.cell.title} ({kind})"


def rank_text(record: Record, metric: str, standings: Standings) -> str:
    """Return the rank's interval and ties, or what the cell is instead of a competitor."""
    if (standing := standings.get((record.cell.id, metric))) is not None:
        return standing.text
    kind = kind_of(record)
    return "-" if kind == "encoder" else kind


def budget_text(record: Record) -> str:
    """Return what the encoder was trained with: steps x batch, trials, and a star for settings of its own."""
    training = record.alignment
    if training.n_steps is None:
        return training.method or "-"
    allowed = record.settings.alignment
    text = f"{training.n_steps} x {training.settings.get('batch_size', allowed.batch_size)}"
    if allowed.budget_minutes is not None:
        text = f"{allowed.budget_minutes:g} min: {text}"
    if training.trials:
        text += f", best of {len(training.trials)}"
    return text + (" *" if record.encoder.own_settings else "")


def trained_text(record: Record) -> str:
    """Return the budget, and whether the encoder was still improving when it ended."""
    said = f", {STILL}" if convergence_of(record) == STILL else ""
    return budget_text(record) + said


def value_text(entry: Metric | None) -> str:
    """Return a value, with its interval for the metrics that have it shown, or a dash if it was not measured."""
    if entry is None:
        return "-"
    if entry.name not in WITH_INTERVAL:
        return _number(entry.value)
    return f"{_number(entry.value)} [{entry.low:.2f}, {entry.high:.2f}]"


def verdict_text(record: Record, metric: str) -> str:
    """Return what a headline metric says: above all no-signal controls, or not distinguishable from no signal."""
    if record.status != "done":
        return record.status.upper() + (f" in {record.error.phase}" if record.error else "")
    verdict = record.verdict.get(metric)
    if verdict is None:
        return "not run"
    if verdict.distinguishable:
        return f"signal, {p_text(verdict.p)}"
    if (entry := record.metric(metric)) is None:
        return NO_SIGNAL
    ceiling, higher = _value(record, metric, "audio"), entry.higher_is_better
    controls = [x for name in CONTROLS if (x := _value(record, metric, name)) is not None]
    best = (max if higher else min)(controls, default=None)
    return NO_SIGNAL if testable(ceiling, best, higher_is_better=higher) else f"{NOT_TESTABLE} {_number(ceiling)}"


def testable(ceiling: float | None, control: float | None, *, higher_is_better: bool) -> bool:
    """Whether the true audio embedding beats the best control; if not, no encoder could show anything."""
    if ceiling is None or control is None:
        return True
    return ceiling > control if higher_is_better else ceiling < control


def _board_order(record: Record) -> tuple[Any, ...]:
    entry = record.metric("top1")
    cell = record.cell
    return (*_data(record), cell.preset, -(entry.value if entry else -1.0), cell.encoder, cell.seed)


def _data(record: Record) -> tuple[str, str]:
    """Return name and revision of a record's data set."""
    return record.cell.dataset, record.dataset.revision


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _bare_p(p: float | None) -> str:
    """Return a p value below a head that says that it is one."""
    return "" if p is None else p_text(p).removeprefix("p ").removeprefix("= ")


def _value(record: Record, metric: str, condition: str) -> float | None:
    entry = record.metric(metric, condition)
    return None if entry is None else entry.value


def _chance(record: Record, metric: str) -> float | None:
    entry = record.metric(metric)
    return entry.chance if entry else None


def _parameters(record: Record) -> str:
    count = record.alignment.n_encoder_parameters
    return "-" if count is None else f"{count:,}"


def _minutes(record: Record) -> str:
    seconds = total_seconds(record.stages)
    return "-" if seconds is None else f"{seconds / 60:.1f}"


def _board_notes(records: list[Record], titles: Mapping[tuple[str, str], str]) -> list[str]:
    pools = {
        (titles[_data(r)], entry.n_pool, entry.chance)
        for r in records
        if (entry := r.metric("top1")) is not None and entry.chance is not None
    }
    notes = [f"top-1 on {name}: {n} candidates, chance {chance:.3f}." for name, n, chance in sorted(pools)]
    notes.append("Brackets: 95 % bootstrap over listeners and blocks. Minutes: all stages, as if none had been reused.")
    notes.append(
        "Budget: alignment steps x batch (early stop on validation); *: own optimiser settings. Encoders are ranked "
        "among those that might train as long."
    )
    return [*notes, *_revision_notes(titles), *_coverage_notes(records, titles)]


def _revision_notes(titles: Mapping[tuple[str, str], str]) -> list[str]:
    """Say which names stand for several data sets."""
    names = Counter(name for name, _ in titles)
    return [
        f"{name}: {n} revisions of the data; only encoders on one revision are compared."
        for name, n in names.items()
        if n > 1
    ]


def _coverage_notes(records: list[Record], titles: Mapping[tuple[str, str], str]) -> list[str]:
    """Say which encoders have no scores on which data sets, where there are several."""
    found = cell_coverage(
        CoveredCell(name_text(r), titles[_data(r)], r.cell.seed, r.status == "done", generated=False) for r in records
    )
    if len(found.datasets) < 2:
        return []
    n, missing = len(found.encoders) * len(found.datasets), found.missing
    named = ", ".join(f"{encoder} on {dataset}" for encoder, dataset in missing[:MAX_MISSING])
    more = f" and {len(missing) - MAX_MISSING} more" if len(missing) > MAX_MISSING else ""
    said = f"; not {named}{more}" if missing else ""
    return [f"Coverage: {n - len(missing)} of {n} pairs of encoder and data set have scores{said}."]


def _rank_notes(
    records: list[Record], titles: Mapping[tuple[str, str], str], standings: Standings, called: dict[str, str]
) -> list[str]:
    if not standings:
        return []
    said = set()
    for record in records:
        dataset = titles[_data(record)]
        for name in BOARD_METRICS:
            standing = standings.get((record.cell.id, name))
            if standing is not None and standing.reason:
                said.add(f"{name_text(record)} on {dataset} is not ranked: {standing.reason}.")
            elif standing is not None and standing.limit:
                said.add(f"{called[name]} on {dataset}: {standing.limit}.")
            if standing is not None and standing.improving:
                said.add(f"{name_text(record)} on {dataset} {IMPROVING_NOTE}.")
    return [RANK_NOTE, *sorted(said)]


def _distance_to_ceiling(record: Record) -> list[str]:
    notes = []
    for name in ("identification", "mel_correlation"):
        eeg, ceiling = record.metric(name), record.metric(name, "audio")
        if eeg and ceiling:
            gap = ceiling.value - eeg.value
            notes.append(f"{eeg.title}: {_number(gap)} below generation from the true audio embedding.")
    return notes


def _verdict_notes(record: Record) -> list[str]:
    notes, called = [], metric_titles([record])
    for name, verdict in record.verdict.items():
        control = condition_label(verdict.hardest_control, record.reads)
        said = "above every no-signal control" if verdict.distinguishable else NO_SIGNAL
        notes.append(f"{called.get(name, name)}: {said} ({p_text(verdict.p)} against the hardest one: {control}).")
    return notes + [f"Not run: {stage}: {reason}." for stage, reason in record.skipped.items()]

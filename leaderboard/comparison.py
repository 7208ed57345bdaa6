"""Compares two encoders (``leaderboard compare A B``): which is better, by how much, for how many listeners."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from eeg2speech_bench.core.errors import BenchError, DataError, StorageError, UnknownNameError, UsageError
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.stages.disk_trouble import explained
from eeg2speech_bench.core.statistics.min_f import MIN_UNITS
from eeg2speech_bench.leaderboard.labels import BOARD_METRICS, signed
from eeg2speech_bench.leaderboard.results.validation import read_segments
from eeg2speech_bench.leaderboard.standings.differences import SEGMENT, Difference, LocatedRecord, compare, tested_on
from eeg2speech_bench.leaderboard.standings.identity import dataset_titles, identify, without_parts
from eeg2speech_bench.leaderboard.tables.pooled import pooled_tables
from eeg2speech_bench.leaderboard.tables.table import FORMATS, Table, budget_text

#: colours that read on light and on dark paper
_STYLE = (
    "text{font:12px sans-serif;fill:#777}.head{font-weight:bold}.grid{stroke:#8884}.zero{stroke:#888}"
    ".dot{fill:#2a78c2}.mean{stroke:#d2691e;stroke-width:3}"
)
_WIDTH, _ROW, _LEFT = 720, 20, 110


def choose(results: Path, names: Sequence[str]) -> list[list[list[LocatedRecord]]]:
    """Find the cells that two names mean.

    Parameters
    ----------
    results : Path
    names : sequence of str
        Two encoders as the board names them, or ids of cells.

    Returns
    -------
    list of list of list of LocatedRecord
        For every revision of a data set, preset and split that all names share: the seeds of each name.

    Raises
    ------
    UsageError
        If a name is not there, or one name means runs that differ in more than the seed.
    DataError, StorageError
        If nothing is shared, or what is needed is missing or not valid.
    """
    if len(set(names)) < len(names):
        raise UsageError("An encoder cannot be compared with itself", got=f"'{names[0]}' twice", then="Name another.")
    readable = list(_readable(results))
    # a seed that was run for retrieval alone and as a whole is one
    named = ([(cell.path, cell.record) for cell in _named(results, name, readable)] for name in names)
    found = [[LocatedRecord(*cell) for cell in without_parts(cells)] for cells in named]
    shared = sorted(set.intersection(*({cell.tested_on for cell in cells} for cells in found)))
    if not shared:
        raise DataError(
            "The two encoders were never tested on the same windows (data set, revision, preset and split)",
            got="; ".join(f"'{name}': {tested_on(cells)}" for name, cells in zip(names, found, strict=True)),
            then="Run both with the same --dataset, on the same data, and the same --preset.",
        )
    chosen = [[[cell for cell in cells if cell.tested_on == key] for cells in found] for key in shared]
    for cells, name in ((cells, name) for group in chosen for cells, name in zip(group, names, strict=True)):
        _refuse_mixture(name, cells)
    records = {cell.path: cell.record for group in chosen for cells in group for cell in cells}
    segments, refusals = read_segments(records, [*SEGMENT, "block"])
    if refusals:
        then = "Run those cells again, or compare others by their ids."
        raise StorageError("Cells cannot be compared: " + "; ".join(map(str, refusals)), then=then)
    # what was read to be checked is what is compared
    return [[[cell._replace(table=segments[cell.path]) for cell in cells] for cells in group] for group in chosen]


def _readable(results: Path) -> Iterator[LocatedRecord]:
    """Yield what can be read; a record that is broken cannot be named, and `leaderboard validate` says why."""
    for path in sorted((results / "records").glob("[!.]*.json")):
        try:
            yield LocatedRecord(path, Record.read(path))
        except BenchError:
            continue


def _named(results: Path, name: str, records: list[LocatedRecord]) -> list[LocatedRecord]:
    own = [c for c in records if c.record.cell.id == name] or [c for c in records if c.label == name]
    if not own:
        then = f"'leaderboard --results {results}' shows them, 'leaderboard validate {results}' those that are broken."
        raise UnknownNameError("encoder or cell", name, {cell.label for cell in records}, then=then)
    done = [cell for cell in own if cell.record.status == "done"]
    if not done:
        raise DataError(f"No run of '{name}' has finished", got=own[0].record.status, then="Run it again.")
    return done


def _refuse_mixture(name: str, cells: list[LocatedRecord]) -> None:
    """Seeds of one configuration have a mean; two configurations of an encoder do not."""
    if len({identify(cell.record).run for cell in cells}) > 1:
        ids = ", ".join(cell.record.cell.id for cell in cells)
        raise UsageError(f"'{name}' names runs that differ in more than the seed", got=ids, then="Type one of the ids.")


def differences_table(
    names: Sequence[str], cells: Sequence[Sequence[LocatedRecord]], found: list[Difference], dataset: str
) -> Table:
    """Return one row per metric: both means, their difference with its interval, and the test.

    ``dataset`` is what the title calls the data.
    """
    a, b = names
    table = Table(
        f"{a} against {b} on {dataset}, preset {cells[0][0].tested_on.preset}",
        ["metric", a, b, "A - B [95 %]", "p", "p (Holm)", "dz", "A better for", "segments"],
    )
    for d in found:
        effect = signed(d.effect, d.low, d.high)
        row = [d.label, f"{d.mean_a:.3f}", f"{d.mean_b:.3f}", effect, _p_text(d.p)]
        better = f"{d.n_better} of {len(d.per_listener)}"
        table.rows.append([*row, _p_text(d.p_holm), "-" if d.dz is None else f"{d.dz:.2f}", better, str(d.n_segments)])
    table.notes = _notes(names, cells, found)
    return table


def _p_text(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def _notes(names: Sequence[str], cells: Sequence[Sequence[LocatedRecord]], found: list[Difference]) -> list[str]:
    (a, b), (n_a, n_b) = names, map(len, cells)
    notes = [
        f"A is {a} ({n_a} seed(s)), B is {b} ({n_b} seed(s)); all are means in which every listener weighs the same.",
        *_fewer_seeds(names, cells, found),
        "p: min F', two-sided, for a difference that holds for other listeners and other audio. "
        "Interval: bootstrap over listeners and blocks.",
    ]
    smallest = min(len(d.per_listener) for d in found)
    if smallest < MIN_UNITS:
        notes.append(f"{smallest} listener(s) say nothing of others: p is 1.")
    budgets = [", ".join(sorted({budget_text(cell.record) for cell in own})) for own in cells]
    if budgets[0] != budgets[1]:
        notes.append(f"Trained with other budgets: {a} {budgets[0]}; {b} {budgets[1]}.")
    return notes


def _fewer_seeds(names: Sequence[str], cells: Sequence[Sequence[LocatedRecord]], found: list[Difference]) -> list[str]:
    """Say which metrics not all seeds of an encoder have."""
    counts: dict[tuple[str, int], list[str]] = {}
    for name, own in zip(names, cells, strict=True):
        for d in found:
            n = sum(cell.record.metric(d.metric) is not None for cell in own)
            if n < len(own):
                counts.setdefault((name, n), []).append(d.label)
    return [f"{name}: {n} seed(s) of {', '.join(metrics)}." for (name, n), metrics in counts.items()]


def listeners_table(found: list[Difference]) -> Table:
    """Return one row per listener with the difference in every metric."""
    table = Table("A - B by listener", ["listener", *(d.label for d in found)])
    for listener in sorted({listener for d in found for listener in d.per_listener}):
        deltas = [d.per_listener.get(listener) for d in found]
        table.rows.append([listener, *("-" if delta is None else f"{delta:+.3f}" for delta in deltas)])
    return table


def picture(titles: Sequence[str], found: Sequence[Difference]) -> str:
    """Return an SVG picture: in a panel per difference a dot per listener, largest first, and the mean's interval.

    Parameters
    ----------
    titles : sequence of str
        What stands above each panel.
    found : sequence of Difference
    """
    from markupsafe import escape

    parts, top = [], 0
    for title, difference in zip(titles, found, strict=True):
        parts.append(f'<g transform="translate(0 {top})"><text class="head" x="8" y="16">{escape(title)}</text>')
        parts.append(_panel(difference) + "</g>")
        top += _ROW * (len(difference.per_listener) + 1) + 56
    size = f'width="{_WIDTH}" height="{top}" viewBox="0 0 {_WIDTH} {top}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{_STYLE}</style>{"".join(parts)}</svg>\n'


def _panel(difference: Difference) -> str:
    from markupsafe import escape

    from eeg2speech_bench.leaderboard.page.plots import PixelScale, axis

    deltas = sorted(difference.per_listener.items(), key=lambda item: (-item[1], item[0]))
    x = PixelScale([0.0, difference.low, difference.high, *(delta for _, delta in deltas)], (_LEFT, _WIDTH - 20))
    bottom = 28 + _ROW * (len(deltas) + 1)
    parts = [axis(x, bottom, 24), f'<path class="zero" d="M{x(0)} 24V{bottom}"/>']
    rows = [*((name, delta, 4, f"{name} {delta:+.4f}") for name, delta in deltas)]
    rows.append(("mean", difference.effect, 5, f"mean {difference.effect:+.4f}"))
    y = 16
    for name, delta, radius, said in rows:
        y += _ROW
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{escape(name[:14])}</text>')
        dot = f'<circle class="dot" cx="{x(delta)}" cy="{y}" r="{radius}">'
        parts.append(f"{dot}<title>{escape(said)}</title></circle>")
    return "".join([*parts, f'<path class="mean" d="M{x(difference.low)} {y}H{x(difference.high)}"/>'])


def configure_compare(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``leaderboard compare``."""
    parser.add_argument("encoders", nargs=2, metavar="NAME", help="two encoders as the table names them, or cell ids")
    # suppressed: what stands before the action counts unless it is said again
    parser.add_argument("--results", type=Path, default=argparse.SUPPRESS, metavar="DIR", help="default: ./results")
    parser.add_argument("--format", choices=FORMATS, default=argparse.SUPPRESS, help="default: table")
    parser.add_argument("--metric", action="append", metavar="NAME", help="only these; p is corrected for their number")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="also draw the differences by listener")


def run_compare(arguments: argparse.Namespace) -> int:
    """Compare two encoders on every data set, preset and split that they share.

    Raises
    ------
    UsageError
        If there are no records, or the names do not say two sets of runs.
    DataError, StorageError
        If the cells cannot be paired, a file is missing, or the picture cannot be written.
    """
    if not (arguments.results / "records").is_dir():
        then = "Give the folder with --results."
        raise UsageError(f"Folder {arguments.results} has no records", expected="records/<cell>.json in it", then=then)
    if arguments.picture and arguments.picture.suffix != ".svg":
        raise UsageError("The picture is an SVG", got=arguments.picture, expected="a name that ends with .svg")
    from eeg2speech_bench.leaderboard.tables.export import show

    metrics = tuple(dict.fromkeys(arguments.metric or BOARD_METRICS))
    drawn: dict[str, Difference] = {}
    groups = []
    chosen = choose(arguments.results, arguments.encoders)
    titles = dataset_titles((t.dataset, t.revision) for t in (cells[0][0].tested_on for cells in chosen))
    for cells in chosen:
        tested = cells[0][0].tested_on
        found = compare(cells[0], cells[1], metrics)
        table = differences_table(arguments.encoders, cells, found, titles[tested.dataset, tested.revision])
        show(arguments.format, [table, listeners_table(found)])
        groups.append((cells[0][0], found))
        # two splits of one data set and preset would otherwise share a title
        drawn |= {f"{d.label}: {table.title}, split {tested.split[:8]}": d for d in found}
    show(arguments.format, pooled_tables(arguments.encoders, groups))
    if arguments.picture:
        with explained(arguments.picture.parent):
            arguments.picture.write_text(picture(list(drawn), list(drawn.values())), encoding="utf8")
    return 0

"""Repeats the cell of a record from scratch and says which numbers come out again (the verb ``rerun``)."""

from __future__ import annotations

import argparse
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from eeg2speech_bench.benchmarks.commands import absolute
from eeg2speech_bench.core.cli import default_cache
from eeg2speech_bench.core.errors import BenchError, UsageError
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.terminal.progress import make_console, say

if TYPE_CHECKING:
    from eeg2speech_bench.benchmarks.pipeline import Pipeline
    from eeg2speech_bench.benchmarks.runner import Runner

#: relative difference up to which two numbers are called equal
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Comparison:
    """Holds one metric under one condition, as recorded and as repeated; None where it is missing."""

    metric: str
    condition: str
    recorded: float | None
    repeated: float | None
    tolerance: float

    @property
    def equal(self) -> bool:
        """Whether the two differ by no more than the tolerance, relative or (near zero) absolute."""
        if self.recorded is None or self.repeated is None:
            return False
        return math.isclose(self.recorded, self.repeated, rel_tol=self.tolerance, abs_tol=self.tolerance)


def compare(record: Record, again: Record, tolerance: float) -> list[Comparison]:
    """Compare all metrics of two records of one cell, in the order of the first."""
    recorded, repeated = (
        {(entry.name, entry.condition): entry.value for entry in (*one.metrics, *one.sets)} for one in (record, again)
    )
    keys = recorded | repeated
    return [Comparison(*key, recorded.get(key), repeated.get(key), tolerance) for key in keys]


def differences(record: Record, now: Record, metric_versions: dict[str, int]) -> list[str]:
    """Say what the record was made with that is not what is here.

    Parameters
    ----------
    record, now : Record
        What is repeated, and the record that a run would write here, before it has results.
    metric_versions : dict of str to int
        Versions of the metrics that are here.

    Returns
    -------
    list of str
        Empty if the same numbers can be expected.
    """
    pairs = [
        (f"encoder {key}", getattr(record.encoder, key), getattr(now.encoder, key))
        for key in ("distribution", "version", "source_hash", "options", "own_settings")
        if key in record.encoder.model_fields_set
    ]
    pairs += [("target", record.target.name, now.target.name)]
    pairs += [("data set revision", record.dataset.revision, now.dataset.revision)]
    recorded = {entry.name: entry.version for entry in (*record.metrics, *record.sets)}
    pairs += [(f"metric {name} version", version, metric_versions.get(name)) for name, version in recorded.items()]
    return [f"{name}: {there} in the record, {here} here" for name, there, here in pairs if there != here]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``rerun``."""
    parser.add_argument("record", type=Path, metavar="RECORD", help="a record: results/records/<cell>.json")
    parser.add_argument("--results", type=absolute, default="rerun", metavar="DIR", help="default: ./rerun")
    parser.add_argument("--cache", type=absolute, default=default_cache(), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--dataset", metavar="NAME|FOLDER", help="where the data lie here (default: as recorded)")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N (default: as recorded)")
    parser.add_argument(
        "--tolerance", type=float, default=TOLERANCE, metavar="X", help="relative difference (default: %(default)g)"
    )
    parser.add_argument("--anyway", action="store_true", help="repeat it although plugin or data are not the same")


def run(arguments: argparse.Namespace, registry: Registry) -> int:
    """Repeat a cell; return 0 if all numbers are equal, 1 if some differ or the cell failed.

    Raises
    ------
    BenchError
        If plugin, data or split are not those of the record, without ``--anyway``.
    UsageError
        If the record has no numbers, or would be overwritten.
    """
    from eeg2speech_bench.core.records.record_store import RecordStore
    from eeg2speech_bench.core.terminal.interruption import stoppable
    from eeg2speech_bench.core.terminal.quiet import silence_libraries

    record = _readable(arguments.record)
    if arguments.results.resolve() == arguments.record.resolve().parent.parent:
        raise UsageError(f"The rerun would overwrite {arguments.record}", then="Give another folder with --results.")
    console = make_console()
    runner, pipeline = _prepare(record, arguments, registry, console)
    metric_versions = {metric.name: metric.version for metric in pipeline.metrics}
    _refuse(differences(record, runner.new_record(pipeline), metric_versions), arguments, console)
    RecordStore(arguments.results).require_writable([record.cell.id])
    silence_libraries()
    with stoppable():
        _refuse(_split_difference(record, runner, pipeline), arguments, console)
        again = runner.run(pipeline)
    if again.status != "done":
        return 1
    # the next rerun is to compute everything again; an interrupted one goes on, since this was not reached
    shutil.rmtree(runner.stages.root)
    return _show(record, again, arguments, console)


def _readable(path: Path) -> Record:
    record = Record.read(path)
    if record.status != "done":
        then = "Type 'eeg2speech-bench run' with its encoder and data set to finish it."
        raise UsageError(f"Record {path} has no numbers to repeat", got=record.status, expected="done", then=then)
    return record


def _prepare(
    record: Record, arguments: argparse.Namespace, registry: Registry, console: Console
) -> tuple[Runner, Pipeline]:
    from eeg2speech_bench.benchmarks.pipeline import Pipeline
    from eeg2speech_bench.benchmarks.plan import make_cells, refuse_unknown_names
    from eeg2speech_bench.benchmarks.runner import Runner
    from eeg2speech_bench.core.machine.environment import choose_device, choose_precision
    from eeg2speech_bench.core.records.record_store import RecordStore
    from eeg2speech_bench.core.registry.dataset_opening import find_dataset
    from eeg2speech_bench.core.stages.stage_store import StageStore

    cell, config = record.cell, record.settings
    typed = arguments.dataset or cell.dataset_argument
    spec, argument = find_dataset(typed, registry)
    registry.get("encoder", cell.encoder)  # an encoder that is not here is said before data are opened
    refuse_unknown_names(config, registry)
    device = choose_device(arguments.device or record.provenance.device or "auto")
    precision = record.provenance.precision or choose_precision(config.precision, device)
    dataset = spec.load()(argument, arguments.cache, lambda line: say(console, line))
    chosen = [cell.encoder], typed, dataset.name, [cell.seed], config, registry
    (one,) = make_cells(*chosen, revision=dataset.revision)
    # stages of its own: what the cache holds may be the very run that is to be repeated
    stages = StageStore(arguments.results / "stages" / cell.id)
    pipeline = Pipeline(one, dataset, registry, stages, device, precision)
    pipeline.check_options()
    return Runner(registry, stages, RecordStore(arguments.results), console), pipeline


def _split_difference(record: Record, runner: Runner, pipeline: Pipeline) -> Iterator[str]:
    """Prepare the segments and compare their split, before hours of training."""
    runner.run_stage(pipeline.prepare)
    there, here = record.split.hash or "", pipeline.prepared().split.hash or ""
    if there != here:
        yield f"split hash: {there[:16]} in the record, {here[:16]} here"


def _refuse(found: list[str] | Iterator[str], arguments: argparse.Namespace, console: Console) -> None:
    found = list(found)
    if found and not arguments.anyway:
        then = "Install or give what it was made with, or add --anyway to see how much that changes."
        raise BenchError(f"This is not what {arguments.record} was made with", got="; ".join(found), then=then)
    for line in found:
        say(console, f"Not the same: {line}")


def _show(record: Record, again: Record, arguments: argparse.Namespace, console: Console) -> int:
    compared = compare(record, again, arguments.tolerance)
    table = Table("metric", "condition", "recorded", "repeated", "difference", "", box=None, pad_edge=False)
    for one in compared:
        numbers = [_text(one.recorded), _text(one.repeated), _difference(one)]
        table.add_row(Text(one.metric), Text(one.condition), *numbers, "equal" if one.equal else "DIFFERENT")
    console.print(table)
    for name, before in record.provenance.packages.items():
        now = again.provenance.packages.get(name)
        if now != before:
            say(console, f"Another version: {name} {before} in the record, {now} here")
    n_equal = sum(one.equal for one in compared)
    say(
        console,
        f"{n_equal} of {len(compared)} numbers are equal within {arguments.tolerance:g} (relative). "
        f"Record of the rerun: {arguments.results / 'records' / again.cell.id}.json",
    )
    return 0 if n_equal == len(compared) else 1


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _difference(one: Comparison) -> str:
    if one.recorded is None or one.repeated is None:
        return "-"
    return f"{one.repeated - one.recorded:+.2g}"

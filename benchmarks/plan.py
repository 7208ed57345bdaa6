"""Plans a run: which cells, which of their stages have to run and why, and how long they take."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eeg2speech_bench.benchmarks.cells import Cell
from eeg2speech_bench.benchmarks.pipeline import Pipeline
from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.core.presets.config import RunConfig
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.segments.recordings import SpeechDataset
from eeg2speech_bench.core.specs import EncoderSpec
from eeg2speech_bench.core.terminal.progress import say
from eeg2speech_bench.core.weights.strategies import twin_options

#: changes that a plan names of one stage
MAX_REASONS = 3
#: names that stand for several encoders
GROUPS: dict[str, Callable[[EncoderSpec], bool]] = {"all": lambda spec: True, "baselines": lambda spec: spec.baseline}


def parse_seeds(text: str) -> list[int]:
    """Read ``3`` as the seeds 0, 1, 2 and ``4,7`` as those two.

    Raises
    ------
    UsageError
    """
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0 or (len(numbers) == 1 and "," not in text and numbers[0] < 1):
        raise UsageError("Option --seeds was not understood", got=repr(text), expected="a count (3) or a list (0,1,2)")
    return list(range(numbers[0])) if len(numbers) == 1 and "," not in text else sorted(set(numbers))


def choose_encoders(names: Iterable[str], registry: Registry) -> list[str]:
    """Return the encoders that names stand for, each once.

    ``all`` stands for every encoder that does not run on request only, ``baselines`` for the floors among them.

    Raises
    ------
    UnknownNameError
    """
    chosen: list[str] = []
    for name in names:
        if name in GROUPS:
            chosen += [spec.name for spec in registry.all("encoder") if not spec.on_request and GROUPS[name](spec)]
        else:
            chosen.append(registry.get("encoder", name).name)
    return list(dict.fromkeys(chosen))


def refuse_unknown_names(config: RunConfig, registry: Registry) -> None:
    """Refuse a configuration with options for encoders or targets that do not exist.

    Raises
    ------
    UnknownNameError
    """
    for encoder in config.encoder:
        registry.get("encoder", encoder)
    for target in (config.target.name, *config.target.options):
        registry.get("target", target)


def make_cells(
    encoders: Iterable[str],
    dataset: str,
    name: str,
    seeds: Iterable[int],
    config: RunConfig,
    registry: Registry,
    *,
    revision: str,
    with_twins: bool = False,
    strategies: Sequence[str] = (),
) -> list[Cell]:
    """Return the cells of a run.

    Parameters
    ----------
    encoders : iterable of str
        Their own names, as `choose_encoders` returns them.
    dataset, name : str
        The data set as it was typed, and as tables call it.
    revision : str
        Of the data set's content.
    with_twins : bool
        Add to every encoder that is trained on EEG its twin that is trained on surrogate EEG.
    strategies : sequence of str
        Run every encoder with pretrained weights once under each, beside its twin with random weights.

    Raises
    ------
    UsageError
        If there are strategies and no encoder with weights.
    """
    encoders = list(encoders)
    if strategies:
        _require_weights(encoders, config, registry)
    cells = []
    surrogate = config.alignment.model_copy(update={"train_on": "surrogate"})
    for encoder in encoders:
        spec = registry.get("encoder", encoder)
        for own, seed in product(_with_strategies(encoder, config, strategies), seeds):
            cells.append(Cell(encoder, dataset, name, revision, seed, own))
            if with_twins and spec.modality == "eeg" and not spec.baseline:
                twin = own.model_copy(update={"alignment": surrogate})
                cells.append(Cell(encoder, dataset, name, revision, seed, twin))
    return cells


def _with_strategies(encoder: str, config: RunConfig, strategies: Sequence[str]) -> list[RunConfig]:
    """Return the configurations that an encoder is run under: its own, or each strategy and its twin, once."""
    options = config.encoder.get(encoder, {})
    if not strategies or not options.get("weights"):
        return [config]
    chosen = [{**options, "strategy": strategy} for strategy in strategies]
    beside = [one for own in chosen for one in ((own,) if own["strategy"] == "scratch" else (own, twin_options(own)))]
    once = [one for number, one in enumerate(beside) if one not in beside[:number]]
    return [config.model_copy(update={"encoder": {**config.encoder, encoder: one}}) for one in once]


def _require_weights(encoders: Sequence[str], config: RunConfig, registry: Registry) -> None:
    if any(config.encoder.get(encoder, {}).get("weights") for encoder in encoders):
        return
    known = [f"{encoder}: {said}" for encoder in encoders if (said := registry.get("encoder", encoder).pretrained)]
    raise UsageError(
        "Option --strategy is about pretrained weights",
        got="no encoder with weights",
        expected="a file, a folder, or owner/name on the hub for one of them",
        then=f"Add --set encoder.NAME.weights=...{f' ({known[0]})' if known else ''}.",
    )


@dataclass(frozen=True)
class Expectation:
    """Tells how many seconds stages should take, from ``measured.toml``: measured on two cores, per preset."""

    seconds: dict[str, float]

    @classmethod
    def of_preset(cls, preset: str) -> Expectation:
        """Read the measured seconds of a preset; empty where none were measured."""
        from importlib import resources

        text = resources.files("eeg2speech_bench.benchmarks").joinpath("measured.toml").read_text(encoding="utf8")
        return cls(tomllib.loads(text).get(preset, {}))

    def minutes(self, stages: Iterable[str]) -> float | None:
        """Return the sum over stages in minutes, None if one was never measured."""
        seconds = [self.seconds.get(name) for name in stages]
        known = [value for value in seconds if value is not None]
        return sum(known) / 60 if len(known) == len(seconds) else None


@dataclass(frozen=True)
class PlannedCell:
    """Names the stages of a cell that have to run, and those that are there.

    Attributes
    ----------
    label, target : str
    missing : dict of str to list of str
        Stages to run, each with why it has to.
    reused : list of str
        Stages that are there, or that a cell before this one runs.
    problem : str
        Why it cannot run; empty if it can.
    """

    label: str
    target: str
    missing: dict[str, list[str]] = field(default_factory=dict)
    reused: list[str] = field(default_factory=list)
    problem: str = ""

    @property
    def reasons(self) -> dict[str, list[str]]:
        """Stages to run by the reason that they share."""
        grouped: dict[str, list[str]] = {}
        for name, reasons in self.missing.items():
            shown = reasons[:MAX_REASONS]
            more = [f"and {len(reasons) - MAX_REASONS} more changes"] if len(reasons) > MAX_REASONS else []
            grouped.setdefault("; ".join([*shown, *more]), []).append(name)
        return grouped


def plan_stages(pipelines: Iterable[Pipeline]) -> list[PlannedCell]:
    """Look which stages of cells are there already, and why the others have to run."""
    planned: set[str] = set()
    cells = []
    for pipeline in pipelines:
        label = f"{pipeline.cell.label}, seed {pipeline.cell.seed}"
        cell = PlannedCell(label, pipeline.target.name)
        cells.append(cell)
        try:
            stages = {stage.key: stage for stage in pipeline.stages()}
        except Exception as error:  # a plugin whose source is not there costs its own row
            cells[-1] = PlannedCell(label, pipeline.target.name, problem=f"cannot run: {error}")
            continue
        for key, stage in stages.items():
            if key in planned or pipeline.store.find(stage) is not None:
                cell.reused.append(stage.name)
            else:
                cell.missing[stage.name] = pipeline.store.why(stage)
            planned.add(key)
    return cells


def print_plan(pipelines: list[Pipeline], dataset: SpeechDataset, results: Path, console: Console) -> None:
    """Print the cells, which of their stages run and why, and the minutes that they should take."""
    first = pipelines[0]
    say(
        console,
        f"Plan: {len(pipelines)} cell(s) on data set '{dataset.name}', preset '{first.config.preset}', "
        f"device {first.device} ({first.precision})",
    )
    cells = plan_stages(pipelines)
    console.print(_plan_table(cells))
    for cell in cells:
        for reason, names in cell.reasons.items():
            say(console, f"Why {', '.join(names)} ({cell.label}): {reason}.")
    for name, reason in first.skipped().items():
        say(console, f"Skipped: {name}: {reason}.")
    for recording, reason in getattr(dataset, "skipped", ()):
        say(console, f"Left out: {recording}: {reason}.")
    minutes = Expectation.of_preset(first.config.preset).minutes(name for cell in cells for name in cell.missing)
    expected = "not measured for this preset" if minutes is None else f"about {minutes:.0f} min on 2 CPU cores"
    say(console, f"Expected: {expected}. Results: {results}")


def _plan_table(cells: list[PlannedCell]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("cell", "target", "stages to run", "reused"):
        table.add_column(column)
    for cell in cells:
        missing = escape(cell.problem) or ", ".join(cell.missing) or "none"
        table.add_row(cell.label, cell.target, missing, ", ".join(cell.reused) or "none")
    return table

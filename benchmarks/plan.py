"""Plans a run: which cells, which of their stages have to run and why, and how long they take."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eeg2speech_bench.benchmarks.cells import Cell
from eeg2speech_bench.benchmarks.halving import SEARCH_BUDGETS, rungs
from eeg2speech_bench.benchmarks.pipeline import Pipeline
from eeg2speech_bench.benchmarks.step_times import MATRIX_SIDE, StepTime
from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.core.presets.config import AlignmentConfig, RunConfig
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.segments.recordings import SpeechDataset
from eeg2speech_bench.core.specs import EncoderSpec
from eeg2speech_bench.core.terminal.progress import say
from eeg2speech_bench.core.weights.strategies import twin_options

#: changes that a plan names of one stage
MAX_REASONS = 3
#: what every generator of random numbers takes
MAX_SEED = 2**32 - 1
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
    if numbers and max(numbers) > MAX_SEED:
        raise UsageError("Option --seeds has too large a number", got=repr(text), expected=f"at most {MAX_SEED}")
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
        seconds = tomllib.loads(text).get(preset, {})
        return cls(seconds | ({"tune": SEARCH_BUDGETS * seconds["align"]} if "align" in seconds else {}))

    def minutes(self, cells: Iterable[PlannedCell]) -> float | None:
        """Return the sum over the cells' missing stages in minutes, None if one was never measured."""
        seconds = [cell.seconds.get(name, self.seconds.get(name)) for cell in cells for name in cell.missing]
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
    seconds : dict of str to float
        What the encoder's own training should take, by stage, where a step of it was timed on this machine.
    step : StepTime, optional
        What was timed.
    """

    label: str
    target: str
    missing: dict[str, list[str]] = field(default_factory=dict)
    reused: list[str] = field(default_factory=list)
    problem: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    step: StepTime | None = None

    @property
    def training_s(self) -> float:
        """Seconds of the encoder's training that is still to be done; 0 where no step was timed."""
        return sum(value for name, value in self.seconds.items() if name in self.missing)

    @property
    def training_text(self) -> str:
        """Minutes of the encoder's training that is still to be done, and what they come from."""
        if self.step is None:
            return "not timed"
        if not self.step.seconds:
            return "closed form"
        return (
            f"{self.training_s / 60:.1f} min ({self.step.gflop:.1f} GFLOP a step, {self.step.peak_share:.0%} of peak)"
        )

    @property
    def reasons(self) -> dict[str, list[str]]:
        """Stages to run by the reason that they share."""
        grouped: dict[str, list[str]] = {}
        for name, reasons in self.missing.items():
            shown = reasons[:MAX_REASONS]
            more = [f"and {len(reasons) - MAX_REASONS} more changes"] if len(reasons) > MAX_REASONS else []
            grouped.setdefault("; ".join([*shown, *more]), []).append(name)
        return grouped


def training_seconds(config: AlignmentConfig, step: StepTime) -> dict[str, float]:
    """Return what search and training should take, by stage; a closed form takes next to nothing."""
    minutes = config.budget_minutes if step.seconds else None
    budget_s = step.budget_s if minutes is None else 60 * minutes
    searched = sum(n * share for n, share in rungs(config.n_trials)) if config.n_trials > 1 else 0.0
    return {"tune": searched * budget_s, "align": budget_s}


def cheap_first(pipelines: Iterable[Pipeline], steps: Mapping[str, StepTime]) -> list[Pipeline]:
    """Order cells from cheap to dear; those of encoders that were not timed come last, as they were given.

    Parameters
    ----------
    pipelines : iterable of Pipeline
    steps : mapping of str to StepTime
        By id of the cell.
    """

    def cost(pipeline: Pipeline) -> float:
        step = steps.get(pipeline.cell.id)
        return math.inf if step is None else step.budget_s

    return sorted(pipelines, key=cost)


def plan_stages(pipelines: Iterable[Pipeline], steps: Mapping[str, StepTime] | None = None) -> list[PlannedCell]:
    """Look which stages of cells are there already, why the others have to run, and what training should take."""
    planned: set[str] = set()
    cells = []
    for pipeline in pipelines:
        label = f"{pipeline.cell.label}, seed {pipeline.cell.seed}"
        step = (steps or {}).get(pipeline.cell.id)
        seconds = {} if step is None else training_seconds(pipeline.config.alignment, step)
        cell = PlannedCell(label, pipeline.target.name, seconds=seconds, step=step)
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


def print_plan(
    pipelines: list[Pipeline],
    dataset: SpeechDataset,
    results: Path,
    console: Console,
    steps: Mapping[str, StepTime] | None = None,
) -> None:
    """Print the cells, which of their stages run and why, and the minutes that they should take."""
    first = pipelines[0]
    say(
        console,
        f"Plan: {len(pipelines)} cell(s) on data set '{dataset.name}', preset '{first.config.preset}', "
        f"device {first.device} ({first.precision})",
    )
    cells = plan_stages(pipelines, steps)
    console.print(_plan_table(cells))
    for cell in cells:
        for reason, names in cell.reasons.items():
            say(console, f"Why {', '.join(names)} ({cell.label}): {reason}.")
    for name, reason in first.skipped().items():
        say(console, f"Skipped: {name}: {reason}.")
    for recording, reason in getattr(dataset, "skipped", ()):
        say(console, f"Left out: {recording}: {reason}.")
    _say_steps(cells, console)
    minutes = Expectation.of_preset(first.config.preset).minutes(cells)
    trained = sum(cell.training_s for cell in cells) / 60
    expected = "not measured for this preset" if minutes is None else f"about {minutes:.0f} min on 2 CPU cores"
    if minutes is None and trained:
        expected = (
            f"about {trained:.0f} min of training on this machine; other stages were not measured for this preset"
        )
    say(console, f"Expected: {expected}. Results: {results}")


def _say_steps(cells: list[PlannedCell], console: Console) -> None:
    """Say where the minutes of training come from, or how to get them."""
    if step := next((cell.step for cell in cells if cell.step is not None), None):
        peak = f"{step.gflop_per_s:.0f} GFLOP/s in a matrix product of {MATRIX_SIDE} rows"
        say(console, f"Training: timed steps of this machine, times the steps of the budget; peak is {peak}.")
        if any(cell.step.is_disturbed for cell in cells if cell.step is not None):
            say(
                console,
                "Training: other programs used the machine meanwhile; alone it takes less. --estimate times again.",
            )
    elif len({cell.label for cell in cells}) > 1:
        say(console, "Training: no step was timed on this machine; --estimate does so, and orders cells by it.")


def _plan_table(cells: list[PlannedCell]) -> Table:
    timed = any(cell.step is not None for cell in cells)
    table = Table(box=None, pad_edge=False)
    for column in ("cell", "target", "stages to run", "reused", *(["training"] if timed else [])):
        table.add_column(column)
    for cell in cells:
        missing = escape(cell.problem) or ", ".join(cell.missing) or "none"
        training = [cell.training_text] if timed else []
        table.add_row(cell.label, cell.target, missing, ", ".join(cell.reused) or "none", *training)
    return table

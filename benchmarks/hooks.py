"""Registers the metrics of the suite and the verbs that run cells."""

from __future__ import annotations

from eeg2speech_bench.benchmarks.metrics.catalogue import all_metrics
from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.specs import CommandSpec, MetricSpec

_ROOM = "eeg2speech_bench.benchmarks"


@hookimpl
def register_metrics() -> list[MetricSpec]:
    """Return the metrics that ship with the suite."""
    return all_metrics()


@hookimpl
def register_commands() -> list[CommandSpec]:
    """Return the verbs that run cells, or show what is there of them."""
    cells = f"{_ROOM}.commands"
    return [
        CommandSpec(
            "run",
            f"{cells}:run",
            "train and score encoders, beside their controls",
            configure=f"{cells}:configure_run",
        ),
        _verb("submit", "submit_command", "run the same on a Slurm cluster, or several cells at once here"),
        _verb("status", "status_command", "show how the cells that were submitted stand", loads_plugins=False),
        _verb("rerun", "rerun", "repeat the cell of a record and compare the numbers"),
        _verb(
            "generate",
            "generate_command",
            "make speech of a recording with what a cell trained, beside its controls",
        ),
        _verb("listen", "listen_command", "say which of several sounds was heard in a recording, and when"),
        _verb("model", "model_command", "share what a cell trained through the Hugging Face hub: push, pull"),
        _verb("live", "live_command", "say so while EEG is recorded (LSL), or speak it"),
        _verb(
            "cache",
            "cache",
            "show what stages are kept and how much room they take, or remove old ones",
            loads_plugins=False,
        ),
        CommandSpec(
            "env",
            f"{cells}:env",
            "show versions, hardware and folders",
            configure=f"{cells}:configure_nothing",
            loads_plugins=False,
        ),
    ]


def _verb(name: str, module: str, summary: str, *, loads_plugins: bool = True) -> CommandSpec:
    """Declare a verb with a module of its own, whose ``configure`` and ``run`` it is."""
    target = f"{_ROOM}.{module}"
    return CommandSpec(name, f"{target}:run", summary, configure=f"{target}:configure", loads_plugins=loads_plugins)

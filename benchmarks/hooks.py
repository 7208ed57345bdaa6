"""Registers the metrics of the suite and the verbs that run cells."""

from __future__ import annotations

from eeg2speech_bench.benchmarks.metrics.catalogue import all_metrics
from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.specs import CommandSpec, MetricSpec

_COMMANDS = "eeg2speech_bench.benchmarks.commands"


@hookimpl
def register_metrics() -> list[MetricSpec]:
    """Return the metrics that ship with the suite."""
    return all_metrics()


@hookimpl
def register_commands() -> list[CommandSpec]:
    """Return the verbs that run cells, or show what is there of them."""
    return [
        CommandSpec(
            "run",
            f"{_COMMANDS}:run",
            "train and score encoders, beside their controls",
            configure=f"{_COMMANDS}:configure_run",
        ),
        CommandSpec(
            "submit",
            "eeg2speech_bench.benchmarks.submit_command:run",
            "run the same on a Slurm cluster, or several cells at once here",
            configure="eeg2speech_bench.benchmarks.submit_command:configure",
        ),
        CommandSpec(
            "status",
            "eeg2speech_bench.benchmarks.status_command:run",
            "show how the cells that were submitted stand",
            configure="eeg2speech_bench.benchmarks.status_command:configure",
            loads_plugins=False,
        ),
        CommandSpec(
            "rerun",
            "eeg2speech_bench.benchmarks.rerun:run",
            "repeat the cell of a record and compare the numbers",
            configure="eeg2speech_bench.benchmarks.rerun:configure",
        ),
        CommandSpec(
            "generate",
            "eeg2speech_bench.benchmarks.generate_command:run",
            "make speech of a recording with what a cell trained, beside its controls",
            configure="eeg2speech_bench.benchmarks.generate_command:configure",
        ),
        CommandSpec(
            "listen",
            "eeg2speech_bench.benchmarks.listen_command:run",
            "say which of several sounds was heard in a recording, and when",
            configure="eeg2speech_bench.benchmarks.listen_command:configure",
        ),
        CommandSpec(
            "cache",
            "eeg2speech_bench.benchmarks.cache:run",
            "show what stages are kept and how much room they take, or remove old ones",
            configure="eeg2speech_bench.benchmarks.cache:configure",
            loads_plugins=False,
        ),
        CommandSpec(
            "env",
            f"{_COMMANDS}:env",
            "show versions, hardware and folders",
            configure=f"{_COMMANDS}:configure_nothing",
            loads_plugins=False,
        ),
    ]

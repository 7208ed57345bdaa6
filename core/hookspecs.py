"""Defines one pluggy hook for each kind of thing that a plugin can bring."""

from __future__ import annotations

import pluggy

from eeg2speech_bench.core.specs import (
    CommandSpec,
    DatasetSpec,
    EncoderSpec,
    MetricSpec,
    PreparationSpec,
    TargetSpec,
)

#: name of the pluggy project and of the entry-point group
PROJECT = "eeg2speech_bench"

hookspec = pluggy.HookspecMarker(PROJECT)
#: put ``@hookimpl`` on the functions of a plugin module
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_encoders() -> list[EncoderSpec]:
    """Return the conditioning encoders that this plugin brings."""
    return []


@hookspec
def register_targets() -> list[TargetSpec]:
    """Return the audio targets that this plugin brings."""
    return []


@hookspec
def register_datasets() -> list[DatasetSpec]:
    """Return the data sets that this plugin brings."""
    return []


@hookspec
def register_preparations() -> list[PreparationSpec]:
    """Return ways to turn a data set into a segment store; the suite uses the one named 'windows'."""
    return []


@hookspec
def register_metrics() -> list[MetricSpec]:
    """Return the metrics that this plugin brings."""
    return []


@hookspec
def register_commands() -> list[CommandSpec]:
    """Return the verbs that this plugin adds to the command line."""
    return []

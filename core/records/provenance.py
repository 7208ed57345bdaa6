"""Describes what may differ between two equal runs: when, where, how fast, and how a cell failed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from eeg2speech_bench.core.records.part import Cost, Count, Name, RecordPart


class ErrorReport(RecordPart):
    """Why a cell has no scores: the stage that it ended in, and the error with the end of its traceback."""

    phase: Name
    type: Name
    message: str
    traceback: list[str] = Field([])

    @property
    def text(self) -> str:
        """Stage and reason in one line."""
        return f"{self.phase}: {self.type}: {self.message}"


class StageCost(RecordPart):
    """What a stage took when it ran; ``reused`` if that was not in this run."""

    name: Name
    key: Name
    seconds: Cost
    peak_memory_mb: Cost
    energy_wh: Cost | None = None
    reused: bool


class Provenance(RecordPart):
    """How a record came about.

    Attributes
    ----------
    started, finished : str
        Times with their zone.
    attempts : int
    command : str
        What was typed.
    packages : dict of str to str
        Versions.
    git, hardware : dict
    device, precision : str
    stages : list of StageCost
        Those that were finished.
    """

    started: str = ""
    finished: str = ""
    attempts: Count = 1
    command: str = ""
    packages: dict[str, str] = Field({})
    git: dict[str, Any] = Field({})
    hardware: dict[str, Any] = Field({})
    device: str = ""
    precision: str = ""
    stages: list[StageCost] = Field([])


def total_seconds(stages: Sequence[StageCost]) -> float | None:
    """Return what stages took together; None if there are none."""
    return math.fsum(stage.seconds for stage in stages) if stages else None

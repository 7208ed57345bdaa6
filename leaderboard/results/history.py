"""Turns what a stage noted in training into series of numbers that can be drawn, and says how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from eeg2speech_bench.core.records.convergence import JUDGED, Convergence, judge
from eeg2speech_bench.core.records.part import LARGEST
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.training import Training


class Series(NamedTuple):
    """One line of a learning curve; ``points`` are (place on the axis, value), and ``axis`` says what it counts."""

    stage: str
    name: str
    axis: str
    points: list[tuple[float, float]]

    @property
    def title(self) -> str:
        """Stage and name in words."""
        return f"{self.stage}: {self.name.replace('_', ' ')}"


def convergence_of_stage(record: Record, stage: str) -> Convergence:
    """Say whether a stage was still improving when its budget ended; the alignment alone may stop earlier."""
    trained = record.training.get(stage)
    patience = record.settings.alignment.patience if stage == "align" else None
    return "" if trained is None else judge(trained, patience)


def judged_series(trained: Training) -> str:
    """Return which series of a history says whether the stage was still improving; empty if none does."""
    return next((name for name in JUDGED if trained.history and name in trained.history[0]), "")


def kept_step(trained: Training) -> float | None:
    """Return the step that the weights of a stage are of; None where they are those of the last."""
    epoch = trained.chosen.get("epoch")
    kept = [entry.get("step", "") for entry in trained.history if "epoch" in entry and entry["epoch"] == epoch]
    return next((float(step) for step in kept if is_number(step)), None)


def learning_series(training: dict[str, Training]) -> Iterator[Series]:
    """Yield every series of two numbers or more in the histories of a record's stages."""
    for stage, trained in training.items():
        yield from _series(stage, trained.history)


def _series(stage: str, history: Sequence[dict[str, Any]]) -> Iterator[Series]:
    axis = next((name for name in ("step", "epoch") if history and name in history[0]), None)
    if axis is None:
        return
    for name in history[0]:
        points = [(e[axis], e[name]) for e in history if is_number(e.get(axis)) and is_number(e.get(name))]
        if name not in ("step", "epoch") and len(points) > 1:
            yield Series(stage, name, axis, points)


def is_number(value: Any) -> bool:
    """Whether a value of JSON is a number that can be drawn."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST

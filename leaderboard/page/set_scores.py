"""Tabulates the metrics of all clips of a condition at once (Fréchet distances, collapse)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from eeg2speech_bench.core.conditions import SCORED, condition_label
from eeg2speech_bench.core.records.metrics import SetScore
from eeg2speech_bench.core.records.record import Record


@dataclass(frozen=True)
class SetTable:
    """A table of conditions by metrics.

    Attributes
    ----------
    heads : list of (str, str, bool)
        Name of each metric, what it is measured in and on how many clips, and whether high is good.
    rows : list of (str, str, list of float or None)
        Condition, its label, and its values, means over seeds.
    floors : list of float or None
        What real speech reaches against other real speech.
    """

    heads: list[tuple[str, str, bool]]
    rows: list[tuple[str, str, list[float | None]]]
    floors: list[float | None]


def set_table(records: Sequence[Record]) -> SetTable | None:
    """Return the set metrics of a row's cells; None if they have none."""
    values: dict[str, dict[str, list[float]]] = {}
    first: dict[str, SetScore] = {}
    floors: dict[str, list[float]] = {}
    for entry in (entry for record in records for entry in record.sets):
        first.setdefault(entry.name, entry)
        values.setdefault(entry.condition, {}).setdefault(entry.name, []).append(entry.value)
        if entry.floor is not None:
            floors.setdefault(entry.name, []).append(entry.floor)
    if not first:
        return None
    conditions = [name for name in SCORED if name in values]
    conditions += sorted(values.keys() - set(SCORED))
    modality = records[0].reads
    return SetTable(
        heads=[(entry.title, _unit(entry), entry.higher_is_better) for entry in first.values()],
        rows=[(c, condition_label(c, modality), [_mean(values[c].get(name)) for name in first]) for c in conditions],
        floors=[_mean(floors.get(name)) for name in first],
    )


def _unit(entry: SetScore) -> str:
    return ", ".join(part for part in (entry.unit, f"{entry.n} clips") if part)


def _mean(numbers: list[float] | None) -> float | None:
    return math.fsum(numbers) / len(numbers) if numbers else None

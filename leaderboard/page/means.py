"""Means over the seeds of a row, of every metric under every condition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.leaderboard.labels import LABELS

#: metric, then condition, then what each record says of them
Found = dict[str, dict[str, list[dict[str, Any]]]]
#: the same, as one mean
Entries = dict[str, dict[str, dict[str, Any]]]


def by_condition(records: Sequence[Record]) -> Found:
    """Return the entries of all records by metric and condition, metrics in the order of the table."""
    found: Found = {}
    for record in records:
        for entry in record.metrics:
            found.setdefault(str(entry["name"]), {}).setdefault(str(entry["condition"]), []).append(entry)
    order = {name: i for i, name in enumerate(LABELS)}
    return {name: found[name] for name in sorted(found, key=lambda name: (order.get(name, len(order)), name))}


def mean_entries(found: Found) -> Entries:
    """Return one entry for each metric and condition, with the means of values and bounds.

    All else, listeners too, is that of the first record.
    """
    return {name: {c: _mean(entries) for c, entries in own.items()} for name, own in found.items()}


def largest_p(records: Sequence[Record]) -> dict[tuple[str, str], float]:
    """Return for each metric and control the largest p of all seeds."""
    largest: dict[tuple[str, str], float] = {}
    for record in records:
        for test in record.tests:
            key = (test["metric"], test["control"])
            largest[key] = max(largest.get(key, 0.0), test["p"])
    return largest


def listener_means(entries: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return every listener's mean over the entries of one metric and condition that have a value of it.

    Apart from the other means, of which a page shows all: a page shows the listeners of a few.
    """
    values: dict[str, list[float]] = {}
    for entry in entries:
        for listener, value in (entry.get("per_subject") or {}).items():
            values.setdefault(listener, []).append(value)
    return {listener: math.fsum(own) / len(own) for listener, own in values.items()}


def _mean(entries: list[dict[str, Any]]) -> dict[str, Any]:
    n = len(entries)
    if n == 1:
        return entries[0]
    mean = dict(entries[0])
    for name in ("value", "low", "high"):
        mean[name] = math.fsum([entry[name] for entry in entries]) / n
    return mean

"""Averages every metric under every condition over the seeds of a row."""

from __future__ import annotations

import math
from collections.abc import Sequence

from eeg2speech_bench.core.records.metrics import Metric
from eeg2speech_bench.core.records.record import Record

#: metric, then condition, then what each record says of them
Found = dict[str, dict[str, list[Metric]]]
#: the same, as one mean
Entries = dict[str, dict[str, Metric]]


def by_condition(records: Sequence[Record]) -> Found:
    """Return the entries of all records by metric and condition, in the order of the records."""
    found: Found = {}
    for record in records:
        for entry in record.metrics:
            found.setdefault(entry.name, {}).setdefault(entry.condition, []).append(entry)
    return found


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
            key = (test.metric, test.control)
            largest[key] = max(largest.get(key, 0.0), test.p)
    return largest


def listener_means(entries: Sequence[Metric]) -> dict[str, float]:
    """Return every listener's mean over the entries of one metric and condition that have a value of it.

    Apart from the other means, of which a page shows all: a page shows the listeners of a few.
    """
    values: dict[str, list[float]] = {}
    for entry in entries:
        for listener, value in entry.per_subject.items():
            values.setdefault(listener, []).append(value)
    return {listener: math.fsum(own) / len(own) for listener, own in values.items()}


def _mean(entries: list[Metric]) -> Metric:
    n = len(entries)
    if n == 1:
        return entries[0]
    means = {name: math.fsum([getattr(entry, name) for entry in entries]) / n for name in ("value", "low", "high")}
    return entries[0].model_copy(update=means)

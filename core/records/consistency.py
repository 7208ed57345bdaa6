"""Finds parts of a record that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from eeg2speech_bench.core.records.probes import PROBES

if TYPE_CHECKING:
    from eeg2speech_bench.core.records.record import Record

#: seconds of shared audio that are rounding, as where splits are made
SHARED_S = 1e-3


def contradictions(record: Record) -> Iterator[str]:
    """Yield what cannot all be true of one cell."""
    yield from _of_status(record)
    yield from _of_metrics(record)
    yield from _of_verdicts(record)
    for part in record.parts:
        own, called = record.of_group(part), part if part == PROBES else f"{part} listeners"
        if record.status == "done" and not own.files:
            yield f"{called} have scores without per-segment values (files.segments-{part})"
        yield from (f"{called}: {said}" for said in (*_of_metrics(own), *_of_verdicts(own)))


def _of_status(record: Record) -> Iterator[str]:
    if record.status != "done":
        if record.error is None:
            yield f"status is '{record.status}' and no error says why"
        return
    if record.error is not None:
        yield "status is 'done' beside an error"
    if record.split.hash is None:
        yield "status is 'done' without a split hash"
    if not record.metrics or record.dataset.n_subjects is None:
        yield "status is 'done' without metrics or without the number of listeners"
    if "segments" not in record.files:
        yield "status is 'done' without per-segment values (files.segments)"
    shared = {pair: s for pair, s in record.split.evidence.shared_s.items() if s > SHARED_S}
    if shared:
        yield f"its splits share stimulus audio: {shared} seconds"


def _of_metrics(record: Record) -> Iterator[str]:
    for section, entries in (("metrics", record.metrics), ("sets", record.sets)):
        for number, entry in enumerate(entries):
            if flaw := entry.flaw():
                yield f"{section}.{number}: {flaw}"
    seen = [(entry.name, entry.condition) for entry in (*record.metrics, *record.sets)]
    if len(set(seen)) < len(seen):
        yield "a metric is there twice under one condition"
    listeners: dict[str, set[str]] = {}
    for entry in record.metrics:
        own = entry.per_subject.keys()
        if own != listeners.setdefault(entry.name, set(own)):
            yield f"{entry.name} names other listeners under '{entry.condition}' than before"
        if record.dataset.n_subjects is not None and len(own) > record.dataset.n_subjects:
            yield f"{entry.name} names {len(own)} listeners of {record.dataset.n_subjects}"


def _of_verdicts(record: Record) -> Iterator[str]:
    for name, verdict in record.verdict.items():
        p_values = {test.control: test.p for test in record.tests if test.metric == name}
        if p_values.get(verdict.hardest_control) != verdict.p or verdict.p < max(p_values.values()):
            yield f"the verdict on {name} is not that of its hardest control"
        if verdict.distinguishable != (verdict.p < verdict.alpha):
            yield f"the verdict on {name} contradicts its p of {verdict.p} and alpha of {verdict.alpha}"

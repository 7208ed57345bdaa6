"""Names the metrics that tables show, and writes differences and p values as text."""

from __future__ import annotations

from collections.abc import Iterable

from eeg2speech_bench.core.records.record import Record

#: what the tables show; the records hold every metric
BOARD_METRICS = ("top1", "top10", "identification", "mel_correlation", "estoi")
CONTROL_METRICS = (
    "top1", "top5", "top10", "mrr", "median_rank", "identification", "mel_correlation", "estoi", "lsd"
)  # fmt: skip
#: metrics whose interval is shown beside the value; those of the others are in the record
WITH_INTERVAL = ("top1", "identification", "mel_correlation")


def metric_titles(records: Iterable[Record]) -> dict[str, str]:
    """Return what tables call each metric of some records: its label if a record has one, else its name."""
    found: dict[str, str] = {}
    for record in records:
        for entry in (*record.metrics, *record.sets):
            if entry.label or entry.name not in found:
                found[entry.name] = entry.title
    return found


def signed(value: float, low: float, high: float) -> str:
    """Return a difference with its interval, each with its sign."""
    return f"{value:+z.3f} [{low:+z.3f}, {high:+z.3f}]"


def p_text(p: float) -> str:
    """Return a p value as papers write it."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"

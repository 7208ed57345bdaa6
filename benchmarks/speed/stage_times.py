"""Tabulates seconds and memory per stage from records, and what each further encoder costs beside the first.

Usage: ``python benchmarks/speed/stage_times.py RESULTS``, after the runs to be compared were made there, the first
one with an empty cache. Ratios of one run are comparable between machines, seconds are not.
"""

from __future__ import annotations

import sys
from pathlib import Path

from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore


def spent_s(record: Record) -> float:
    """Seconds of the stages that this cell ran itself."""
    return sum(stage.seconds for stage in record.stages if not stage.reused)


def main(results: Path) -> None:
    """Print one block per record, in the order in which they were made."""
    records = [r for r in RecordStore(results).read_all() if r.status == "done"]
    records.sort(key=lambda record: record.provenance.started)
    first = spent_s(records[0])
    for record in records:
        cell = record.cell
        share = spent_s(record) / first
        print(f"{cell.encoder} on {cell.dataset}: {spent_s(record):.0f} s ran here, {share:.2f} of the first")
        for stage in record.stages:
            mark = "reused" if stage.reused else ""
            memory_gb = stage.peak_memory_mb / 1000
            print(f"  {stage.name:<12} {stage.seconds:7.1f} s  {memory_gb:4.1f} GB  {mark}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

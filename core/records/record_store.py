"""Keeps the records of a results folder: one JSON file per cell beside the folder of its audio and values."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eeg2speech_bench.core.records.record import Record, read_record
from eeg2speech_bench.core.stages.json_files import write_atomically
from eeg2speech_bench.core.stages.stage_store import explained


class RecordStore:
    """The records in a results folder: ``records/<cell id>.json`` beside ``cells/<cell id>/``."""

    def __init__(self, results: Path) -> None:
        self.results = Path(results)

    def path(self, cell_id: str) -> Path:
        """Return where a cell's record lies or would lie."""
        return self.results / "records" / f"{cell_id}.json"

    def cell_folder(self, cell_id: str) -> Path:
        """Return the folder of a cell's audio and per-segment values."""
        return self.results / "cells" / cell_id

    def write(self, record: Record) -> Path:
        """Write a record atomically and return its path."""
        path = self.path(record.cell["id"])
        with explained(self.results):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, _text(asdict(record)).encode())
        return path

    def read_all(self) -> list[Record]:
        """Read every record in the folder, in the order of file names."""
        return [read_record(path) for path in sorted((self.results / "records").glob("*.json"))]


def _text(tree: dict[str, Any]) -> str:
    """Return a record as JSON with one line per metric, test or setting: made to be searched, compared and read fast.

    Indented throughout, it would be a third longer and have a line for every number.
    """
    return "{\n" + ",\n".join(f'"{name}": {_section(value)}' for name, value in tree.items()) + "\n}\n"


def _section(value: Any) -> str:
    if isinstance(value, dict) and value:
        return "{\n" + ",\n".join(f"  {_line(key)}: {_line(part)}" for key, part in value.items()) + "\n}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"  {_line(part)}" for part in value) + "\n]"
    return _line(value)


def _line(value: Any) -> str:
    return json.dumps(value, allow_nan=False)

"""The record of a cell: one JSON file that says what was run, on what, at what cost, and what came out."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.stages import explained, write_json

#: version of the record's layout; a reader refuses what it does not know
SCHEMA = 1

Status = Literal["done", "failed", "interrupted"]


@dataclass
class Record:
    """Everything worth keeping of one cell.

    Attributes
    ----------
    cell : dict
        encoder, dataset, preset, seed and ``id``: what makes this cell this one.
    status : str
        ``done``, ``failed`` or ``interrupted``.
    config : dict
        The effective configuration, as `core.config.config_from_tree` reads it.
    encoder, dataset, split, target : dict
        Distribution, version, licence and source hash; revision; split hash and proof; embedding space.
    metrics : list of dict
        One per metric and condition: name, condition, value, low, high, n, chance, per_subject, unit.
    tests : list of dict
        One per metric and control: effect, p, number of units.
    verdict : dict
        Per headline metric: whether it is distinguishable from no signal, and by which p.
    skipped : dict
        Stages that did not run, with the reason.
    error : dict, optional
        phase, type, message and the end of the traceback of a failed cell.
    provenance : dict
        What may differ between two equal runs: times, memory, attempts, versions, hardware, command line.
    """

    cell: dict[str, Any]
    status: Status
    config: dict[str, Any]
    encoder: dict[str, Any] = field(default_factory=dict)
    dataset: dict[str, Any] = field(default_factory=dict)
    split: dict[str, Any] = field(default_factory=dict)
    target: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    tests: list[dict[str, Any]] = field(default_factory=list)
    verdict: dict[str, Any] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    def metric(self, name: str, condition: str = "eeg") -> dict[str, Any] | None:
        """Return one metric's entry, None if it was not measured."""
        found = (m for m in self.metrics if m["name"] == name and m["condition"] == condition)
        return next(found, None)

    def semantic(self) -> dict[str, Any]:
        """Return all that must be equal between two equal runs: everything but the provenance."""
        return {key: value for key, value in asdict(self).items() if key != "provenance"}


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
            write_json(path, asdict(record))
        return path

    def read_all(self) -> list[Record]:
        """Read every record in the folder, in the order of file names."""
        return [read_record(path) for path in sorted((self.results / "records").glob("*.json"))]


def read_record(path: Path) -> Record:
    """Read one record.

    Raises
    ------
    StorageError
        If the file is not a record of this schema.
    """
    try:
        tree = json.loads(Path(path).read_text(encoding="utf8"))
    except (OSError, ValueError) as error:
        raise StorageError(
            f"Record {path} cannot be read", got=f"{type(error).__name__}: {error}", then="Run that cell again."
        ) from error
    if not isinstance(tree, dict) or tree.get("schema") != SCHEMA:
        found = tree.get("schema") if isinstance(tree, dict) else type(tree).__name__
        then = "Update eeg2speech-bench, or run that cell again."
        raise StorageError(f"Record {path} has an unknown schema", got=found, expected=SCHEMA, then=then)
    try:
        return Record(**tree)
    except TypeError as error:
        raise StorageError(f"Record {path} has unexpected fields", got=str(error), then="Run it again.") from error

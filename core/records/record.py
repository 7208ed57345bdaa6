"""The record of a cell: one JSON file that says what was run, on what, at what cost, and what came out."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from eeg2speech_bench.core.errors import StorageError

#: version of the record's layout; a reader refuses what it does not know
SCHEMA = 1
#: a larger file is refused unread; records of a hundred listeners stay below half of it
MAX_RECORD_BYTES = 5_000_000

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
        The effective configuration, as `core.presets.config.config_from_tree` reads it.
    encoder, dataset, split, target : dict
        Distribution, version, licence and source hash; revision; split hash and proof; embedding space.
    metrics : list of dict
        One per metric and condition: name, condition, value, low, high, n, chance, per_subject, unit; where they make
        sense also pool, chance_band, chance_uniform and baseline.
    sets : list of dict
        One per metric of all clips together and condition: name, condition, value, n, unit, floor.
    tests : list of dict
        One per metric and control: effect, p, number of units.
    verdict : dict
        Per headline metric: whether it is distinguishable from no signal, and by which p.
    skipped : dict
        Stages that did not run, and metrics that were not measured ("metric NAME"), with the reason.
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
    sets: list[dict[str, Any]] = field(default_factory=list)
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
        """Return all that must be equal between two equal runs: everything but the provenance and the pictures."""
        tree = {key: value for key, value in asdict(self).items() if key != "provenance"}
        return tree | {key: {k: v for k, v in tree[key].items() if k != "report"} for key in ("files", "skipped")}


def read_record(path: Path) -> Record:
    """Read one record; its top level is checked here, every field of it by `core.records.schema.check_record`.

    Raises
    ------
    StorageError
        If the file is too large, is not JSON (which has no NaN and no infinity), names a key twice, or is not a
        record of this schema.
    """
    tree = _read_tree(Path(path))
    if not isinstance(tree, dict) or tree.get("schema") != SCHEMA:
        found = tree.get("schema") if isinstance(tree, dict) else type(tree).__name__
        then = "Update eeg2speech-bench, or run that cell again."
        raise StorageError(f"Record {path} has an unknown schema", got=f"{found!s:.80}", expected=SCHEMA, then=then)
    try:
        return Record(**tree)
    except TypeError as error:
        said = f"{error!s:.200}"
        raise StorageError(f"Record {path} has unexpected fields", got=said, then="Run it again.") from error


def _read_tree(path: Path) -> Any:
    try:
        size = path.stat().st_size if path.is_file() else 0  # a pipe or a device would be read for ever
        if size > MAX_RECORD_BYTES:
            raise StorageError(f"Record {path} is too large", got=f"{size} bytes", expected=f"<= {MAX_RECORD_BYTES}")
        if not path.is_file() and path.exists():
            raise StorageError(f"Record {path} is not a file", then="Remove it.")
        text = path.read_text(encoding="utf8")
        return json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_without_repeats)
    except (OSError, ValueError, RecursionError) as error:
        raise StorageError(
            f"Record {path} cannot be read", got=f"{type(error).__name__}: {error!s:.200}", then="Run that cell again."
        ) from error


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):  # JSON has no name for infinity, but 1e999 reads as one
        raise ValueError(f"{text[:40]} is not finite")
    return value


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) < len(pairs):  # readers disagree on which one counts
        raise ValueError("a key is there twice")
    return tree

"""Finds a cell's model and the record that belongs to it, and copies both to elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

from eeg2speech_bench.benchmarks.trained.model_folder import (
    CARD,
    FILE,
    RECORD,
    ModelDescription,
    check_weights,
    read_description,
)
from eeg2speech_bench.core.errors import BenchError, StorageError, UsageError
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.stages.atomic_folder import atomic_folder


def find_model(source: Path | str | Record, results: Path) -> Path:
    """Return the folder of the model that a user names.

    Parameters
    ----------
    source : Path, str or Record
        A record's file, the folder of a model or of its cell, or a record.
    results : Path
        The results folder of a record that is given as an object.

    Raises
    ------
    BenchError
        If the cell kept none, or it is not here.
    """
    if isinstance(source, Record):
        return _of_record(source, results)
    path = Path(source).expanduser()
    if path.is_dir():
        return path / "model" if (path / "model" / FILE).is_file() else path
    return _of_record(Record.read(path), path.absolute().parent.parent)


def _of_record(record: Record, results: Path) -> Path:
    if "model" not in record.files:
        got = record.skipped.get("model", "no model in its files")
        then = "Run that cell again without --no-model; stages that are in the cache are not repeated."
        raise BenchError(f"Cell '{record.cell.id}' kept no model", got=got, then=then)
    folder = results / record.files["model"]
    if not (folder / FILE).is_file():
        then = "Models stay where they were made unless they are copied: give the folder of the model itself."
        raise BenchError(f"The model of cell '{record.cell.id}' is not here", got=f"no {folder / FILE}", then=then)
    return folder


def find_record(folder: Path, description: ModelDescription) -> Path | None:
    """Return the record of a model: beside it, or in the results folder that it lies in; None if there is none."""
    inside = folder.absolute().parents
    there = [folder / RECORD] + ([inside[2] / "records" / f"{description.cell.id}.json"] if len(inside) > 2 else [])
    return next((path for path in there if path.is_file()), None)


def read_record(path: Path, description: ModelDescription) -> Record:
    """Read the record of a model.

    Raises
    ------
    StorageError
        If it cannot be read, or is the record of another cell or of another run of this one.
    """
    record = Record.read(path)
    if record.cell != description.cell or record.verdict != description.verdict:
        then = "Give the record and the model of the same run."
        raise StorageError(
            f"{path} is not the record of this model",
            got=f"cell '{record.cell.id}' with another verdict" if record.cell == description.cell else record.cell.id,
            expected=f"cell '{description.cell.id}'",
            then=then,
        )
    return record


def copy_model(folder: Path, out: Path) -> ModelDescription:
    """Copy a model with its record and its card, where it has them; whole and as it was written, or not at all.

    Raises
    ------
    UsageError
        If there is something at that place.
    StorageError
        If a file is missing or is not what was written.
    """
    refuse_place(out)
    description = read_description(folder)
    places = {name: folder / name for name in (FILE, *description.files)}
    places |= {CARD: folder / CARD} if (folder / CARD).is_file() else {}
    places |= {RECORD: record} if (record := find_record(folder, description)) else {}
    with atomic_folder(out) as working:
        for name, place in places.items():
            if not place.is_file():
                raise StorageError(f"Model {folder} is incomplete", got=f"no {name}", then="Copy the folder again.")
            shutil.copyfile(place, working / name)
        for name in description.files:
            check_weights(working, description, name)
        if record:
            read_record(working / RECORD, description)
    return description


def refuse_place(out: Path) -> None:
    """Refuse a folder for a model that has something in it."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already", then="Choose another folder.")

"""Keeps the records of a results folder: one JSON file per cell beside the folder of its audio and values."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.records.cell_id import MAX_ID_BYTES, is_safe_name
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.stages.json_files import write_atomically
from eeg2speech_bench.core.stages.stage_store import explained

#: the new record waits in the new folder of files until both are in place, so that a kill in between can be mended
WAITING = ".record.json"


class RecordStore:
    """Writes and reads the records of a results folder: ``records/<cell id>.json`` beside ``cells/<cell id>/``.

    A finished record is only ever replaced by a finished one. What a later attempt that failed or was stopped has to
    say lies in ``attempts/<cell id>.json`` until an attempt finishes.
    """

    def __init__(self, results: Path) -> None:
        self.results = Path(results)

    def path(self, cell_id: str) -> Path:
        """Return where a cell's record lies or would lie."""
        return self.results / "records" / f"{cell_id}.json"

    def attempt_path(self, cell_id: str) -> Path:
        """Return where an attempt lies that did not finish while an earlier one had."""
        return self.results / "attempts" / f"{cell_id}.json"

    def running_path(self, cell_id: str, pid: int) -> Path:
        """Return where a process of this machine leaves signs of life while it runs a cell, as others may do too."""
        return self.results / "running" / f"{cell_id}.{platform.node()[:60]}.{pid}.json"

    def cell_folder(self, cell_id: str) -> Path:
        """Return the folder of a cell's audio and per-segment values."""
        return self.results / "cells" / cell_id

    def write(self, record: Record) -> Path:
        """Write a record atomically and return its path; an unfinished one never replaces a finished one."""
        cell = record.cell.id
        path = self.path(cell)
        if record.status != "done" and self._is_worth_keeping(path):
            path = self.attempt_path(cell)
        else:
            self.attempt_path(cell).unlink(missing_ok=True)
        with explained(self.results):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, _text(record.tree()).encode())
        return path

    def publish(self, record: Record, files: Path) -> None:
        """Put a finished record and its files in the place of what is there: both of them or neither.

        Parameters
        ----------
        record : Record
        files : Path
            What `draft` gave, filled.
        """
        cell = record.cell.id
        path, folder, replaced = self.path(cell), self.cell_folder(cell), self._beside(cell, "replaced")
        with explained(self.results):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(files / WAITING, _text(record.tree()).encode())
            try:
                if folder.exists():
                    folder.rename(replaced)
                files.rename(folder)
                (folder / WAITING).replace(path)
            except BaseException:
                self._undo(cell, files)
                raise
            shutil.rmtree(replaced, ignore_errors=True)
            self.attempt_path(cell).unlink(missing_ok=True)

    @contextmanager
    def draft(self, cell_id: str) -> Iterator[Path]:
        """Give an empty folder for a cell's new files, removed at the end unless `publish` moved it to its place."""
        with self.lock(cell_id):
            files = self._beside(cell_id, "partial")
            shutil.rmtree(files, ignore_errors=True)  # left by a run that was killed; the lock is ours
            files.mkdir()
            try:
                yield files
            finally:
                shutil.rmtree(files, ignore_errors=True)

    @contextmanager
    def lock(self, cell_id: str) -> Iterator[None]:
        """Let one run at a time write what belongs to a cell, and mend first what a kill left half replaced."""
        with explained(self.results):
            self.cell_folder(cell_id).parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.cell_folder(cell_id).with_name(f".{cell_id}.lock")):
                self._mend(cell_id)
                yield

    def require_writable(self, cell_ids: Iterable[str]) -> None:
        """Find out before hours of training what could not be written after them.

        Raises
        ------
        StorageError
            If a cell's name is too long, a file stands where a folder should be, or the disk cannot be written.
        """
        cells = sorted(set(cell_ids), key=lambda cell: len(os.fsencode(cell)))
        for cell in cells:
            _refuse_unsafe(cell)
            for place, right in ((self.path(cell), Path.is_file), (self.cell_folder(cell), Path.is_dir)):
                if os.path.lexists(place) and (place.is_symlink() or not right(place)):
                    then = "Remove it or choose another folder with --results."
                    raise StorageError(f"{place} is in the way of what this run will write", then=then)
        with explained(self.results):
            for room in ("records", "cells"):
                (self.results / room).mkdir(parents=True, exist_ok=True)
            for cell in cells:
                with self.lock(cell):
                    pass
            # as long as the longest name to come, this process's own, and moved as records are
            probe = self._beside(cells[-1], f"writable-{os.getpid():07d}")
            probe.write_bytes(b"")
            probe.replace(self.results / "records" / probe.name).unlink()

    def latest(self, cell_id: str) -> Record:
        """Read what the latest attempt at a cell left.

        Raises
        ------
        StorageError
            If there is none, or it is damaged.
        """
        attempt = self.attempt_path(cell_id)
        return Record.read(attempt if attempt.exists() else self.path(cell_id))

    def count_attempts(self, cell_id: str) -> int:
        """Count the attempts at a cell so far, as its records say."""
        counts = [0]
        for path in (self.path(cell_id), self.attempt_path(cell_id)):
            with suppress(StorageError):
                counts.append(Record.read(path).provenance.attempts)
        return max(counts)

    def read_all(self) -> list[Record]:
        """Read every record in the folder, in the order of file names."""
        return [Record.read(path) for path in sorted((self.results / "records").glob("*.json"))]

    def _is_worth_keeping(self, path: Path) -> bool:
        if not path.exists():
            return False
        try:
            return Record.read(path).status == "done"
        except StorageError:  # another version may have finished it
            return True

    def _beside(self, cell_id: str, what: str) -> Path:
        return self.cell_folder(cell_id).with_name(f".{what}-{cell_id}")

    def _undo(self, cell_id: str, files: Path) -> None:
        folder, replaced = self.cell_folder(cell_id), self._beside(cell_id, "replaced")
        if (folder / WAITING).exists():
            folder.rename(files)
        if replaced.exists():
            replaced.rename(folder)

    def _mend(self, cell_id: str) -> None:
        """End what a killed `publish` began: forward if the new files are in place, back if they are not."""
        folder, replaced = self.cell_folder(cell_id), self._beside(cell_id, "replaced")
        if (folder / WAITING).exists():
            (folder / WAITING).replace(self.path(cell_id))
        elif replaced.exists() and not folder.exists():
            replaced.rename(folder)
        shutil.rmtree(replaced, ignore_errors=True)


def _refuse_unsafe(cell_id: str) -> None:
    if not is_safe_name(cell_id):
        raise StorageError(
            f"Cell '{cell_id:.80}...' has a name that no record can have",
            got=f"{len(os.fsencode(cell_id))} bytes",
            expected=f"letters, digits and -._ only, at most {MAX_ID_BYTES} bytes",
            then="Give the folder of the data set a shorter name.",
        )


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

"""Keeps the records of a results folder: one JSON file per cell beside the folder of its audio and values."""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.machine.processes import is_dead, own_name
from eeg2speech_bench.core.records.cell_id import MAX_ID_BYTES, is_safe_name
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.stages.disk_trouble import explained
from eeg2speech_bench.core.stages.file_lock import file_lock
from eeg2speech_bench.core.stages.json_files import TEMPORARY, write_atomically

#: the new record waits in the new folder of files until both are in place, so that a kill in between can be mended
WAITING = ".record.json"
#: files of a draft whose process cannot be asked for are left over when they are so old
ABANDONED_S = 24 * 3600.0
#: a record is written in less time
WRITTEN_S = 600.0
#: runs of one cell without locks may hinder each other a few times
PUBLISH_TRIES = 50


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

        Raises
        ------
        StorageError
            If the folder cannot be written, or what the record names is not in ``files`` any more.
        """
        cell = record.cell.id
        path, replaced = self.path(cell), self._beside(cell, "replaced")
        missing = [name for name in record.files.values() if not (files / Path(name).name).exists()]
        if missing:
            raise self._disappeared(f"no {missing[0]}")
        with explained(self.results):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(files / WAITING, _text(record.tree()).encode())
            try:
                self._replace(cell, files, replaced)
                self._settle(cell)
            except BaseException:
                self._undo(cell, files, replaced)
                raise
            shutil.rmtree(replaced, ignore_errors=True)
            self.attempt_path(cell).unlink(missing_ok=True)

    @contextmanager
    def draft(self, cell_id: str) -> Iterator[Path]:
        """Give an empty folder for a cell's new files, removed at the end unless `publish` moved it to its place."""
        with self.lock(cell_id):
            self._sweep(cell_id)
            files = self._beside(cell_id, "partial")
            files.mkdir()
            try:
                with explained(self.results):
                    yield files
            except StorageError:
                raise
            except Exception as error:
                if files.exists() or self.cell_folder(cell_id).exists():
                    raise
                raise self._disappeared(f"{type(error).__name__}: {error!s:.200}") from error
            finally:
                shutil.rmtree(files, ignore_errors=True)

    @contextmanager
    def lock(self, cell_id: str) -> Iterator[None]:
        """Let one run at a time write what belongs to a cell, and mend first what a kill left half replaced.

        On a disk without locks nothing waits; a record and its files are of one run all the same.
        """
        with explained(self.results):
            self.cell_folder(cell_id).parent.mkdir(parents=True, exist_ok=True)
            with file_lock(self.cell_folder(cell_id).with_name(f".{cell_id}.lock")):
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
            probe = self._beside(cells[-1], "writable")
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
        """Return a path of this process alone; no cell's name has an @."""
        return self.cell_folder(cell_id).with_name(f".{what}-{cell_id}@{own_name()}")

    def _all_beside(self, cell_id: str, what: str) -> list[Path]:
        return list(self.cell_folder(cell_id).parent.glob(f".{what}-{cell_id}@*"))

    def _disappeared(self, got: object) -> StorageError:
        then = "Type the same command: finished stages are kept. Leave the folder alone until it ends."
        return StorageError(f"What was written to {self.results} disappeared", got=got, then=then)

    def _replace(self, cell_id: str, files: Path, replaced: Path) -> None:
        """Put new files in the place of a cell's; without locks another run may put its own there meanwhile."""
        folder = self.cell_folder(cell_id)
        for _ in range(PUBLISH_TRIES):
            shutil.rmtree(replaced, ignore_errors=True)
            with suppress(FileNotFoundError):
                folder.rename(replaced)
            try:
                files.rename(folder)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            else:
                return
        raise StorageError(f"Others keep writing {folder}", then="End the other runs of this cell, and type it again.")

    def _settle(self, cell_id: str) -> None:
        """Put the record that waits in a cell's folder in its place, if nobody else has."""
        folder, path = self.cell_folder(cell_id), self.path(cell_id)
        try:
            (folder / WAITING).replace(path)
        except FileNotFoundError:
            if not path.exists():
                raise

    def _undo(self, cell_id: str, files: Path, replaced: Path) -> None:
        folder = self.cell_folder(cell_id)
        if (folder / WAITING).exists():
            folder.rename(files)
        if replaced.exists():
            replaced.rename(folder)

    def _mend(self, cell_id: str) -> None:
        """End what a killed `publish` began: forward if the new files are in place, back if they are not."""
        folder = self.cell_folder(cell_id)
        if (folder / WAITING).exists():
            self._settle(cell_id)
        for replaced in self._all_beside(cell_id, "replaced"):
            with suppress(OSError):  # without locks, another run is at it
                replaced.rename(folder)
            shutil.rmtree(replaced, ignore_errors=True)

    def _sweep(self, cell_id: str) -> None:
        """Remove drafts of a cell that were left by runs which were killed, and records that they were writing."""
        now = time.time()
        for files in self._all_beside(cell_id, "partial"):
            with suppress(OSError):
                if is_dead(files.name.rpartition("@")[2]) or now - files.stat().st_mtime > ABANDONED_S:
                    shutil.rmtree(files, ignore_errors=True)
        for record in self.path(cell_id).parent.glob(f".*{TEMPORARY}"):
            with suppress(OSError):
                if now - record.stat().st_mtime > WRITTEN_S:
                    record.unlink()


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

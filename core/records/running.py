"""Says of a cell that is running where it runs and how far it is, for whoever watches from outside."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from eeg2speech_bench.core.machine.processes import is_process_alive
from eeg2speech_bench.core.records.provenance import ErrorReport
from eeg2speech_bench.core.stages.json_files import write_atomically

#: seconds between signs of life
TOUCH_S = 30.0
#: a sign of another machine, where nobody here can look, counts for so long after it was last given
ALIVE_S = 300.0


class RunningCell(BaseModel):
    """A sign of life of a cell: ``running/<cell id>.<host>.<pid>.json`` in the results folder, while it runs.

    Attributes
    ----------
    host : str
    pid : int
    started : str
    phase : str
        Stage that it is in.
    error : ErrorReport, optional
        Why it never began.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    pid: int
    started: str
    phase: str
    error: ErrorReport | None = None

    @classmethod
    def here(cls) -> Self:
        """Return the sign of a cell that starts in this process."""
        started = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(host=platform.node(), pid=os.getpid(), started=started, phase="start")

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return the sign in a file; None if there is none or it cannot be read."""
        with suppress(OSError, ValidationError):
            return cls.model_validate_json(path.read_bytes())
        return None

    def write(self, path: Path) -> None:
        """Leave the sign; a disk that takes none costs no cell."""
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, self.model_dump_json().encode())

    @contextmanager
    def renewed(self, path: Path) -> Iterator[None]:
        """Leave the sign, and give it again and again while a block runs."""
        self.write(path)
        ended = threading.Event()
        threading.Thread(target=_touch_until, args=(ended, path), daemon=True).start()
        try:
            yield
        finally:
            ended.set()

    def is_alive(self, path: Path) -> bool:
        """Whether the process that left the sign in a file still runs, as far as can be seen from here."""
        if self.host == platform.node():
            return is_process_alive(self.pid)
        try:
            return time.time() - path.stat().st_mtime < ALIVE_S
        except OSError:  # it was just taken away
            return False


def living_signs(results: Path) -> Iterator[tuple[str, RunningCell]]:
    """Yield the cells that give signs of life, each with its sign; a cell that never began gives none."""
    for path in sorted((results / "running").glob("*.json")):
        sign = RunningCell.read(path)
        if sign is not None and sign.error is None and sign.is_alive(path):
            yield path.name.removesuffix(f".{sign.host[:60]}.{sign.pid}.json"), sign


def remove_dead_signs(results: Path, cell_id: str) -> None:
    """Take away what processes that were killed have left of a cell."""
    for path in (results / "running").glob(f"{cell_id}.*.json"):
        sign = RunningCell.read(path)
        if sign is not None and not sign.is_alive(path):
            path.unlink(missing_ok=True)


def _touch_until(ended: threading.Event, path: Path) -> None:
    while not ended.wait(TOUCH_S):
        with suppress(OSError):
            os.utime(path)

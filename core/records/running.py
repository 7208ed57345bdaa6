"""Says of a cell that is running where it runs and how far it is, for whoever watches from outside."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from eeg2speech_bench.core.records.provenance import ErrorReport
from eeg2speech_bench.core.stages.json_files import write_atomically


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

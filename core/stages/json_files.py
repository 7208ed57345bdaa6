"""Reads and writes small JSON files."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

#: how the names of files end that are being written; a process that is killed meanwhile leaves one
TEMPORARY = ".tmp"


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or is not JSON.
    """
    return json.loads(path.read_text(encoding="utf8"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; NaN and infinity are refused, as JSON has none."""
    write_atomically(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new one, and never a part."""
    # the name is shorter than any that it stands for, and no other process or thread has it
    temporary = path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

"""Remembers what was learnt of a file, by its content, so that a second run need not read it again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.core.stages.json_files import read_json, write_json

Facts = dict[str, Any]


def remembered(kind: str, path: Path, hashes: FileHashes, learn: Callable[[Path], Facts]) -> Facts:
    """Return the facts of a file; they are learnt once for each content and kept in the cache of ``hashes``.

    Parameters
    ----------
    kind : str
        Names the facts and the way they are learnt: change its number when that changes.
    path : Path
    hashes : FileHashes
    learn : callable
        Reads the file; returns values that JSON can hold. What it raises is not remembered.
    """
    memory = hashes.cache / "file-facts" / f"{hashes.of(path)[:32]}-{kind}.json" if hashes.cache else None
    if memory:
        try:
            return dict(read_json(memory))
        except (OSError, ValueError, TypeError):
            pass  # not remembered, or damaged: it can always be read again
    facts = learn(path)
    if memory:
        try:
            memory.parent.mkdir(parents=True, exist_ok=True)
            write_json(memory, facts)
        except OSError:
            pass  # a memory that cannot be kept costs time alone
    return facts

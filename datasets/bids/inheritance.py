"""Finds the table that applies to a recording by BIDS' inheritance principle: the nearest one wins."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.bids.tables import read_text
from eeg2speech_bench.datasets.sounds.sound_files import is_pointer


def entities(name: str) -> dict[str, str]:
    """Return the entities of a BIDS file name: ``sub-01_task-listen_eeg.vhdr`` has sub (01) and task (listen)."""
    return dict(re.findall(r"(?:^|_)([a-zA-Z]+)-([a-zA-Z0-9+]+)(?=[_.]|$)", name))


def applicable_files(root: Path, recording: Path, ending: str) -> list[Path]:
    """List the files that apply to a recording, the nearest first.

    A file applies if it lies beside the recording or in a folder above it, up to ``root``, ends with ``ending`` and
    names no entity of another recording. Pointers of git-annex count: what is not downloaded is not absent.

    Parameters
    ----------
    root : Path
    recording : Path
        A file of the recording; its folder may be any below ``root``.
    ending : str
        For example ``"events.tsv"``.

    Raises
    ------
    DataError
        If two files of one folder apply equally.
    """
    own = entities(recording.name)
    found: list[Path] = []
    for folder in _upwards(root, recording.parent):
        level = [p for p in sorted(folder.glob(f"*{ending}")) if _applies(p, own, ending)]
        level.sort(key=lambda path: -len(entities(path.name)))
        if len(level) > 1 and len(entities(level[0].name)) == len(entities(level[1].name)):
            raise DataError(
                f"Two tables apply to {recording.name} equally",
                got=f"{level[0]} and {level[1].name}",
                expected="one per folder",
                then="Delete or rename one of them.",
            )
        found += level
    return found


def nearest_file(root: Path, recording: Path, ending: str) -> Path | None:
    """Return the nearest of `applicable_files`, None where there is none."""
    return next(iter(applicable_files(root, recording, ending)), None)


def read_sidecar(root: Path, recording: Path, ending: str) -> dict[str, Any]:
    """Merge the JSON files that apply to a recording; the nearest wins, key by key.

    Raises
    ------
    DataError
        If one was not downloaded or is no JSON object.
    """
    merged: dict[str, Any] = {}
    for path in reversed(applicable_files(root, recording, ending)):
        try:
            content = json.loads(read_text(path))
        except ValueError as error:
            raise DataError(f"{path} is no JSON", got=str(error), then="Correct or delete it.") from None
        if not isinstance(content, dict):
            raise DataError(f"{path} holds no JSON object", got=type(content).__name__, then="Correct or delete it.")
        merged |= content
    return merged


def _upwards(root: Path, folder: Path) -> Iterator[Path]:
    while folder != root and root in folder.parents:
        yield folder
        folder = folder.parent
    yield root


def _applies(path: Path, own: dict[str, str], ending: str) -> bool:
    of_file = entities(path.name)
    if not (path.name == ending or path.name.endswith(f"_{ending}")) or path.name.startswith("."):
        return False
    return (path.is_file() or is_pointer(path)) and all(own.get(key) == value for key, value in of_file.items())

"""Finds the tables and JSON files that describe a recording, by BIDS's inheritance principle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eeg2speech_bench.core.errors import DataError

#: entities that name a table's own content and not a recording
OWN_ENTITIES = frozenset({"space"})


def sidecars(recording: Path, root: Path, suffix: str) -> list[Path]:
    """List the files that apply to a recording, the nearest first.

    A file applies if it lies in the recording's folder or above and claims nothing that the recording's name
    contradicts. In one folder the file that says most of the recording comes first.

    Parameters
    ----------
    recording : Path
        The EEG file.
    root : Path
        Folder of the data set, where the search ends.
    suffix : str
        End of the file name with its ending, such as ``"channels.tsv"``.
    """
    wanted = _entities(recording.name)
    found: list[Path] = []
    for folder in [recording.parent, *recording.parent.parents]:
        here = [p for p in sorted(folder.glob(f"*{suffix}")) if _applies(p, suffix, wanted)]
        found += sorted(here, key=lambda path: -len(_entities(path.name).items() & wanted.items()))
        if folder == root:
            break
    return found


def _entities(name: str) -> dict[str, str]:
    """Split ``sub-01_task-x_eeg.vhdr`` into its pairs of key and value."""
    pairs = (part.partition("-") for part in name.split("_")[:-1])
    return {key: value for key, _, value in pairs}


def _applies(path: Path, suffix: str, wanted: dict[str, str]) -> bool:
    claimed = {k: v for k, v in _entities(path.name).items() if k not in OWN_ENTITIES}
    return path.name.split("_")[-1] == suffix and claimed.items() <= wanted.items()


def space_of(path: Path) -> str:
    """Return the coordinate space that a file's name claims, empty if it claims none."""
    return _entities(path.name).get("space", "")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Raises
    ------
    DataError
        If it holds anything else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read", got=str(error), then="Correct it, or delete it.") from None
    if not isinstance(content, dict):
        raise DataError(f"{path} cannot be used", got=type(content).__name__, expected="a JSON object")
    return content

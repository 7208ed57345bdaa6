"""Reads the lists of ``audioeeg``: which sound goes with which embedding, in which part."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from eeg2speech_bench.core.errors import DataError, UsageError

ROOT_FILE = "dataset_root.json"
#: what the lists call the parts, and what we do
PARTS = {"train": "train", "val": "valid", "test": "test"}
NAME = "audioeeg"


@dataclass(frozen=True)
class Item:
    """A sound and the embedding of the EEG that heard it.

    Attributes
    ----------
    part : str
        ``"train"``, ``"valid"`` or ``"test"``.
    number : int
        Its place in the list, from 0.
    wav : str
        What the list calls the sound.
    sound, embedding : Path
    """

    part: str
    number: int
    wav: str
    sound: Path
    embedding: Path

    def __str__(self) -> str:
        return f"item {self.number} of '{self.part}'"


@dataclass(frozen=True)
class ItemLists:
    """All items, and the JSON files that list them."""

    items: tuple[Item, ...]
    files: tuple[Path, ...]


def read_items(root: Path) -> ItemLists:
    """Read both levels of JSON below a folder, and find every file that they name.

    The lists were written for one machine: paths in them begin with folders that are not here. A path stands for
    the file below ``root`` that shares most of its last parts; its sound and embedding are never looked for by order.

    Raises
    ------
    UsageError
        If the folder holds no ``dataset_root.json``.
    DataError
        If a list is damaged or empty, a file is missing, or an embedding belongs to another sound.
    """
    root_file = _root_file(root)
    tree = _json(root_file)
    try:
        audio_root, lists = str(tree[NAME]), {part: str(tree["metadata"]["path"][NAME][part]) for part in PARTS}
    except (LookupError, TypeError) as error:
        expected = f'"{NAME}" and "metadata": "path": "{NAME}" with {", ".join(PARTS)}'
        raise DataError(f"{root_file} lacks an entry", got=f"no {error}", expected=expected) from error
    places = _Places(root, root_file.parent.parent)
    sounds = places.find(audio_root, f"{root_file}: '{NAME}'")
    files = {part: places.find(path, f"{root_file}: '{part}'") for part, path in lists.items()}
    items = [item for part, file in files.items() for item in _items(PARTS[part], file, sounds, places)]
    _check_pairs(items)
    return ItemLists(tuple(items), (root_file, *files.values()))


def _root_file(root: Path) -> Path:
    found = sorted(root.rglob(ROOT_FILE)) if root.is_dir() else []
    if not found:
        then = f"Type eeg2speech-bench datasets fetch {NAME}, or give its folder: --dataset {NAME}:FOLDER."
        raise UsageError(f"Data set '{NAME}' is not in {root}", got=f"no {ROOT_FILE}", then=then)
    if len(found) > 1:
        raise DataError(f"{root} holds several data sets", got=", ".join(map(str, found[:3])), then="Give one of them.")
    return found[0]


@dataclass(frozen=True)
class _Places:
    """Finds what paths of another machine stand for here."""

    root: Path
    home: Path

    def find(self, said: str, where: str) -> Path:
        parts = [part for part in PurePosixPath(said.replace("\\", "/")).parts if part not in ("/", ".")]
        if ".." in parts:
            raise DataError(f"A path in {where} leads out of the data set", got=repr(said))
        bases = [self.home, *(base for base in self.home.parents if base.is_relative_to(self.root))]
        for first in range(len(parts)):
            for base in bases:
                place = base.joinpath(*parts[first:])
                if place.exists():
                    return place
        then = f"Type eeg2speech-bench datasets fetch {NAME}: it finds what is missing."
        raise DataError(
            f"A file that {where} names is missing", got=repr(said), expected=f"below {self.root}", then=then
        )


def _items(part: str, file: Path, sounds: Path, places: _Places) -> Iterator[Item]:
    listed = _json(file)
    rows = listed.get("data") if isinstance(listed, dict) else None
    if not isinstance(rows, list) or not rows:
        raise DataError(f"{file} lists no items", expected='{"data": [item, ...]}')
    for number, row in enumerate(rows):
        where = f"{file}, item {number}"
        wav, embedding = (_text(row, key, where) for key in ("wav", "embedding"))
        sound = PurePosixPath(wav)
        if sound.is_absolute() or ".." in sound.parts:
            raise DataError(f"The sound of {where} is no path below the folder of sounds", got=repr(wav))
        if not (sounds / sound).is_file():
            raise DataError(f"The sound of {where} is missing", got=repr(wav), expected=f"the file {sounds / sound}")
        yield Item(part, number, wav, sounds / sound, places.find(embedding, where))


def _text(row: Any, key: str, where: str) -> str:
    value = row.get(key) if isinstance(row, dict) else None
    if not isinstance(value, str) or not value:
        raise DataError(f"{where} has no '{key}'", got=repr(value), expected="a path")
    return value


def _check_pairs(items: Sequence[Item]) -> None:
    """Refuse an embedding that two sounds share, or that is named after the sound of another item."""
    owners: dict[Path, Item] = {}
    for item in items:
        first = owners.setdefault(item.embedding, item)
        if first is not item and first.sound != item.sound:
            got = f"{item.embedding.name} for '{first.wav}' ({first}) and for '{item.wav}' ({item})"
            raise DataError("One embedding stands for two sounds", got=got, then="Correct the lists.")
    by_stem = {item.sound.stem: item for item in items}
    for item in items:
        other = by_stem.get(item.embedding.stem)
        if other is not None and item.embedding.stem != item.sound.stem:
            got = f"'{item.embedding.name}' beside '{item.wav}' ({item})"
            then = f"That is the name of the sound of {other}: the lists seem to be shifted. Nothing is guessed."
            raise DataError("An embedding belongs to another sound", got=got, then=then)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read", got=f"{type(error).__name__}: {error}") from error

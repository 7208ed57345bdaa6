"""Names what decides a stage's result, hashes it to a key, and says what differs from an earlier run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.core.stages.import_closure import Closure
from eeg2speech_bench.core.stages.source_code import source_hash

#: distributions whose name is not that of the module
DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml", "cv2": "opencv-python"}
#: libraries that write, draw, check or fetch, and compute nothing
NOT_NUMERIC = {
    "filelock", "fsspec", "huggingface_hub", "jinja2", "markupsafe", "matplotlib", "platformdirs", "pluggy", "psutil",
    "pydantic", "pytest", "rich", "typing_extensions",
}  # fmt: skip
#: what a library's version is called that is not installed
ABSENT = "not installed"
#: characters of a changed value that are shown
SHOWN = 60
#: stands for a setting that is not there
_ABSENT = object()


@dataclass(frozen=True)
class KeyParts:
    """Everything that decides a stage's result.

    Attributes
    ----------
    settings : dict
        JSON values.
    inputs : dict of str to str
        Keys of the stages whose results are read, by name.
    code : dict of str to str
        Hash of the source of each module.
    libraries : dict of str to str
        Versions of numeric libraries.
    files : dict of str to str
        Hash of the content of each file or folder that a setting names.
    """

    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    code: Mapping[str, str]
    libraries: Mapping[str, str]
    files: Mapping[str, str]

    @classmethod
    def of(
        cls,
        settings: Mapping[str, Any],
        inputs: Mapping[str, str],
        closure: Closure,
        files: Iterable[Path] = (),
        hashes: FileHashes | None = None,
    ) -> KeyParts:
        """Gather the parts of a key: hash source and files, look up versions.

        Raises
        ------
        StorageError
            If a module's source or a file is not there.
        """
        hashes = hashes or FileHashes()
        return cls(
            settings=settings,
            inputs=inputs,
            code={module: source_hash(module) for module in closure.modules},
            libraries=library_versions(closure.libraries),
            files={str(path): hashes.of(path) for path in sorted(set(files))},
        )

    @property
    def digest(self) -> str:
        """Hash of all parts. Where a file lies makes no difference, only which setting names it and what it holds."""
        content = asdict(self) | {"files": sorted(self.files.values())}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]

    def changes_since(self, other: KeyParts) -> list[str]:
        """Say what is not as it was, most telling first; a changed input is named, and explains itself."""
        return [
            *(f"input '{name}' changed" for name in _changed(self.inputs, other.inputs)),
            *_changed_settings(self.settings, other.settings, "setting "),
            *(f"file {name} changed" for name in _changed(self.files, other.files)),
            *(f"module {name} changed" for name in _changed(self.code, other.code)),
            *_changed_libraries(self.libraries, other.libraries),
        ]


def library_versions(libraries: Iterable[str]) -> dict[str, str]:
    """Return the installed versions of the numeric ones among libraries."""
    return {name: _version(DISTRIBUTIONS.get(name, name)) for name in sorted(set(libraries) - NOT_NUMERIC)}


@cache
def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ABSENT


def _changed(here: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[str]:
    yield from (name for name in sorted({*here, *there}) if here.get(name) != there.get(name))


def _changed_settings(here: Any, there: Any, place: str) -> Iterator[str]:
    now, before = _branches(here), _branches(there)
    if now is None or before is None:
        if here != there:
            yield f"{place} changed from {_said(there, here)} to {_said(here, there)}"
        return
    dot = "" if place.endswith(" ") else "."
    for name in dict.fromkeys([*now, *before]):
        yield from _changed_settings(now.get(name, _ABSENT), before.get(name, _ABSENT), f"{place}{dot}{name}")
    if isinstance(here, list) and now == before and list(now) != list(before):
        yield f"{place} changed its order"


def _branches(tree: Any) -> dict[str, Any] | None:
    """Return what is inside a setting: a list of named things by name, any other by place; None if it is a value."""
    if isinstance(tree, Mapping):
        return dict(tree)
    if not isinstance(tree, list | tuple):
        return None
    names = [one.get("name") if isinstance(one, Mapping) else None for one in tree]
    is_named = all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
    return dict(zip(map(str, names if is_named else range(len(tree))), tree, strict=True))


def _said(value: Any, other: Any) -> str:
    """Write a value as JSON, and of a long one the part where it differs from the other."""
    if value is _ABSENT:
        return "absent"
    text, beside = json.dumps(value), json.dumps(None if other is _ABSENT else other)
    same = next((i for i, (a, b) in enumerate(zip(text, beside, strict=False)) if a != b), min(len(text), len(beside)))
    start = max(same - SHOWN // 2, 0) if max(len(text), len(beside)) > SHOWN else 0
    end = start + SHOWN
    return f"{'...' if start else ''}{text[start:end]}{'...' if len(text) > end else ''}"


def _changed_libraries(here: Mapping[str, str], there: Mapping[str, str]) -> Iterator[str]:
    for name in _changed(here, there):
        yield f"library {name} changed from {there.get(name, 'unused')} to {here.get(name, 'unused')}"

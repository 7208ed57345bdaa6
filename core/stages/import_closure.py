"""Follows imports, to find all code and all libraries that decide what a module computes."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from eeg2speech_bench.core.stages.source_code import (
    OURS,
    find_source,
    find_spec,
    package_files,
    read_source,
    source_hash,
)

#: modules of ours that decide no number, each with its reason; what they import is not followed either
DECIDES_NOTHING = {
    f"{OURS}.core.errors": "words of messages",
    f"{OURS}.core.machine.energy": "reads meters beside the work",
    f"{OURS}.core.machine.environment": "describes the machine for the record",
    f"{OURS}.core.presets.config": "its values are in the settings of each stage",
    f"{OURS}.core.registry.discovery": "finds plugins; what they bring is in the key by itself",
    f"{OURS}.core.registry.failures": "words about broken plugins",
    f"{OURS}.core.hookspecs": "the doors of plugins; what comes through them is in the key by itself",
    f"{OURS}.core.registry.registry": "finds plugins; what they bring is in the key by itself",
    f"{OURS}.core.specs": "declarations; what they name is in the key by itself",
    f"{OURS}.core.stages.checkpoints": "keeps states as they are",
    f"{OURS}.core.stages.disk_trouble": "words of messages",
    f"{OURS}.core.stages.file_hashes": "makes keys",
    f"{OURS}.core.stages.file_lock": "makes processes wait",
    f"{OURS}.core.stages.json_files": "writes and reads values as they are",
    f"{OURS}.core.stages.keys": "makes keys",
    f"{OURS}.core.stages.source_code": "makes keys",
    f"{OURS}.core.stages.stage_store": "keeps files as they are",
    f"{OURS}.core.stages.written_files": "finds out whether files are as they were",
    f"{OURS}.core.terminal.harmless_text": "words of messages",
    f"{OURS}.core.terminal.progress": "draws progress",
    f"{OURS}.core.terminal.quiet": "silences warnings",
    f"{OURS}.benchmarks.stage_inputs": "its values are in the settings of each stage",
}
_STANDARD_LIBRARY = frozenset(sys.stdlib_module_names) | {"__future__", ""}


@dataclass(frozen=True)
class Closure:
    """Code that a module runs: modules and whole packages whose source counts, and libraries that they import.

    Attributes
    ----------
    modules : tuple of str
        Modules, and packages as a whole, sorted.
    libraries : tuple of str
        Top-level names of other packages that these modules import, sorted; none of the standard library.
    """

    modules: tuple[str, ...]
    libraries: tuple[str, ...]

    def joined(self, other: Closure) -> Closure:
        """Return the code of both."""
        modules, libraries = {*self.modules, *other.modules}, {*self.libraries, *other.libraries}
        return Closure(tuple(sorted(modules)), tuple(sorted(libraries)))


@cache
def closure_of(module: str) -> Closure:
    """Follow the imports of a module of ours, directly and through others.

    Imports inside functions count, those for type checkers alone do not. Of a package only the modules that are
    imported count; its ``__init__`` counts where a name is imported from it. What is imported by a computed name is
    not seen. Nothing is imported to find out.

    Parameters
    ----------
    module : str
    """
    seen: set[str] = set()
    libraries: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen or name in DECIDES_NOTHING:
            continue
        file = find_source(name)
        if file is None:
            continue
        seen.add(name)
        for imported in _imports(file, name):
            if f"{imported}.".startswith(f"{OURS}."):
                waiting.append(imported)
            else:
                libraries.add(imported.partition(".")[0])
    return Closure(tuple(sorted(seen)), tuple(sorted(libraries - _STANDARD_LIBRARY)))


@cache
def plugin_closure(package: str) -> Closure:
    """Return all code of a plugin: its whole package, or its file, with packages and files that belong to it.

    Those are packages of the same distribution, and modules that belong to no distribution at all, as files beside a
    plugin file do. Every other import is a library.
    """
    seen: set[str] = set()
    libraries: set[str] = set()
    waiting = [package]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for imported in {name for file in package_files(name) if file.suffix == ".py" for name in _roots(file)}:
            if _belongs_together(imported, package):
                waiting.append(imported)
            else:
                libraries.add(imported)
    return Closure(tuple(sorted(seen)), tuple(sorted(libraries - _STANDARD_LIBRARY - {OURS})))


def _roots(file: Path) -> Iterator[str]:
    """Yield the top-level names that a file imports; relative imports stay within its package."""
    for node in read_source(file).imports:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif not node.level and node.module:
            yield node.module.partition(".")[0]


def _belongs_together(name: str, package: str) -> bool:
    if name in _STANDARD_LIBRARY or name == OURS:
        return False
    own = _distributions().get(name, [])
    if not own:
        return bool(package_files(name))
    return bool(set(own) & set(_distributions().get(package, [])))


@cache
def is_library(root: str) -> bool:
    """Whether a top-level module is told by its version: of the standard library, or installed to stay as it is."""
    return root in _STANDARD_LIBRARY or not all(map(_is_editable, _distributions().get(root, [])))


def _is_editable(distribution: str) -> bool:
    """Whether a distribution is a folder that its author works in (``pip install -e``)."""
    try:
        origin = json.loads(metadata.distribution(distribution).read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return False
    return bool(origin.get("dir_info", {}).get("editable"))


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


def code_behind(targets: Iterable[str]) -> Closure:
    """Return the code behind ``"package.module:attribute"`` targets: ours by imports, that of plugins as a whole."""
    modules: set[str] = set()
    libraries: set[str] = set()
    for target in targets:
        module = target.partition(":")[0]
        root = module.partition(".")[0]
        found = closure_of(module) if root == OURS else plugin_closure(root)
        modules.update(found.modules)
        libraries.update(found.libraries)
    return Closure(tuple(sorted(modules)), tuple(sorted(libraries)))


@cache
def _imports(file: Path, module: str) -> tuple[str, ...]:
    """Return the full names of modules that a file imports, each once."""
    return tuple(dict.fromkeys(_imported_names(file, module)))


def _imported_names(file: Path, module: str) -> Iterator[str]:
    is_package = file.stem == "__init__"
    for node in read_source(file).imports:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            yield from _imported_from(_origin(node, module, is_package=is_package), node.names)


def _origin(node: ast.ImportFrom, module: str, *, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    above = parts[: len(parts) - node.level + is_package]
    return ".".join([*above, *([node.module] if node.module else [])])


def _imported_from(origin: str, names: Iterable[ast.alias]) -> Iterator[str]:
    """Yield the modules that names are imported from: a name may be a module itself."""
    if origin.partition(".")[0] != OURS:
        yield origin
        return
    for alias in names:
        inner = f"{origin}.{alias.name}"
        yield inner if find_source(inner) else origin


def forget_sources() -> None:
    """Look at all sources again; called when a run starts, as they may have changed since the last one."""
    for cached in (
        source_hash,
        read_source,
        find_spec,
        closure_of,
        plugin_closure,
        _imports,
        is_library,
        _distributions,
    ):
        cached.cache_clear()

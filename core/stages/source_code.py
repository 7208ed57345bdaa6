"""Source code as part of what decides a result: its hash, and which modules a module uses."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from functools import lru_cache
from importlib.machinery import ModuleSpec
from pathlib import Path

from eeg2speech_bench.core.errors import StorageError


@lru_cache
def source_hash(module: str) -> str:
    """Hash the Python source of a module, or of all modules of a package, without importing it."""
    spec = importlib.util.find_spec(module)
    # a package has folders, and several where it is a namespace without __init__.py; a module has its file alone
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    files = [(folder, file) for folder in folders for file in sorted(folder.rglob("*.py"))]
    if spec and not files and spec.origin:
        files = [(Path(spec.origin).parent, Path(spec.origin))]
    if not files:
        raise StorageError(f"The source of module '{module}' was not found", then="Reinstall the package it is from.")
    digest = hashlib.sha256()
    for folder, file in files:
        digest.update(file.relative_to(folder).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@lru_cache
def modules_used(module: str, package: str) -> tuple[str, ...]:
    """Return a module and all modules of ``package`` that it imports, directly or through others.

    Only packages are imported to find out. What a module imports by a computed name is not seen.
    """
    seen: set[str] = set()
    modules: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        spec = None if name in seen else _find(name)
        seen.add(name)
        if spec is None or spec.origin is None:
            continue
        if not spec.submodule_search_locations:  # of a package only what is imported counts
            modules.add(name)
        waiting += [other for other in _imported(Path(spec.origin)) if f"{other}.".startswith(f"{package}.")]
    return tuple(sorted(modules))


def _find(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError:  # a class or function of a module, and no module
        return None


def _imported(file: Path) -> Iterator[str]:
    """Yield the names of modules that a file imports."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)  # a name may be a module

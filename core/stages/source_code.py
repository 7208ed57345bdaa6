"""Hashes source code, so that only a change of what it does changes the hash."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path

from eeg2speech_bench.core.errors import StorageError

#: our package; all other packages are libraries or plugins
OURS = "eeg2speech_bench"
#: files of a package that decide nothing
_NO_SOURCE = (".pyo", ".md", ".rst", ".html", ".tmpl")


@cache
def source_hash(module: str) -> str:
    """Hash what a module does, or all modules and data files of a package, without importing it.

    Comments, docstrings and layout do not count. Data files of a package count byte by byte; of a module those that
    lie beside it do, since it may read them.

    Raises
    ------
    StorageError
        If the source is not there.
    """
    if module.startswith(f"{OURS}."):
        file = find_source(module)
        files = [file, *_data_beside(file)] if file else []
    else:
        files = package_files(module)
    if not files:
        raise StorageError(f"The source of module '{module}' was not found", then="Reinstall the package it is from.")
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode())
        digest.update(code_of(file.read_bytes()).encode() if file.suffix == ".py" else file.read_bytes())
    return digest.hexdigest()[:16]


def code_of(source: bytes) -> str:
    """Return what Python source does as text: equal where only comments, docstrings or layout differ.

    Of a file that this Python cannot read every character counts; nothing that runs imports it.
    """
    tree = parse(source)
    if tree is None:
        return repr(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _docstring(node):
            node.body = node.body[1:]
    return _text_of(tree)


def parse(source: bytes) -> ast.Module | None:
    """Read Python source; None if it is none, as a module for another version that a package brings unused."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):  # ValueError: a null byte
        return None


def _docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    first = node.body[0] if node.body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


def _text_of(node: object) -> str:
    """Write a syntax tree as text that does not depend on the version of Python, as that of `ast.dump` does."""
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if name not in ("ctx", "kind", "type_comment"))
        inner = (f"{name}={_text_of(value)}" for name, value in fields if value is not None and value != [])
        return f"{type(node).__name__}({','.join(inner)})"
    if isinstance(node, list):
        return f"[{','.join(map(_text_of, node))}]"
    return repr(node)


def find_source(name: str) -> Path | None:
    """Return the file of a module or package of ours, or of a top-level module, without importing anything.

    None if there is no such module, it has no source, or it is a package without ``__init__``.
    """
    room, *inner = name.split(".")[1:] if name.startswith(f"{OURS}.") else ("",)
    spec = find_spec(f"{OURS}.{room}" if room else name)
    if spec is None:
        return None
    if not inner:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for folder in spec.submodule_search_locations or ():
        place = Path(folder).joinpath(*inner)
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return file
    return None


@cache
def find_spec(name: str) -> ModuleSpec | None:
    """Find a top-level module or a room of ours; None if there is none."""
    try:
        return importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):  # not there, or made by hand
        return None


def package_files(package: str) -> list[Path]:
    """Return the source and data files of a package, or the file of a module that is none; empty if it is not there."""
    spec = find_spec(package)
    if spec is None:
        return []
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    if not folders:
        return [Path(spec.origin)] if spec.origin else []
    return [file for folder in folders for file in sorted(folder.rglob("*")) if _is_source(file)]


def _is_source(file: Path) -> bool:
    if file.suffix == ".pyc" and file.with_suffix(".py").exists():  # one without its source is the code itself
        return False
    return file.is_file() and file.suffix not in _NO_SOURCE and "__pycache__" not in file.parts


def _data_beside(file: Path) -> list[Path]:
    """Return tables beside a module of ours; a module reads none but those of its own folder."""
    return sorted(file.parent.glob("*.toml")) if file.name != "__init__.py" else []

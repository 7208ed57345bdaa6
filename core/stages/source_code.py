"""Hashes source code, so that only a change of what it does changes the hash."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path

from eeg2speech_bench.core.errors import StorageError

#: our package; all other packages are libraries or plugins
OURS = "eeg2speech_bench"
#: where a statement holds others
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
#: fields of a tree that follow from others
_NOT_WRITTEN = ("ctx", "kind", "type_comment")
_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
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
        digest.update(read_source(file).code.encode() if file.suffix == ".py" else file.read_bytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Source:
    """What a file of Python does, and what it imports.

    Attributes
    ----------
    code : str
        The same for files that differ only in comments, docstrings or layout. Of a file that this Python cannot read
        every character counts; nothing that runs imports it.
    imports : tuple of ast.Import and ast.ImportFrom
        At every depth, but for what type checkers alone read.
    """

    code: str
    imports: tuple[ast.Import | ast.ImportFrom, ...]


@cache
def read_source(file: Path) -> Source:
    """Read a file of Python once: its closure and its hash need the same tree."""
    return parse_source(file.read_bytes())


def parse_source(text: bytes) -> Source:
    """Return what Python does; of a module for another version that a package brings unused, its characters."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):  # ValueError: a null byte
        return Source(repr(text), ())
    written: list[str] = []
    _write(tree, written)
    return Source("".join(written), tuple(_imports_of(tree)))


def _imports_of(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        only_checked = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for block in ("orelse",) if only_checked else BLOCKS:
            waiting += getattr(node, block, ())


def _starts_with_docstring(body: list[ast.stmt]) -> bool:
    first = body[0] if body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


def _write(node: ast.AST, written: list[str]) -> None:
    """Write a syntax tree as text that does not depend on the version of Python, as that of `ast.dump` does.

    Every run reads some 160 modules in this way, so it is written for speed: one list of parts for all nodes.
    """
    kind = type(node)
    written.append(f"{kind.__name__}(")
    between = ""
    for name in kind._fields:
        if name in _NOT_WRITTEN:
            continue
        value = getattr(node, name)
        if name == "body" and kind in _WITH_DOCSTRING and _starts_with_docstring(value):
            value = value[1:]
        if value is None or value == []:
            continue
        written.append(f"{between}{name}=")
        between = ","
        if isinstance(value, list):
            _write_all(value, written)
        elif isinstance(value, ast.AST):
            _write(value, written)
        else:
            written.append(repr(value))
    written.append(")")


def _write_all(values: list[ast.AST], written: list[str]) -> None:
    between = "["
    for value in values:
        written.append(between)
        between = ","
        if isinstance(value, ast.AST):
            _write(value, written)
        else:  # names of a global statement, and the None of a dictionary that is unpacked
            written.append(repr(value))
    written.append("]")


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
    """Return tables and weights beside a module of ours; a module reads none but those of its own folder."""
    tables = file.parent.glob("*.toml") if file.name != "__init__.py" else ()
    return sorted([*tables, *file.parent.glob("*.safetensors")])

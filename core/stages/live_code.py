"""Hashes classes and functions that are in memory, as those of a notebook, which no file holds."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Iterator
from typing import Any

from eeg2speech_bench.core.stages.source_code import find_source

#: values of a class or module that are hashed as they are
_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def is_in_a_file(thing: type) -> bool:
    """Whether the source of a class is found by its module's name."""
    return thing.__module__ != "__main__" and find_source(thing.__module__.partition(".")[0]) is not None


def live_hash(thing: type | types.FunctionType) -> str:
    """Hash what a class or function does, with what it uses of its own module.

    The compiled code counts, so comments and docstrings do not; another version of Python compiles to another hash.
    """
    digest = hashlib.sha256()
    for part in _parts(thing, set()):
        digest.update(part.encode())
    return digest.hexdigest()[:16]


def _parts(thing: Any, seen: set[int]) -> Iterator[str]:
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, staticmethod | classmethod | property):
        for inner in (getattr(thing, name, None) for name in ("__func__", "fget", "fset")):
            yield from _parts(inner, seen)
    elif isinstance(thing, types.FunctionType):
        yield from _function(thing, seen)
    elif isinstance(thing, type):
        yield thing.__qualname__
        for base in thing.__bases__:
            if base.__module__ == thing.__module__:
                yield from _parts(base, seen)
        for name, value in sorted(vars(thing).items()):
            if not name.startswith("__") or name in ("__init__", "__call__"):
                yield f"{name}="
                yield from _parts(value, seen)
    elif isinstance(thing, _PLAIN):
        yield repr(thing)
    elif isinstance(thing, tuple | list | frozenset | set):
        for inner in sorted(thing, key=repr) if isinstance(thing, set | frozenset) else thing:
            yield from _parts(inner, seen)


def _function(function: types.FunctionType, seen: set[int]) -> Iterator[str]:
    yield from _code(function.__code__, function.__doc__, seen)
    for name in sorted(_names(function.__code__)):
        value = function.__globals__.get(name)
        if isinstance(value, _PLAIN) or getattr(value, "__module__", None) == function.__module__:
            yield f"{name}="
            yield from _parts(value, seen)
    for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
        yield from _parts(default, seen)


def _code(code: types.CodeType, doc: str | None, seen: set[int]) -> Iterator[str]:
    yield f"{code.co_code.hex()} {code.co_names} {code.co_varnames}"
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _code(constant, None, seen)
        elif constant != doc or doc is None:
            yield repr(constant)


def _names(code: types.CodeType) -> set[str]:
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*inner)

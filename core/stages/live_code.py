"""Hashes classes, functions and values that are in memory, as those of a notebook, which no file holds."""

from __future__ import annotations

import dis
import functools
import hashlib
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from eeg2speech_bench.core.stages.import_closure import code_behind, is_library
from eeg2speech_bench.core.stages.keys import library_versions
from eeg2speech_bench.core.stages.source_code import OURS, package_files, source_hash

#: values that are hashed as they are
_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...), range, slice)
#: constants, of which Python may keep one copy or several
_SHARED = (tuple, frozenset, types.CodeType)
#: names in the body of a class that say where it stands, or what it says of itself
_WORDS = {"__doc__", "__firstlineno__", "__module__", "__qualname__", "__static_attributes__"}


def is_in_a_file(thing: type) -> bool:
    """Whether a file that may change holds a class: one of ours or the user's, but of no library."""
    root = thing.__module__.partition(".")[0]
    return root == OURS or (root != "__main__" and not is_library(root) and bool(package_files(root)))


def live_hash(*things: Any) -> str:
    """Hash what classes and functions do, with all that they use, and what values are.

    The compiled code counts, so comments and docstrings do not; another version of Python compiles to another hash.
    Of what other files hold their source counts, and of libraries their version.

    Parameters
    ----------
    *things : object
        Classes, functions, plain values, arrays, tensors, and containers of these. Of other objects their attributes
        count.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for part in _Walk().parts(things):
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()[:16]


class _Walk:
    """Goes through things once each, in an order that does not depend on where they lie in memory."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, Any]] = {}  # the things too, so that no identity is given twice

    def parts(self, thing: Any) -> Iterator[str]:
        if isinstance(thing, _PLAIN):
            yield repr(thing)
        elif isinstance(thing, _SHARED):
            yield from self._inside(thing)
        elif id(thing) in self._seen:
            yield f"number {self._seen[id(thing)][0]} again"
        else:
            self._seen[id(thing)] = (len(self._seen), thing)
            yield type(thing).__name__
            yield from self._inside(thing)

    def _inside(self, thing: Any) -> Iterator[str]:
        if isinstance(thing, set | frozenset):
            yield from sorted(live_hash(one) for one in thing)
        elif isinstance(thing, tuple | list):
            yield from self._all(thing)
        elif isinstance(thing, Mapping):
            yield from self._named(thing)
        elif isinstance(thing, types.CodeType):
            yield from self._code(thing)
        elif isinstance(thing, types.ModuleType):
            yield from _elsewhere(thing.__name__)
        elif not _is_ours_to_read(thing):
            yield from _elsewhere(str(getattr(thing, "__module__", None) or type(thing).__module__))
            yield str(getattr(thing, "__qualname__", ""))
            yield from self._content(thing)
        elif isinstance(thing, types.FunctionType):
            yield from self._function(thing)
        elif isinstance(thing, type):
            yield from self._class(thing)
        else:
            yield from self.parts(type(thing))
            yield from self._content(thing)

    def _all(self, things: Iterable[Any]) -> Iterator[str]:
        for one in things:
            yield from self.parts(one)

    def _named(self, things: Mapping[Any, Any]) -> Iterator[str]:
        for name, value in things.items():
            yield from self.parts(name)
            yield from self.parts(value)

    def _content(self, thing: Any) -> Iterator[str]:
        """Yield what an object holds: the numbers of an array, else its attributes."""
        if isinstance(thing, staticmethod | classmethod | types.MethodType):
            yield from self.parts(thing.__func__)
        elif isinstance(thing, property):
            yield from self._all((thing.fget, thing.fset))
        elif isinstance(thing, functools.partial):
            yield from self._all((thing.func, thing.args, thing.keywords))
        elif hasattr(thing, "detach"):  # a tensor; numpy has no bfloat16, so its bytes are taken
            import torch

            held = thing.detach().cpu().contiguous()
            yield f"{held.dtype} {tuple(held.shape)} {thing.requires_grad}"
            yield hashlib.sha256(held.flatten().view(torch.uint8).numpy().tobytes()).hexdigest()
        elif hasattr(thing, "tobytes"):
            yield f"{getattr(thing, 'dtype', '')} {getattr(thing, 'shape', '')}"
            yield hashlib.sha256(thing.tobytes()).hexdigest()
        elif not hasattr(thing, "__dict__"):
            yield "" if " at 0x" in repr(thing) else repr(thing)
        elif not isinstance(thing, type | types.FunctionType):
            yield from self._named(vars(thing))

    def _class(self, thing: type) -> Iterator[str]:
        yield thing.__qualname__
        yield from self._all(thing.__bases__)
        for name, value in sorted(vars(thing).items()):
            if not name.startswith("__") or isinstance(value, types.FunctionType | staticmethod | classmethod):
                yield name
                yield from self.parts(value)

    def _function(self, function: types.FunctionType) -> Iterator[str]:
        yield from self._code(function.__code__)
        yield from self._all((function.__defaults__, function.__kwdefaults__))
        for name in sorted(_names(function.__code__) & function.__globals__.keys()):
            yield name
            yield from self.parts(function.__globals__[name])
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            yield name
            yield from self.parts(_held_by(cell))
        yield from self.parts(getattr(function, "__wrapped__", None))

    def _code(self, code: types.CodeType) -> Iterator[str]:
        yield f"{code.co_varnames} {code.co_argcount} {code.co_kwonlyargcount} {code.co_flags}"
        instructions = list(dis.get_instructions(code))
        for instruction, after in zip(instructions, [*instructions[1:], None], strict=True):
            yield instruction.opname
            if after is None or after.opname != "STORE_NAME" or after.argval not in _WORDS:
                yield from self.parts(instruction.argval)


def _is_ours_to_read(thing: Any) -> bool:
    """Whether a thing was made by the user, in a notebook or in a file that belongs to no distribution."""
    module = str(getattr(thing, "__module__", None) or type(thing).__module__)
    root = module.partition(".")[0]
    return root == "__main__" or not (root == OURS or is_library(root))


def _elsewhere(module: str) -> Iterator[str]:
    """Yield what decides the code of a module that is not read from memory: its source, or its library's version."""
    root = module.partition(".")[0]
    if root != OURS and is_library(root):
        yield from library_versions([root]).values()
    elif root == OURS or package_files(root):
        yield from (source_hash(name) for name in code_behind([module]).modules)


def _held_by(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # empty so far
        return None


def _names(code: types.CodeType) -> set[str]:
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*inner)

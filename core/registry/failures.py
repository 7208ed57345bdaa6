"""Describes plugins that are broken, slow or left out: why, where in their source, and what to type next."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass

#: characters of a plugin's text that are shown; some errors print whole configurations
SHOWN = 300


def plain(text: object) -> str:
    """Return text that a plugin provides as one line without control characters, cut to a readable length."""
    printable = "".join(c if c.isprintable() else " " for c in str(text))
    line = " ".join(printable.split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]} ..."


def reason_of(error: BaseException) -> str:
    """Return type and message of an error, even where its message cannot be had."""
    try:
        return plain(f"{type(error).__name__}: {error}").removesuffix(": ").removesuffix(":")
    except Exception:  # a plugin's error may fail to say what it is
        return type(error).__name__


def place_of(error: BaseException, module: str) -> str:
    """Return ``file:line`` of the innermost frame of an error inside a module's package; empty if there is none.

    A syntax error has no frame in the file that it is in; it names the file itself.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    package = module.partition(".")[0]
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] == package:
            place = f"{frame.f_code.co_filename}:{line}"
    return place or str(getattr(sys.modules.get(module), "__file__", None) or "")


def place_of_function(function: object) -> str:
    """Return ``file:line`` where a function is defined; empty for what has no Python source."""
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else ""


@dataclass(frozen=True)
class BrokenPlugin:
    """Describes a plugin, or one declaration of it, that cannot be used.

    Attributes
    ----------
    entry_point, distribution : str
    step : str
        ``import``, ``register``, or the hook that failed.
    reason : str
    file : str
        ``file:line`` of the innermost place in the plugin's own source; empty where it cannot be told.
    then : str
        What to type or change next.
    """

    entry_point: str
    distribution: str
    step: str
    reason: str
    file: str
    then: str


@dataclass(frozen=True)
class SlowPlugin:
    """Describes a plugin that works but takes long to load, with the slow step in seconds."""

    entry_point: str
    distribution: str
    step: str
    seconds: float
    then: str


@dataclass(frozen=True)
class SkippedPlugin:
    """Describes what was left out (``plugin`` or ``encoder``), and by what."""

    what: str
    name: str
    distribution: str
    reason: str

"""Checks a plugin's declaration before anything uses its fields."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import re
import sys
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from eeg2speech_bench.core import hookspecs
from eeg2speech_bench.core.registry.failures import plain
from eeg2speech_bench.core.specs import CommandSpec, MetricSpec, Spec

#: names are typed in shells, written into TOML and made into file names
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
TARGET = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
#: groups of encoders that ``run --encoder`` takes
RESERVED = {"all", "baselines"}
#: characters of a label, a note or a unit
MAX_WORDS = 300
#: no metric has values beyond it
MOST = 1e100


@cache
def declared_by(hook: str) -> type[Spec]:
    """Return the kind of declaration that a hook returns a list of."""
    (wanted,) = get_args(get_type_hints(getattr(hookspecs, hook))["return"])
    return wanted


def flaw_of(spec: object, wanted: type[Spec]) -> str:
    """Say what is wrong with a declaration, in harmless text; empty if nothing is."""
    if not isinstance(spec, wanted):
        return f"the list holds {plain(repr(spec))}, expected {wanted.__name__}"
    called = f"{wanted.kind} {plain(repr(spec.name))}"
    if not isinstance(spec.name, str) or not NAME.fullmatch(spec.name):
        return f"{called} has an impossible name, expected up to 64 letters, digits and . _ + -"
    if spec.name in RESERVED and wanted.kind == "encoder":
        return f"{called} has a name that stands for a group of encoders"
    flaw = _wrong_field(spec, wanted) or _wrong_target(spec) or _wrong_words(spec)
    return f"{called}: {flaw}" if flaw else ""


#: types of the fields of declarations, which take longer to work out than to check
_HINTS: dict[type[Spec], dict[str, Any]] = {}


def _wrong_field(spec: Spec, wanted: type[Spec]) -> str:
    if wanted not in _HINTS:
        _HINTS[wanted] = get_type_hints(wanted)
    hints = _HINTS[wanted]
    for field in dataclasses.fields(wanted):
        value = getattr(spec, field.name)
        if not _fits(value, hints[field.name]):
            return f"{field.name} is {plain(repr(value))}, expected {field.type}"
    return "" if spec.kind == wanted.kind else f"kind is {plain(repr(spec.kind))}, expected {wanted.kind!r}"


def _fits(value: object, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if origin in (Union, UnionType):
        return any(_fits(value, choice) for choice in inner)
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(v, inner[0]) for v in value)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(_fits(k, inner[0]) and _fits(v, inner[1]) for k, v in value.items())
    if hint in (int, float) and isinstance(value, bool):  # True is an int to Python, and a mistake here
        return False
    if hint is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, hint)


def _wrong_target(spec: Spec) -> str:
    targets = {"target": spec.target} | ({"configure": spec.configure} if isinstance(spec, CommandSpec) else {})
    for field, target in targets.items():
        if not TARGET.fullmatch(target):
            return f"{field} is {plain(repr(target))}, expected 'package.module:attribute'"
        module = target.partition(":")[0]
        if not _can_be_found(module):
            return f"{field} names module '{module}', which is not installed"
    return ""


def _wrong_words(spec: Spec) -> str:
    """Say what about a metric's words and range would make a record that nobody can read."""
    if not isinstance(spec, MetricSpec):
        return ""
    for field in ("label", "note", "unit"):
        text = getattr(spec, field)
        if len(text) > MAX_WORDS or not text.isprintable():
            return f"{field} is {plain(repr(text))}, expected at most {MAX_WORDS} printable characters"
    low, high = (limit if limit is not None else end for limit, end in ((spec.low, -MOST), (spec.high, MOST)))
    if not -MOST <= low < high <= MOST:
        return f"low is {spec.low} and high is {spec.high}, expected finite numbers with low < high"
    return ""


def _can_be_found(module: str) -> bool:
    """Look for a module without importing anything; True where that cannot be told."""
    parent = module.rpartition(".")[0]
    if module in sys.modules or (parent and parent not in sys.modules):
        return True
    return importlib.util.find_spec(module) is not None

"""Refuses what JSON allows and a record must not hold: repeated keys, infinity, and text that cannot be shown."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

# Control characters reach the terminal, surrogates break every file they are written to, and direction marks show a
# text as another one.
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
#: the ways in which ASCII JSON can spell any of these
_ESCAPED = re.compile(rb"\\([bfr]|[uU](00[01]|007[fF]|00[89]|[dD][89a-fA-F]|202[a-eA-E]|206[6-9]))")


def strict_json(content: bytes) -> Any:
    """Read JSON, refusing repeated keys and numbers that are not finite; a fast parser needs a third of the time.

    Raises
    ------
    ValueError, RecursionError
        If it is not JSON in UTF-8, holds NaN or infinity, or names a key twice.
    """
    text = content.decode("utf8")
    return json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_without_repeats)


def may_lose(content: bytes, compact: bytes) -> bool:
    """Whether a fast parser may have overlooked a repeated key or a number that is too large.

    Parameters
    ----------
    content, compact : bytes
        JSON as it was read, and what was understood, written again. Without spelt-out quotes, as many stand in both
        unless something was dropped.
    """
    dropped = content.count(b'"') != compact.count(b'"') or b"\\u0022" in content
    return dropped or b"Infinity" in compact or b"NaN" in compact


def unprintable(content: bytes) -> str:
    """Say where in some valid JSON of a record a text is that cannot be shown; empty if there is none."""
    plain = b"\x7f" not in content if content.isascii() else not _UNPRINTABLE.search(content.decode())
    if plain and not _ESCAPED.search(content):
        return ""
    for place, text in _texts(json.loads(content), ()):
        # a library may colour its error messages; they are nobody's name, and who shows them escapes them
        said_by_library = place[:2] in (("error", "message"), ("error", "traceback"))
        if (_SURROGATE if said_by_library else _UNPRINTABLE).search(text):
            return f"{'.'.join(place)!a}: {text!a:.80}"
    return ""


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):  # JSON has no name for infinity, but 1e999 reads as one
        raise ValueError(f"{text[:40]} is not finite")
    return value


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) < len(pairs):  # readers disagree on which one counts
        raise ValueError("a key is there twice")
    return tree


def _texts(value: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield every text of a tree, keys too, with the keys that lead to it."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield (*place, "key"), key
            yield from _texts(inner, (*place, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts(inner, (*place, str(number)))

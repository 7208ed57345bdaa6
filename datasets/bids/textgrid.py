"""Reads the intervals of Praat's TextGrid files, in the long and in the short format."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.bids.tables import read_text

#: Praat reads strings, numbers and <flags> that stand alone, and skips all else: the long format is the short one with
#: names between the values. ``!`` begins a comment.
_TOKENS = re.compile(r'"((?:[^"]|"")*)"|![^\n]*|<(\w+)>|(?<!\S)([+-]?[\d.]+(?:[eE][+-]?\d+)?)(?!\S)')


@dataclass(frozen=True)
class Interval:
    """A stretch of sound in seconds, and what a tier says of it."""

    start_s: float
    stop_s: float
    text: str


def read_textgrid(path: Path) -> dict[str, tuple[Interval, ...]]:
    """Read the interval tiers of a TextGrid by name; tiers of points are left out.

    Raises
    ------
    DataError
        If the file is no TextGrid in a text format, or ends too early.
    """
    text = read_text(path)
    tokens = _tokens(text)
    try:
        if not {"ooTextFile", "TextGrid"} <= {next(tokens), next(tokens)}:
            raise ValueError("another header")
        next(tokens), next(tokens)  # the span of the whole
        n_tiers = int(next(tokens)) if next(tokens) == "exists" else 0
        tiers = [_tier(tokens) for _ in range(n_tiers)]
    except (StopIteration, RuntimeError, ValueError) as error:
        raise DataError(
            f"{path} is no complete TextGrid",
            got=str(error) or "its end",
            expected="a text file as Praat saves it (long or short)",
            then="Save it again in Praat, as text.",
        ) from None
    return {name: intervals for name, intervals in tiers if intervals is not None}


def _tokens(text: str) -> Iterator[str]:
    for match in _TOKENS.finditer(text):
        if match[1] is not None:
            yield match[1].replace('""', '"')
        elif match[2] or match[3]:
            yield match[2] or match[3]


def _tier(tokens: Iterator[str]) -> tuple[str, tuple[Interval, ...] | None]:
    kind, name = next(tokens), next(tokens)
    next(tokens), next(tokens)  # the span of the tier
    n = int(next(tokens))
    if kind == "TextTier":
        for _ in range(n):
            next(tokens), next(tokens)
        return name, None
    if kind != "IntervalTier":
        raise ValueError(f"a tier of kind '{kind}'")
    return name, tuple([Interval(float(next(tokens)), float(next(tokens)), next(tokens)) for _ in range(n)])

"""Draws strips, sparklines and mosaics of characters, of which pictures in a terminal are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

#: rows of a picture in one line of a mosaic
PER_LINE = 2


@dataclass(frozen=True)
class GlyphSet:
    """The characters of one kind of terminal.

    Attributes
    ----------
    signal, control, both : str
        A score, the control beside it, and the two in one place.
    chance : str
        Where guesses fall.
    edge : str
        Either end of a strip.
    bars : str
        Lowest to highest, of a sparkline.
    shades : str
        Dark to bright, where there are no colours.
    half : str
        Upper half in the colour of the text, lower half in that of the background; empty where there is none.
    """

    signal: str
    control: str
    both: str
    chance: str
    edge: str
    bars: str
    shades: str
    half: str

    @classmethod
    def of(cls, console: Console) -> GlyphSet:
        """Return the marks that a console can write."""
        try:
            "".join(vars(BLOCKS).values()).encode(console.encoding)
        except UnicodeEncodeError:
            return ASCII
        return BLOCKS


BLOCKS = GlyphSet("●", "×", "⊗", "░", "│", "▁▂▃▄▅▆▇█", " ░▒▓█", "▀")
ASCII = GlyphSet("o", "x", "*", ":", "|", "_.-~=+#@", " .:*#", "")


class ColumnScale(NamedTuple):
    """Maps values from ``low`` to ``high`` to columns from 0 to ``width - 1``."""

    low: float
    high: float
    width: int

    def column(self, value: float) -> int:
        """Return the nearest column; what lies outside is put at the end."""
        share = (value - self.low) / ((self.high - self.low) or 1)
        return int(min(max(share, 0), 1) * (self.width - 1) + 0.5)


def strip(
    score: float, control: float | None, chance: tuple[float, float] | None, scale: ColumnScale, marks: GlyphSet
) -> str:
    """Return a score and its control on a line, over the band that guessing reaches.

    Examples
    --------
    >>> strip(0.7, 0.2, (0, 0.3), ColumnScale(0, 1, 11), ASCII)
    '::x:   o   '
    """
    cells = [" "] * scale.width
    if chance is not None:
        first, last = (scale.column(bound) for bound in chance)
        cells[first : last + 1] = marks.chance * (last + 1 - first)
    place = scale.column(score)
    cells[place] = marks.signal
    if control is not None:
        beside = scale.column(control)
        cells[beside] = marks.both if beside == place else marks.control
    return "".join(cells)


def sparkline(values: Sequence[float], width: int, marks: GlyphSet) -> str:
    """Return a bar per value from the lowest to the highest; more than ``width`` values become that many means.

    Examples
    --------
    >>> sparkline([4, 2, 1, 1.5], 10, BLOCKS)
    '█▃▁▂'
    """
    heights = np.array([part.mean() for part in np.array_split(np.asarray(values, float), min(width, len(values)))])
    scale = ColumnScale(float(heights.min()), float(heights.max()), len(marks.bars))
    return "".join(marks.bars[scale.column(height)] for height in heights)


def shrink(picture: np.ndarray, n_rows: int, n_columns: int) -> np.ndarray:
    """Return means over equal blocks of a picture, shape (n_rows, n_columns) or what it has if that is less."""
    for axis, n in enumerate((n_rows, n_columns)):
        n_own = picture.shape[axis]
        edges = np.linspace(0, n_own, min(n, n_own) + 1).astype(int)
        sizes = np.diff(edges).reshape((-1, 1) if axis == 0 else (1, -1))
        picture = np.add.reduceat(picture, edges[:-1], axis=axis) / sizes
    return picture


def mosaic(picture: np.ndarray, marks: GlyphSet, palette: Sequence[int] | None) -> list[Text]:
    """Return lines that show two rows of a picture each, as upper and lower half of a character.

    Parameters
    ----------
    picture : array of float, shape (n_rows, n_columns)
        From 0 (dark) to 1 (bright), the upper row first; ``n_rows`` is even.
    marks : GlyphSet
    palette : sequence of int, optional
        Red, green and blue (0 to 255) of evenly spaced levels, dark to bright; without it, or without half characters,
        a character is the shade of the mean of its two rows.
    """
    if palette is None or not marks.half:
        means = picture.reshape(-1, PER_LINE, picture.shape[1]).mean(axis=1)
        scale = ColumnScale(0, 1, len(marks.shades))
        return [Text("".join(marks.shades[scale.column(value)] for value in row)) for row in means]
    scale = ColumnScale(0, 1, len(palette) // 3)
    colours = [Color.from_rgb(*palette[i : i + 3]) for i in range(0, len(palette), 3)]
    levels = [[colours[scale.column(value)] for value in row] for row in picture]
    lines = zip(levels[::PER_LINE], levels[1::PER_LINE], strict=True)
    styles = ([Style.from_color(*pair) for pair in zip(*line, strict=True)] for line in lines)
    return [Text.assemble(*((marks.half, style) for style in line)) for line in styles]

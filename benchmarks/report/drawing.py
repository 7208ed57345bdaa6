"""Defines the style, colours and words that all pictures of a report share."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eeg2speech_bench.core.conditions import condition_label
from eeg2speech_bench.core.records.record import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 200
#: letters of a title that fit an inch
LETTERS_PER_INCH = 13
#: colours of Okabe and Ito (2008), which people of all kinds of colour vision tell apart; shapes say the same again
COLOURS = {
    "eeg": "#0072B2",
    "shift": "#D55E00",
    "phase": "#CC79A7",
    "shuffle": "#009E73",
    "mean": "#E69F00",
    "none": "#666666",
}
MARKERS = {"eeg": "o", "shift": "v", "phase": "^", "shuffle": "s", "mean": "D", "none": "X"}
CHANCE, BAND, INK = "#000000", "#DDDDDD", "#222222"
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that every machine draws the same
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "figure.titlesize": 10,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "text.parse_math": False,  # a dollar in somebody's name is a dollar
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


@contextmanager
def one_style() -> Iterator[None]:
    """Draw in the same style everywhere, whatever matplotlib is set to for the user.

    The user's settings are put back afterwards.
    """
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that the font does not have
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def new_figure(record: Record, what: str, size: tuple[float, float]) -> Figure:
    """Return an empty figure with a title, of ``size`` (width, height) in inches.

    No state of pyplot is touched.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    cell = record.cell
    origin = f"{cell.title} on {cell.dataset}, preset {cell.preset}, seed {cell.seed}"
    lines = [part for text in (what, origin) for part in textwrap.wrap(text, round(LETTERS_PER_INCH * size[0]))]
    figure.suptitle("\n".join(lines), x=0.01, ha="left")
    return figure


def format_score(value: float) -> str:
    """Return a score with two decimals and a true minus sign."""
    return f"{value:z.2f}".replace("-", "−")


def save_picture(figure: Figure, path: Path) -> None:
    """Write a PNG whose bytes are the same whenever the same libraries draw it."""
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})


def label(record: Record, condition: str) -> str:
    """Return what a condition is called."""
    return condition_label(condition, record.reads)

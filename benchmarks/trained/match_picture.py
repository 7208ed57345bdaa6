"""Draws how well candidate sounds go with the EEG over time, beside the band of guessing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

DOTS_PER_INCH = 150
#: candidates that have a row of their own; the others are in the table
MOST_ROWS = 8


def draw_matches(path: Path, table: pd.DataFrame, names: Sequence[str]) -> None:
    """Draw one row per candidate: its smoothed match, and the band that wrong times of the same sound give.

    Parameters
    ----------
    path : Path
    table : DataFrame
        What `listening.listen` returned.
    names : sequence of str
        Candidates, best first.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = list(names)[:MOST_ROWS]
    figure = Figure(figsize=(10, 0.8 + 1.3 * len(shown)), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(len(shown), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, name in zip(rows, shown, strict=True):
        own = table[table["candidate"] == name]
        axes.fill_between(own["start_s"], own["low"], own["high"], color="0.87", label="guessing (wrong times)")
        axes.plot(own["start_s"], own["smoothed"], color="#0072B2", lw=1.5, label="match with the recording")
        if "heard" in own:
            true = own[own["heard"] == name]
            axes.scatter(true["start_s"], [0.0] * len(true), marker="|", color="#D55E00", label="it was heard")
        axes.set_title(name, loc="left", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    handles = rows[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper right", fontsize=8, frameon=False, ncols=3)
    rows[-1].set_xlabel("time in the recording, s")
    figure.supylabel("match, standard deviations", fontsize=9)
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})

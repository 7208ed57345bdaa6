"""Draws how every candidate was ranked for every test window, averaged over listeners."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from eeg2speech_bench.benchmarks.report.drawing import INK, label, new_figure
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.statistics.spacing import evenly_spaced

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: more windows than this are thinned evenly, or the diagonal would be finer than a dot of the picture
MAX_WINDOWS = 200


def draw_matrix(record: Record, embedded: Path) -> Figure:
    """Draw the matrices of the signal, of its hardest control, and of the true audio.

    Parameters
    ----------
    record : Record
    embedded : Path
        Folder of a finished ``embed`` stage.
    """
    hardest = record.verdict["top1"].hardest_control if "top1" in record.verdict else "shift"
    conditions = {"eeg": "", hardest: "hardest control: ", "audio": ""}
    true = pd.read_parquet(embedded / "segments.parquet")["true"].to_numpy()
    figure = new_figure(record, "Retrieval of the true window among all test windows", (9.2, 3.7))
    figure.set_layout_engine("compressed")  # keeps squares together
    row = figure.subplots(1, len(conditions), sharex=True, sharey=True)
    for axes, (name, note) in zip(row, conditions.items(), strict=True):
        scores = np.load(embedded / f"scores_{name}.npy", mmap_mode="r")
        n_pool = scores.shape[1]
        places, ranks = mean_ranks(scores, true)
        image = axes.imshow(
            100 * ranks, cmap="viridis_r", vmin=0, vmax=100, interpolation="nearest", extent=_extent(len(places))
        )
        axes.set_title(note + label(record, name))
        axes.set_xlabel("test window")
        axes.spines[:].set(visible=True, color=INK)
    thinned = f", {len(places)} of {n_pool} shown" if len(places) < n_pool else ""
    row[0].set_ylabel(f"candidate window{thinned}")
    bar = figure.colorbar(image, ax=row, shrink=0.85, pad=0.015)
    bar.set_label(f"mean rank over listeners, % of {n_pool}\n(0: best, 50: guessing)")
    bar.ax.invert_yaxis()  # the best on top
    return figure


def mean_ranks(scores: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rank all candidates for each segment, and average over the segments of each window.

    Parameters
    ----------
    scores : array of float, shape (n, n_pool)
        Higher is more alike.
    true : array of int, shape (n,)
        Column of each segment's own window.

    Returns
    -------
    places : array of int, shape (m,)
        Columns that are shown: all that are somebody's window, or `MAX_WINDOWS` of them, evenly spaced.
    ranks : array of float, shape (m, m)
        Share of the pool that stands before candidate i for window j: 0 is best, 1 worst, ties in the middle.
    """
    places = np.unique(true)
    places = places[evenly_spaced(len(places), MAX_WINDOWS)]
    ranks = np.empty((len(places), len(places)))
    for column, place in enumerate(places):
        own = rankdata(-np.asarray(scores[true == place], dtype=np.float64), axis=1) - 1
        ranks[:, column] = own[:, places].mean(axis=0) / max(scores.shape[1] - 1, 1)
    return places, ranks


def _extent(n: int) -> tuple[float, float, float, float]:
    return 0.5, n + 0.5, n + 0.5, 0.5

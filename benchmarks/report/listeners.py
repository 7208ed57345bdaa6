"""Draws every listener's headline scores beside chance and the controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from eeg2speech_bench.benchmarks.report.drawing import BAND, CHANCE, COLOURS, MARKERS, label, new_figure
from eeg2speech_bench.core.conditions import CONTROLS
from eeg2speech_bench.core.records.metrics import Metric
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.statistics.proportions import guessing_band

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CONFIDENCE = 0.95
#: share of a listener's place on the axis over which the controls are spread
SPREAD = 0.6
TITLES = {"top1": "retrieval: true window\nranked first", "identification": "generated speech:\ntrue clip identified"}


def draw_listeners(record: Record, values: pd.DataFrame) -> Figure:
    """Draw every listener's headline scores, and their means, under the signal and all controls.

    Parameters
    ----------
    record : Record
    values : DataFrame
        The cell's ``segments.parquet``.
    """
    width = float(np.clip(4.2 + 0.42 * (record.dataset.n_subjects or 1), 7, 16))
    figure = new_figure(record, "Scores of every listener", (width, 1.2 + 2.6 * len(record.verdict)))
    ratios = {"width_ratios": [width - 3, 1.9]}
    grid = figure.subplots(len(record.verdict), 2, sharex="col", sharey="row", squeeze=False, gridspec_kw=ratios)
    for (left, right), name in zip(grid, record.verdict, strict=True):
        entries = [record.metric(name, condition) for condition in ("eeg", *CONTROLS)]
        shown = [entry for entry in entries if entry]
        _draw_listeners(left, record, shown)
        _draw_means(right, shown)
        own = values[(values["metric"] == name) & (values["condition"] == "eeg")]
        _draw_chance(left, right, shown[0], own)
        left.set_ylabel(TITLES.get(name, name))
        left.set_title(_ceiling(record, name), loc="left", fontsize=8)
        left.use_sticky_edges = right.use_sticky_edges = False  # a marker at 0 is seen whole
    grid[0, 1].set_title(f"all, {shown[0].confidence:.0%} interval", fontsize=8)
    grid[-1, 0].set_xlabel("listener")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower left", ncols=3)
    return figure


def _draw_chance(left: Axes, right: Axes, entry: Metric, own: pd.DataFrame) -> None:
    """Draw chance, and where a hit among the pool is what is counted, the band of as many guesses as a listener has."""
    chance = entry.chance
    if chance is None:
        return
    for axes in (left, right):
        axes.axhline(chance, color=CHANCE, linestyle="--", linewidth=1, label="chance")
    if entry.chance_band:
        right.axhspan(*entry.chance_band, color=BAND, zorder=0)
    if not np.isclose(chance * entry.n_pool, 1):
        return
    # two presentations of one window to a listener are no two guesses of an encoder that ignores the EEG
    n_windows = own.drop_duplicates(["subject", "stimulus", "start_s"]).groupby("subject").size()
    bands = [guessing_band(int(n_windows[listener]), chance, CONFIDENCE) for listener in entry.per_subject]
    low, high = np.array(bands).T
    said = f"{CONFIDENCE:.0%} band of guessing"
    left.bar(range(len(low)), high - low, bottom=low, width=0.9, color=BAND, zorder=0, label=said)


def _draw_listeners(axes: Axes, record: Record, entries: list[Metric]) -> None:
    listeners = list(entries[0].per_subject)
    places = np.arange(len(listeners))
    shifts = np.linspace(-SPREAD / 2, SPREAD / 2, max(len(entries) - 1, 1))
    for entry, shift in zip(entries, [0.0, *shifts], strict=False):
        condition = entry.condition
        size = 42 if condition == "eeg" else 18
        axes.scatter(
            places + shift,
            [entry.per_subject[listener] for listener in listeners],
            s=size,
            marker=MARKERS[condition],
            color=COLOURS[condition],
            linewidths=0,
            label=label(record, condition),
            zorder=3 if condition == "eeg" else 2,
        )
    every = -(-len(listeners) // 40)  # labels that do not fit are left out evenly
    turned = 90 if max(map(len, listeners)) * len(listeners) / every > 70 else 0
    axes.set_xticks(places[::every], listeners[::every], rotation=turned)
    axes.set_xlim(-0.6, len(listeners) - 0.4)


def _draw_means(axes: Axes, entries: list[Metric]) -> None:
    for place, entry in enumerate(entries):
        condition, value = entry.condition, entry.value
        reach = [[max(value - entry.low, 0)], [max(entry.high - value, 0)]]
        axes.errorbar(
            place,
            value,
            reach,
            marker=MARKERS[condition],
            color=COLOURS[condition],
            markersize=6 if condition == "eeg" else 4.5,
            capsize=2,
            linewidth=1.2,
        )
    axes.set_xticks([])
    axes.set_xlim(-0.6, len(entries) - 0.4)


def _ceiling(record: Record, metric: str) -> str:
    entry = record.metric(metric, "audio")
    return f"ceiling, true audio embedding: {entry.value:.2f}" if entry else ""

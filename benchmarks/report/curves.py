"""Draws the learning curves of all stages that are trained by steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.benchmarks.report.drawing import CHANCE, COLOURS, new_figure
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.training import Training

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STAGES = {"align": "alignment", "autoencoder": "autoencoder", "diffuse": "denoiser"}
QUANTITIES = {"train_loss": "training loss", "valid_mrr": "validation MRR"}
#: keys of a history that say when and not how well
TIMES = ("step", "epoch")


def draw_learning(record: Record) -> Figure | None:
    """Draw one panel per quantity that a stage noted while it learnt; None if no stage did."""
    curves = [
        (stage, trained, quantity)
        for stage, trained in record.training.items()
        for quantity in (trained.history or [{}])[0]
        if quantity not in TIMES
    ]
    if not curves:
        return None
    figure = new_figure(record, "Learning curves", (max(3.1 * len(curves), 5), 3.1))
    row = figure.subplots(1, len(curves), squeeze=False)[0]
    for axes, (stage, trained, quantity) in zip(row, curves, strict=True):
        _draw_curve(axes, trained, quantity)
        axes.set_title(STAGES.get(stage, stage))
        axes.set_ylabel(QUANTITIES.get(quantity, quantity))
        axes.set_xlabel("optimiser step")
    return figure


def _draw_curve(axes: Axes, trained: Training, quantity: str) -> None:
    history, chosen = trained.history, trained.chosen
    steps = [entry["step"] for entry in history]
    dots = "o" if len(steps) <= 30 else ""
    axes.plot(steps, [entry[quantity] for entry in history], color=COLOURS["eeg"], marker=dots, markersize=4)
    if not chosen:
        return
    kept = next(entry["step"] for entry in history if entry["epoch"] == chosen["epoch"])
    axes.axvline(kept, color=COLOURS["shift"], linestyle=":", label=f"kept (epoch {chosen['epoch'] + 1})")
    if quantity == "valid_mrr":
        n = chosen["n_valid_windows"]
        guess = float(np.mean(1 / np.arange(1, n + 1)))  # the expectation of 1 / rank
        axes.axhline(guess, color=CHANCE, linestyle="--", linewidth=1, label=f"chance, {n} windows")
        axes.set_ylim(bottom=0)
    axes.legend()

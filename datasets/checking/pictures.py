"""Draws a recording as it was found: the size of its channels over time, what was heard, and whether EEG follows it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.datasets.checking.channel_scale import PIECE_S
from eeg2speech_bench.datasets.checking.report import Alignment, CheckedRecording

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from eeg2speech_bench.datasets.checking.check_dataset import Checked

DOTS_PER_INCH = 120
SIZE_INCH = (9.0, 5.5)
#: colours of Okabe and Ito (2008), which people of all kinds of colour vision tell apart
HEARD, CUT, CURVE, BAND = "#009E73", "#D55E00", "#0072B2", "#DDDDDD"
#: times the median size of a channel at which the colours end
SCALE_RANGE = (1 / 8, 8.0)


def draw_recording(about: CheckedRecording, checked: Checked, path: Path) -> None:
    """Draw a recording to a PNG file: channels over time, presentations and cuts, and the curve of lags."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_INCH, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    strip, bar, lags = figure.subplots(3, 1, height_ratios=(5, 1, 4))
    figure.suptitle(about.recording, parse_math=False)
    seconds = 3600 * about.hours if about.hours else 1.0
    _draw_scale(strip, checked.scales.get(about.recording), about.channels, seconds)
    heard = checked.recordings[about.recording].presentations
    bar.broken_barh([(p.onset_s, p.recorded_s) for p in heard], (0, 1), color=HEARD, edgecolor="white")
    for time_s in about.cuts_s:
        bar.axvline(time_s, color=CUT)
    bar.set(xlim=(0, seconds), yticks=[], xlabel="seconds of the recording; green: a sound is heard, red: a cut")
    _draw_lags(lags, about.alignment)
    figure.savefig(path)


def _draw_scale(axes: Axes, scale: np.ndarray | None, names: list[str], seconds: float) -> None:
    axes.set_ylabel("channel")
    if scale is None:
        axes.text(0.5, 0.5, "not read: see the findings", ha="center", transform=axes.transAxes)
        return
    usual = np.maximum(np.median(scale, axis=0), 1e-12)
    low, high = np.log2(SCALE_RANGE)
    size = np.log2(np.maximum(scale, 1e-12) / np.median(usual)).T
    picture = axes.imshow(size, aspect="auto", extent=(0, seconds, len(names), 0), cmap="coolwarm", vmin=low, vmax=high)
    step = max(1, len(names) // 12)
    axes.set_yticks(np.arange(0, len(names), step) + 0.5, names[::step], fontsize=6)
    axes.set_title(f"Inter-quartile range in {PIECE_S:g} s, over that of the median channel (log2)", fontsize=9)
    axes.figure.colorbar(picture, ax=axes)


def _draw_lags(axes: Axes, said: Alignment | None) -> None:
    axes.set(xlabel="lag of the recording behind the tables (s)", ylabel="correlation")
    if said is None:
        axes.text(0.5, 0.5, "too short, or not read: nothing to see", ha="center", transform=axes.transAxes)
        return
    axes.axhspan(-said.null_high, said.null_high, color=BAND, label="95 % of wrong sounds stay within, at all lags")
    axes.plot(
        said.lags_s, said.curve, color=CURVE, label=f"{said.outcome}: {1e3 * said.lag_s:+.0f} ms, r = {said.r:.2f}"
    )
    axes.axvline(0, color="black", linewidth=0.5)
    axes.legend(loc="upper right", fontsize=7)

"""Draws mel spectrograms of a few test clips under every condition."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from eeg2speech_bench.benchmarks.report.drawing import COLOURS, format_score, label, new_figure
from eeg2speech_bench.benchmarks.stages.ceilings import CEILINGS
from eeg2speech_bench.core.conditions import embedded_conditions
from eeg2speech_bench.core.generator.mel import N_FFT, SAMPLE_RATE_HZ, MelSpectrogram
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.statistics.spacing import evenly_spaced

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

N_CLIPS = 4
#: decibels between the darkest and the brightest colour
RANGE_DB = 70.0
#: a natural logarithm of amplitude in decibels
DB_PER_NEPER = 20 / np.log(10)
TICKS_KHZ = (0.5, 2, 6)
#: the metric that is written into each picture
METRIC = "mel_correlation"
MAX_NAME = 26
#: characters of a line beside a picture
LABEL_WIDTH = 20
#: from the start of one clip to that of its neighbour, in clips
STEP = 1.06


@dataclass(frozen=True)
class ShownClip:
    """Names a clip of the test set and where it is from.

    ``stimulus`` is the number of its stimulus, and ``name`` what that file is called.
    """

    number: int
    subject: str
    stimulus: int
    name: str
    start_s: float
    length_s: float

    @property
    def title(self) -> str:
        """Return the three lines above its column."""
        name = self.name if len(self.name) <= MAX_NAME else f"{self.name[: MAX_NAME - 1]}…"
        place = f"{self.start_s:.1f}–{self.start_s + self.length_s:.1f} s"
        return f"clip {self.number}, listener {self.subject}\n{name}\n{place}"


def draw_mels(
    record: Record, prepared: Path, embedded: Path, generated: Path, ceilings: Path, values: pd.DataFrame
) -> Figure:
    """Draw one row per condition and one column per clip, all in the same colours.

    Parameters
    ----------
    record : Record
    prepared, embedded, generated, ceilings : Path
        Folders of finished stages.
    values : DataFrame
        The cell's ``segments.parquet``.
    """
    items = choose_shown_clips(SegmentStore(prepared, record.settings.data.held_out_listeners), embedded)
    sources = {"reference": ceilings, **dict.fromkeys(embedded_conditions(record.encoder.modality), generated)}
    sources |= dict.fromkeys(reversed(CEILINGS), ceilings)
    levels = {name: _levels_db(folder / f"{name}.npy", items) for name, folder in sources.items()}
    what = "Mel spectrograms of evenly spaced test clips; r: correlation with true speech over time, mean over bands"
    figure = new_figure(record, what, (8.6, 1.2 + 0.76 * len(levels)))
    rows = figure.subplots(len(levels), 1, sharex=True, sharey=True)
    brightest = float(levels["reference"].max())
    for axes, (name, pictures) in zip(rows, levels.items(), strict=True):
        for place, (item, picture) in enumerate(zip(items, pictures, strict=True)):
            image = _draw_one(axes, picture - brightest, place, item)
            _write_metric(axes, values, name, place, item)
        axes.set_ylabel(textwrap.fill(label(record, name), LABEL_WIDTH), rotation=0, ha="right", va="center")
        if name == "eeg":
            axes.yaxis.label.set(color=COLOURS["eeg"], weight="bold")
    _name_axes(rows, items)
    bar = figure.colorbar(image, ax=rows, shrink=0.3, aspect=25, pad=0.01)
    bar.set_label("mel level, dB below the loudest of true speech")
    return figure


def choose_shown_clips(store: SegmentStore, embedded: Path) -> list[ShownClip]:
    """Choose evenly spaced clips of the test set, the same for every encoder and seed."""
    table = pd.read_parquet(embedded / "segments.parquet")
    clips = table[table["clip"] >= 0].sort_values("clip")
    numbers = evenly_spaced(len(clips), N_CLIPS)
    windows = store.windows.iloc[clips["window"].to_numpy()[numbers]]
    items = []
    subjects = clips["subject"].to_numpy()[numbers]
    for clip, subject, window in zip(numbers, subjects, windows.to_dict("records"), strict=True):
        stimulus, start_s = int(window["stimulus"]), float(window["start_s"])
        name = Path(store.meta.stimuli[stimulus].name).stem
        items.append(ShownClip(int(clip), store.meta.subjects[subject], stimulus, name, start_s, store.window_s))
    return items


def _levels_db(path: Path, items: list[ShownClip]) -> np.ndarray:
    """Return the log-mel level of what the vocoder made of each item, (n_items, 64, n_frames), low bands first."""
    samples = np.load(path, mmap_mode="r")[[item.number for item in items]].astype(np.float32) / 32767
    mel: np.ndarray = MelSpectrogram()(torch.from_numpy(samples)).numpy()
    return DB_PER_NEPER * mel.transpose(0, 2, 1)


def _draw_one(axes: Axes, level_db: np.ndarray, place: int, item: ShownClip) -> AxesImage:
    """Draw one item in its place along the row; one pair of axes per item would take four times as long."""
    start = place * STEP * item.length_s
    image = axes.imshow(
        level_db,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=-RANGE_DB,
        vmax=0,
        extent=(start, start + item.length_s, -0.5, len(level_db) - 0.5),
        interpolation="nearest",
    )
    axes.set_xlim(0, start + item.length_s)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=2, labelsize=6)
    return image


def _name_axes(rows: np.ndarray, items: list[ShownClip]) -> None:
    """Write what each item is above its column, seconds of each clip below, and frequencies beside the first row."""
    length_s = items[0].length_s
    seconds = np.arange(np.floor(length_s) + 1)
    starts = np.arange(len(items)) * STEP * length_s
    for start, item in zip(starts, items, strict=True):
        middle = start + length_s / 2
        rows[0].text(middle, 1.06, item.title, transform=rows[0].get_xaxis_transform(), ha="center", fontsize=8)
    rows[-1].set_xticks((starts[:, None] + seconds).ravel(), [f"{s:g}" for s in seconds] * len(items))
    rows[-1].set_xlabel("time in the clip, s")
    rows[0].set_yticks(_bands(TICKS_KHZ), [f"{khz:g} kHz" for khz in TICKS_KHZ])


def _write_metric(axes: Axes, values: pd.DataFrame, condition: str, place: int, item: ShownClip) -> None:
    from matplotlib.patheffects import withStroke

    own = values[
        (values["metric"] == METRIC)
        & (values["condition"] == condition)
        & (values["subject"] == item.subject)
        & (values["stimulus"] == item.stimulus)
        & np.isclose(values["start_s"].to_numpy(), item.start_s)
    ]
    end = (place * STEP + 0.985) * item.length_s
    along_x = axes.get_xaxis_transform()
    for value in own["value"]:
        text = axes.text(end, 0.93, f"r = {format_score(value)}", transform=along_x, ha="right", va="top")
        text.set(fontsize=7, color="white", path_effects=[withStroke(linewidth=2, foreground="black")])


def _bands(khz: tuple[float, ...]) -> np.ndarray:
    """Return the mel bands, as fractional numbers, whose filters are centred on frequencies."""
    centres = MelSpectrogram().filters.argmax(0).numpy() * SAMPLE_RATE_HZ / N_FFT / 1000
    return np.interp(khz, centres, np.arange(len(centres)))

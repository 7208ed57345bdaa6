"""Draws the spectrograms of what was spoken, the EEG's beside those of its controls."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile
import torch

from eeg2speech_bench.core.generator.mel import FRAME_RATE_HZ, N_FFT, SAMPLE_RATE_HZ, MelSpectrogram
from eeg2speech_bench.core.terminal.progress import Progress

#: seconds of sound in one picture
PAGE_S = 60.0
#: decibels between the darkest and the brightest colour, and in a natural logarithm of amplitude
RANGE_DB, DB_PER_NEPER = 70.0, 20 / np.log(10)
DOTS_PER_INCH = 150
LABEL_WIDTH = 18


def draw_speech(out: Path, sounds: Mapping[str, Path], start_s: float, progress: Progress) -> list[str]:
    """Draw pictures of a minute each, one row per condition, all in the same colours.

    Parameters
    ----------
    out : Path
    sounds : mapping of str to Path
        Wavs of equal length by what they are called, that of the signal first.
    start_s : float
        Time of the recording at which they begin.
    progress : Progress

    Returns
    -------
    list of str
        Names of the pictures.
    """
    n_samples = min(soundfile.info(path).frames for path in sounds.values())
    n_page = round(PAGE_S * SAMPLE_RATE_HZ)
    names = []
    for number, first in enumerate(range(0, max(n_samples - N_FFT, 1), n_page)):
        stop = min(first + n_page, n_samples)
        levels = {name: _levels_db(path, first, stop) for name, path in sounds.items()}
        names.append(f"mels_{number:04d}.png")
        _draw_page(out / names[-1], levels, start_s + first / SAMPLE_RATE_HZ)
        progress(f"{stop / SAMPLE_RATE_HZ:.0f} s", stop / n_samples)
    return names


def _levels_db(path: Path, first: int, stop: int) -> np.ndarray:
    """Return the mel level of a stretch of sound, (64, n_frames), low bands first."""
    samples, _ = soundfile.read(path, start=first, stop=stop, dtype="float32")
    mel: np.ndarray = MelSpectrogram()(torch.from_numpy(samples)[None])[0].numpy()
    return DB_PER_NEPER * mel.T


def _draw_page(path: Path, levels: Mapping[str, np.ndarray], start_s: float) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 0.7 + 1.2 * len(levels)), layout="constrained")
    FigureCanvasAgg(figure)
    rows = np.atleast_1d(figure.subplots(len(levels), 1, sharex=True, sharey=True))
    brightest = max(float(level.max()) for level in levels.values())
    for axes, (name, level) in zip(rows, levels.items(), strict=True):
        extent = (start_s, start_s + level.shape[1] / FRAME_RATE_HZ, 0, len(level))
        image = axes.imshow(
            level - brightest, origin="lower", aspect="auto", cmap="magma", vmin=-RANGE_DB, vmax=0, extent=extent
        )
        weight = "bold" if axes is rows[0] else "normal"
        axes.set_ylabel(textwrap.fill(name, LABEL_WIDTH), rotation=0, ha="right", va="center", weight=weight)
        axes.set_yticks([])
    rows[-1].set_xlabel("time in the recording, s")
    figure.colorbar(image, ax=list(rows), shrink=0.5, pad=0.01).set_label("mel level, dB")
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})

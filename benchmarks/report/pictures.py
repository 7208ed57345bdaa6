"""Draws the folder of pictures beside a record."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from eeg2speech_bench.benchmarks.report.drawing import one_style, save_picture
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.stages.atomic_folder import atomic_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class StageFolders:
    """Names the folders of finished stages that pictures are drawn from.

    The last two are None where no speech was generated.
    """

    prepared: Path
    embedded: Path
    scored: Path
    generated: Path | None = None
    ceilings: Path | None = None


def draw_report(out: Path, record: Record, sources: StageFolders) -> None:
    """Draw the pictures of a cell into a folder that is there whole or not at all.

    ``mels.png`` (if speech was generated), ``retrieval.png``, ``subjects.png`` and ``learning.png`` (unless all was
    fitted in closed form).

    Parameters
    ----------
    out : Path
        The folder; one that is there is replaced.
    record : Record
        With its metrics, verdict and training.
    sources : StageFolders
    """
    from eeg2speech_bench.benchmarks.report.curves import draw_learning
    from eeg2speech_bench.benchmarks.report.listeners import draw_listeners
    from eeg2speech_bench.benchmarks.report.matrix import draw_matrix

    values = pd.read_parquet(sources.scored / "segments.parquet")
    drawings: dict[str, Callable[[], Figure | None]] = {
        "mels": lambda: _mels(record, sources, values),
        "retrieval": lambda: draw_matrix(record, sources.embedded),
        "subjects": lambda: draw_listeners(record, values),
        "learning": lambda: draw_learning(record),
    }
    shutil.rmtree(out, ignore_errors=True)  # an earlier attempt drew other numbers
    with atomic_folder(out) as folder, one_style():
        for name, draw in drawings.items():
            figure = draw()
            if figure is not None:
                save_picture(figure, folder / f"{name}.png")


def _mels(record: Record, sources: StageFolders, values: pd.DataFrame) -> Figure | None:
    from eeg2speech_bench.benchmarks.report.spectrograms import draw_mels

    if sources.generated is None or sources.ceilings is None:
        return None
    return draw_mels(record, sources.prepared, sources.embedded, sources.generated, sources.ceilings, values)

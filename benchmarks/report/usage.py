"""Writes and draws what a cell used of the machine from second to second."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

from eeg2speech_bench.benchmarks.report.drawing import BAND, COLOURS, new_figure, one_style, save_picture
from eeg2speech_bench.core.machine.monitor import Usage
from eeg2speech_bench.core.records.record import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: quantities of a panel: what it is called, where it is, and by what it is divided
PANELS = (
    ("memory_mb", "memory, GB", 1000.0),
    ("cores", "cores", 1.0),
    ("gpu_share", "GPU, %", 0.01),
    ("gpu_memory_mb", "GPU memory, GB", 1000.0),
    ("written_mb", "written, MB/s", 1.0),
)


def write_usage(out: Path, record: Record, usages: Mapping[str, Sequence[Usage]]) -> None:
    """Write ``usage.csv``, and ``usage.png`` unless every stage was found in the cache.

    Parameters
    ----------
    out : Path
        A folder.
    record : Record
        Of the cell.
    usages : mapping of str to sequence of Usage
        By stage, in the order in which they ran.
    """
    moments = [(stage, usage) for stage, of_stage in usages.items() for usage in of_stage]
    with (out / "usage.csv").open("w", newline="", encoding="utf8") as file:
        writer = csv.DictWriter(file, ["stage", *(one.name for one in fields(Usage))], lineterminator="\n")
        writer.writeheader()
        first_s = moments[0][1].at_s if moments else 0.0
        for stage, usage in moments:
            seen = asdict(usage) | {"at_s": usage.at_s - first_s}
            rounded = {name: round(value, 3) for name, value in seen.items() if value is not None}
            writer.writerow({"stage": stage} | rounded)
    if moments:
        with one_style():
            save_picture(_draw(record, moments), out / "usage.png")


def _draw(record: Record, moments: Sequence[tuple[str, Usage]]) -> Figure:
    shown = [panel for panel in PANELS if getattr(moments[-1][1], panel[0]) is not None]
    figure = new_figure(record, "What the cell used of the machine", (8, 1 + 1.3 * len(shown)))
    rows = figure.subplots(len(shown), 1, squeeze=False, sharex=True)[:, 0]
    times = [usage.at_s - moments[0][1].at_s for _, usage in moments]
    stages = list(dict.fromkeys(stage for stage, _ in moments))
    for axes, (quantity, name, unit) in zip(rows, shown, strict=True):
        axes.plot(times, [(getattr(usage, quantity) or 0.0) / unit for _, usage in moments], color=COLOURS["eeg"])
        axes.set_ylabel(name)
        axes.set_ylim(bottom=0)
        for place, stage in enumerate(stages):
            own = [time for time, (of, _) in zip(times, moments, strict=True) if of == stage]
            if place % 2:
                axes.axvspan(own[0], own[-1], color=BAND, linewidth=0, zorder=0)
            if axes is rows[0]:
                axes.text(own[0], 1.02, stage, transform=axes.get_xaxis_transform(), rotation=30, fontsize=7)
    rows[-1].set_xlabel("seconds")
    return figure

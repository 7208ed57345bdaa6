"""Says by numbers where the chain from EEG to speech loses what is said, from the records of cells.

Make records with ``eeg2speech-bench run --set scores.extended=true --set scores.models.whisper=FOLDER --set
sampling.n_clips=100``, then run ``python -m eeg2speech_bench.benchmarks.pretraining.links RECORD [RECORD ...]``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from eeg2speech_bench.core.conditions import CONDITIONS, Kind

#: metrics of the columns
COLUMNS = ("wer", "estoi", "pesq", "distillmos")
#: from true speech down the chain to what knows nothing of it
ORDER: tuple[Kind, ...] = ("reference", "ceiling", "signal", "control")


class Measured(Protocol):
    """A value that was measured."""

    @property
    def value(self) -> float:
        """Return the value."""


class Scored(Protocol):
    """What has metrics under conditions, as a record does."""

    def metric(self, name: str, condition: str = "eeg") -> Measured | None:
        """Return a metric under a condition, None if it was not measured."""


def links_table(cells: Mapping[str, Scored], columns: Sequence[str] = COLUMNS) -> str:
    """Write a Markdown table with a row per link of the chain and a column per metric and cell.

    Parameters
    ----------
    cells : mapping of str to Record
        By what columns call them, such as "before" and "after".
    columns : sequence of str
        Names of metrics. What was not measured is ``-``.
    """
    heads = [f"{metric}, {cell}" if len(cells) > 1 else metric for metric in columns for cell in cells]
    rows = [["link", *heads], ["---"] * (len(heads) + 1)]
    for link in sorted(CONDITIONS, key=lambda c: (ORDER.index(c.kind), -CONDITIONS.index(c) * (c.kind == "ceiling"))):
        found = [cell.metric(metric, link.name) for metric in columns for cell in cells.values()]
        if any(found):
            rows.append([link.label_for(), *("-" if m is None else f"{m.value:.2f}" for m in found)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(arguments: list[str] | None = None) -> None:
    """Print the table of some records."""
    from eeg2speech_bench.core.records.record import Record

    parser = argparse.ArgumentParser(prog="links", description=__doc__.partition("\n")[0])
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD")
    paths = parser.parse_args(arguments).records
    print(links_table({path.stem: Record.read(path) for path in paths}))


if __name__ == "__main__":
    main()

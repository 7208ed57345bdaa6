"""Counts what a board covers: on which data sets every encoder was run, with how many seeds, and how far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class CoveredCell(NamedTuple):
    """A cell as coverage counts it: encoder, data set and seed, whether it has scores, whether it generated speech."""

    encoder: str
    dataset: str
    seed: int
    done: bool
    generated: bool


@dataclass
class SeedCounts:
    """The seeds of one encoder on one data set: those that were tried, have scores, and generated speech."""

    tried: set[int] = field(default_factory=set)
    done: set[int] = field(default_factory=set)
    generated: set[int] = field(default_factory=set)

    @property
    def text(self) -> str:
        """Number of seeds with scores, of those that were tried, and how many of them generated speech."""
        n, m = len(self.done), len(self.tried)
        scored = str(n) if n == m else f"{n} of {m}"
        return f"{scored}, {len(self.generated)} with speech" if self.generated else scored


@dataclass
class Coverage:
    """A table of encoders by data sets, with the seeds of each pair.

    Attributes
    ----------
    encoders, datasets : list of str
        In the order in which they came.
    seeds : dict of (str, str) to SeedCounts
        By encoder and data set; what was never tried is not in it.
    """

    encoders: list[str]
    datasets: list[str]
    seeds: dict[tuple[str, str], SeedCounts]

    @property
    def missing(self) -> list[tuple[str, str]]:
        """Encoder and data set of each pair without scores."""
        pairs = ((encoder, dataset) for encoder in self.encoders for dataset in self.datasets)
        return [pair for pair in pairs if pair not in self.seeds or not self.seeds[pair].done]

    def text(self, encoder: str, dataset: str) -> str:
        """Return what a table says of a pair."""
        found = self.seeds.get((encoder, dataset))
        return found.text if found is not None else "–"


def cell_coverage(cells: Iterable[CoveredCell]) -> Coverage:
    """Count which pairs of encoder and data set some cells cover."""
    seeds: dict[tuple[str, str], SeedCounts] = {}
    for cell in cells:
        own = seeds.setdefault((cell.encoder, cell.dataset), SeedCounts())
        own.tried.add(cell.seed)
        if cell.done:
            own.done.add(cell.seed)
        if cell.done and cell.generated:
            own.generated.add(cell.seed)
    encoders, datasets = (list(dict.fromkeys(names)) for names in zip(*seeds, strict=True)) if seeds else ([], [])
    return Coverage(encoders, datasets, seeds)

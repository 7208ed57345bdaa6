"""Finds where every encoder stands: its rivals, its rank, or why it has none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from eeg2speech_bench.core.errors import BenchError, DataError, StorageError
from eeg2speech_bench.core.records.convergence import Convergence, improving_seeds
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.leaderboard.standings.differences import LocatedRecord, SegmentFile, seed_values
from eeg2speech_bench.leaderboard.standings.identity import EEG_KINDS, Competition, Identity, convergence_of, kind_of
from eeg2speech_bench.leaderboard.standings.margins import Margin, margins
from eeg2speech_bench.leaderboard.standings.pretraining import Pretraining, compare_twins
from eeg2speech_bench.leaderboard.standings.ranks import Rank, rank

if TYPE_CHECKING:
    import pandas as pd

#: what is said of a run whose validation still rose when its budget ended
STILL = "still improving"
#: rank of a run without rivals, for which nothing has to be read
ALONE = Rank(1, 1, (1,), 1, 0)


class MetricVariant(NamedTuple):
    """The version and pool of a metric; values of two variants have no common rank."""

    version: int
    pool: str
    n_pool: int
    higher_is_better: bool


class Competitor(NamedTuple):
    """One cell that takes part in rankings.

    Attributes
    ----------
    run : str
        Equal for the seeds of one encoder under one configuration, tested on one split.
    seed : int
    name : str
        What the board calls the encoder.
    baseline : bool
        It has no rank; others are held against it.
    variants : dict of str to MetricVariant
        By headline metric.
    convergence : Convergence
        Of the encoder's training.
    family : str
        Of an encoder with pretrained weights: it shares this with its twin with random ones.
    random : bool
        It is that twin.
    """

    run: str
    seed: int
    name: str
    baseline: bool
    competition: Competition
    segments: SegmentFile
    variants: dict[str, MetricVariant]
    convergence: Convergence = ""
    family: str = ""
    random: bool = False


@dataclass(frozen=True)
class Standing:
    """The rank of a run in one metric, or why it has none, and its margins over the best baseline and its twin.

    A run that was still ``improving`` when its budget ended has no best rank: how far it would come is not known.
    """

    competition: Competition
    rank: Rank | None
    reason: str = ""
    margin: Margin | None = None
    improving: bool = False
    pretraining: Pretraining | None = None

    @property
    def text(self) -> str:
        """What tables show: never a rank without its interval and its ties."""
        if self.rank is None:
            return "not ranked"
        at_worst = f"at worst {self.rank.high} of {self.rank.n}" if self.rank.n > 1 else "alone"
        if self.improving:
            return f"{at_worst}, {STILL}"
        return f"{self.rank.low}-{self.rank.high} of {self.rank.n}, {self.rank.letters}" if self.rank.n > 1 else "alone"

    @property
    def limit(self) -> str:
        """Why the ties say little, where they do."""
        if self.rank is None or not self.rank.blind:
            return ""
        return f"{self.rank.n_units} listeners or blocks of audio are too few to tell {self.rank.n} encoders apart"

    def ties(self, other: Standing | None) -> bool:
        """Whether both are of one competition and cannot be told apart."""
        if other is None or self.rank is None or other.rank is None or self.competition != other.competition:
            return False
        return not set(self.rank.groups).isdisjoint(other.rank.groups)


#: id of a cell and metric, then where its run stands
Standings = Mapping[tuple[str, str], Standing]


def competitor(path: Path, record: Record, identity: Identity) -> Competitor | None:
    """Return what is needed to rank a cell; None for references, ceilings and cells without scores.

    Parameters
    ----------
    path : Path
        Where the record lies, ``<results>/records/<cell id>.json``.
    record : Record
    identity : Identity
        See `competition.identify`.
    """
    kind = kind_of(record)
    if record.status != "done" or kind not in EEG_KINDS:
        return None
    variants = {}
    for name in record.verdict:
        if (entry := record.metric(name)) is not None:
            variants[name] = MetricVariant(entry.version, entry.pool, entry.n_pool, entry.higher_is_better)
    cell, terms = LocatedRecord(path, record), identity.competition
    run = f"{identity.run}-{terms.split}"
    is_baseline, twin = kind == "baseline", (identity.family, identity.random)
    facts = run, record.cell.seed, cell.label, is_baseline, terms, cell.segments, variants
    return Competitor(*facts, convergence_of(record), *twin)


def find_standings(competitors: Iterable[Competitor]) -> Standings:
    """Rank the runs of every competition in every headline metric, on the segments that all of its runs have.

    Parameters
    ----------
    competitors : iterable of Competitor
        Cells of any competitions; those of one run are averaged segment by segment, a seed that is there twice (run for
        retrieval alone, and as a whole) by the cell with more metrics.

    Returns
    -------
    mapping of (str, str) to Standing
        By id of a cell and metric, the same for all cells of a run that have it; nothing of baselines. A run whose
        segments are missing stands with the reason, and the others are ranked without it; where the segments of one run
        have other windows or blocks than those of the rest, none of them has a rank.
    """
    competitions: dict[Competition, dict[str, list[Competitor]]] = {}
    floors: dict[tuple[str, str, str, str], dict[str, list[Competitor]]] = {}
    for cell in competitors:
        terms = cell.competition
        runs = floors.setdefault(terms.windows, {}) if cell.baseline else competitions.setdefault(terms, {})
        runs.setdefault(cell.run, []).append(cell)
    return {
        (cell.segments.cell, metric): standing
        for terms, runs in competitions.items()
        for (run, metric), standing in _CompetitionRuns(terms, runs, floors.get(terms.windows, {})).standings().items()
        for cell in runs[run]
        if metric in cell.variants
    }


class _CompetitionRuns:
    """Ranks the runs of one competition, beside the baselines on the same windows; segments are read once."""

    def __init__(
        self, terms: Competition, runs: dict[str, list[Competitor]], floors: dict[str, list[Competitor]]
    ) -> None:
        self.terms, self.floors = terms, list(floors)
        self.cells = {run: _one_per_seed(cells) for run, cells in {**runs, **floors}.items()}
        self.names = {run: cells[0].name for run, cells in self.cells.items()}
        self.values: dict[str, dict[str, pd.DataFrame]] = {}
        self.missing: dict[str, str] = {}

    def standings(self) -> dict[tuple[str, str], Standing]:
        """Return where every run stands, by run and metric."""
        found, measured = {}, dict[tuple[str, MetricVariant], list[str]]()
        for run, cells in self.cells.items():
            for metric in dict.fromkeys(metric for cell in cells for metric in cell.variants):
                variant, *others = {cell.variants[metric] for cell in cells if metric in cell.variants}
                if not others:
                    measured.setdefault((metric, variant), []).append(run)
                elif run not in self.floors:
                    reason = f"Its seeds were not measured alike in '{metric}'"
                    found[run, metric] = Standing(self.terms, None, reason)
        self._read({key: runs for key, runs in measured.items() if runs[1:] and not set(runs) <= set(self.floors)})
        for (metric, variant), runs in measured.items():
            found |= {(run, metric): standing for run, standing in self._stand(metric, variant, runs).items()}
        return found

    def _read(self, contested: Mapping[tuple[str, MetricVariant], list[str]]) -> None:
        metrics = list(dict.fromkeys(metric for metric, _ in contested))
        for run in dict.fromkeys(run for runs in contested.values() for run in runs):
            try:
                self.values[run] = seed_values([cell.segments for cell in self.cells[run]], metrics)
            except StorageError as error:
                self.missing[run] = error.problem

    def _stand(self, metric: str, variant: MetricVariant, runs: list[str]) -> dict[str, Standing]:
        competing = [run for run in runs if run not in self.floors]
        rivals = [run for run in competing if run not in self.missing]
        alone = dict.fromkeys(rivals if competing[1:] else competing, Standing(self.terms, ALONE))
        ranks = self._ranked(metric, variant, rivals) if rivals[1:] else alone
        ranks |= {run: Standing(self.terms, None, self.missing[run]) for run in competing if run not in ranks}
        sign = 1 if variant.higher_is_better else -1
        tables = {run: sign * self.values[run][metric] for run in runs if metric in self.values.get(run, {})}
        above = margins(tables, {run: self.names[run] for run in runs if run in self.floors})
        helped = compare_twins(tables, self._twins(rivals), self.names)
        return {
            run: replace(standing, margin=above.get(run), improving=self._improves(run), pretraining=helped.get(run))
            for run, standing in ranks.items()
        }

    def _improves(self, run: str) -> bool:
        return improving_seeds([cell.convergence for cell in self.cells[run]])

    def _twins(self, runs: list[str]) -> dict[str, str]:
        """Return the twin with random weights of every run that has one here."""
        first = {run: self.cells[run][0] for run in runs}
        twins = {one.family: run for run, one in first.items() if one.random}
        return {run: twins[one.family] for run, one in first.items() if one.family in twins and not one.random}

    def _ranked(self, metric: str, variant: MetricVariant, runs: list[str]) -> dict[str, Standing]:
        try:
            table = self._aligned(metric, runs)
            subject, block = (table.index.get_level_values(name).to_numpy() for name in ("subject", "block"))
            encoder = np.array([runs.index(run) for run in table.columns.get_level_values(0)])
            sign = 1 if variant.higher_is_better else -1
            ranks = rank(sign * table.to_numpy(), encoder, subject, block, name=metric)
        except BenchError as error:
            return dict.fromkeys(runs, Standing(self.terms, None, error.problem))
        return {run: Standing(self.terms, one) for run, one in zip(runs, ranks, strict=True)}

    def _aligned(self, metric: str, runs: list[str]) -> pd.DataFrame:
        """Return segments x seeds of all runs; rows are the segments that all runs have."""
        import pandas as pd

        columns = {run: self.values[run].get(metric) for run in runs}
        there = {run: table for run, table in columns.items() if table is not None}
        table = pd.concat(there, axis=1, join="inner")
        if table.empty or len(there) < len(runs):
            then = "Run them again with one scores.block_s and one scores.which."
            got = ", ".join(self.names[run] for run in runs)
            raise DataError(f"No segment with '{metric}' is common to the encoders", got=f"{got:.200}", then=then)
        return table.sort_index()


def _one_per_seed(cells: list[Competitor]) -> list[Competitor]:
    """Return one cell for each seed, that with the most metrics."""
    by_seed = {cell.seed: cell for cell in sorted(cells, key=lambda cell: len(cell.variants))}
    return [by_seed[seed] for seed in sorted(by_seed)]

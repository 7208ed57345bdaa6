"""Where every encoder stands: who competes with whom, on which segments, and why one has no rank."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from eeg2speech_bench.core.errors import BenchError, DataError, StorageError
from eeg2speech_bench.core.records import Record
from eeg2speech_bench.leaderboard.competition import Competition, Identity, kind_of
from eeg2speech_bench.leaderboard.pairing import SEGMENT, Located, SegmentFile, segment_values
from eeg2speech_bench.leaderboard.ranking import Rank, rank

if TYPE_CHECKING:
    import pandas as pd

#: rank of a run without rivals, for which nothing has to be read
ALONE = Rank(1, 1, 1, 1, 0)


class Way(NamedTuple):
    """How a metric was measured; values measured in two ways have no common rank."""

    version: int
    pool: str
    n_pool: int
    higher_is_better: bool


class Entrant(NamedTuple):
    """One cell that takes part in rankings.

    Attributes
    ----------
    run : str
        Equal for the seeds of one encoder under one configuration, tested on one split.
    name : str
        What the board calls the encoder.
    ways : dict of str to Way
        By headline metric.
    """

    run: str
    name: str
    competition: Competition
    segments: SegmentFile
    ways: dict[str, Way]


@dataclass(frozen=True)
class Standing:
    """The rank of a run in one metric, or the reason why it has none."""

    competition: Competition
    rank: Rank | None
    reason: str = ""

    @property
    def text(self) -> str:
        """What tables show: never a rank without its interval and its ties."""
        if self.rank is None:
            return "not ranked"
        return f"{self.rank.low}-{self.rank.high} of {self.rank.n}, {self.rank.tie}" if self.rank.n > 1 else "alone"

    @property
    def limit(self) -> str:
        """Why the ties say little, where they do."""
        if self.rank is None or not self.rank.blind:
            return ""
        return f"{self.rank.n_units} listeners or blocks of audio are too few to tell {self.rank.n} encoders apart"

    def ties(self, other: Standing | None) -> bool:
        """Whether both are of one tie group of one competition."""
        if other is None or self.rank is None or other.rank is None:
            return False
        return (self.competition, self.rank.group) == (other.competition, other.rank.group)


#: id of a cell and metric, then where its run stands
Standings = Mapping[tuple[str, str], Standing]


def entrant(path: Path, record: Record, identity: Identity) -> Entrant | None:
    """Return what is needed to rank a cell; None for baselines, ceilings and cells without scores.

    Parameters
    ----------
    path : Path
        Where the record lies, ``<results>/records/<cell id>.json``.
    record : Record
    identity : Identity
        See `competition.identify`.
    """
    if record.status != "done" or kind_of(record) != "encoder":
        return None
    ways = {}
    for name in record.verdict:
        if (entry := record.metric(name)) is not None:
            pool, higher = str(entry.get("pool", "")), bool(entry.get("higher_is_better", True))
            ways[str(name)] = Way(int(entry.get("version", 1)), pool, int(entry.get("n_pool", 0)), higher)
    cell, terms = Located(path, record), identity.competition
    return Entrant(f"{identity.run}-{terms.split}", cell.label, terms, cell.segments, ways)


def stand(entrants: Iterable[Entrant]) -> Standings:
    """Rank the runs of every competition in every headline metric, on the segments that all of its runs have.

    Parameters
    ----------
    entrants : iterable of Entrant
        Cells of any competitions; those of one run are averaged segment by segment.

    Returns
    -------
    mapping of (str, str) to Standing
        By id of a cell and metric, the same for all cells of a run that have it. A run whose segments are missing
        stands with the reason, and the others are ranked without it; where the segments of one run have other windows
        or blocks than those of the rest, none of them has a rank.
    """
    competitions: dict[Competition, dict[str, list[Entrant]]] = {}
    for cell in entrants:
        competitions.setdefault(cell.competition, {}).setdefault(cell.run, []).append(cell)
    return {
        (cell.segments.cell, metric): standing
        for terms, runs in competitions.items()
        for (run, metric), standing in _rank_runs(terms, runs).items()
        for cell in runs[run]
        if metric in cell.ways
    }


def _rank_runs(terms: Competition, runs: dict[str, list[Entrant]]) -> dict[tuple[str, str], Standing]:
    found: dict[tuple[str, str], Standing] = {}
    rivals: dict[tuple[str, Way], list[str]] = {}
    for run, cells in runs.items():
        for metric in dict.fromkeys(metric for cell in cells for metric in cell.ways):
            way, *others = {cell.ways[metric] for cell in cells if metric in cell.ways}
            if others:
                found[run, metric] = Standing(terms, None, f"Its seeds were not measured alike in '{metric}'")
            else:
                rivals.setdefault((metric, way), []).append(run)
    found |= {(own[0], metric): Standing(terms, ALONE) for (metric, _), own in rivals.items() if not own[1:]}
    contested = {key: own for key, own in rivals.items() if own[1:]}
    values, missing = _read(runs, contested)
    for (metric, way), own in contested.items():
        there = {run: values[run] for run in own if run in values}
        names = {run: runs[run][0].name for run in there}
        found |= {(run, metric): s for run, s in _ranked(terms, metric, way, there, names).items()}
        found |= {(run, metric): Standing(terms, None, missing[run]) for run in own if run in missing}
    return found


def _read(
    runs: dict[str, list[Entrant]], contested: Mapping[tuple[str, Way], list[str]]
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Return the segments of every run that needs them, and why those of others cannot be had."""
    values, missing = {}, {}
    metrics = list(dict.fromkeys(metric for metric, _ in contested))
    for run in dict.fromkeys(run for own in contested.values() for run in own):
        try:
            values[run] = segment_values([cell.segments for cell in runs[run]], metrics)
        except StorageError as error:
            missing[run] = error.problem
    return values, missing


def _ranked(
    terms: Competition, metric: str, way: Way, values: dict[str, pd.DataFrame], names: dict[str, str]
) -> dict[str, Standing]:
    if len(values) < 2:
        return {run: Standing(terms, ALONE) for run in values}
    try:
        table = _aligned(values, metric, names)
        subject, block = (table.index.get_level_values(name).to_numpy() for name in ("subject", "block"))
        ranks = rank((1 if way.higher_is_better else -1) * table.to_numpy(), subject, block, name=metric)
    except BenchError as error:
        return {run: Standing(terms, None, error.problem) for run in values}
    return {run: Standing(terms, one) for run, one in zip(table.columns, ranks, strict=True)}


def _aligned(values: dict[str, pd.DataFrame], metric: str, names: dict[str, str]) -> pd.DataFrame:
    """Return segments x runs; rows are the segments that all runs have, with their block in the index."""
    import pandas as pd

    columns = {}
    for run, table in values.items():
        own = table.loc[table.index.get_level_values("metric") == metric]
        columns[run] = own.set_index("block", append=True)["value"]
    table = pd.concat(columns, axis=1, join="inner")
    if table.empty:
        then = "Run them again with one scores.block_s and one scores.which."
        got = ", ".join(names.values())
        raise DataError(f"No segment with '{metric}' is common to the encoders", got=f"{got:.200}", then=then)
    return table.sort_index(level=SEGMENT)

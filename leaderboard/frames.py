"""Gives the records of a results folder as tables of pandas, for notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

from eeg2speech_bench.core.errors import BenchError, StorageError, UsageError
from eeg2speech_bench.core.records.metrics import SetScore
from eeg2speech_bench.core.records.probes import PROBES
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.leaderboard.labels import BOARD_METRICS

if TYPE_CHECKING:
    import pandas as pd

Status = Literal["done", "failed", "interrupted", "all"]


class Results(Sequence[Record]):
    """The records of a results folder, and tables of what is in them.

    Parameters
    ----------
    folder : Path
    records : dict of Path to Record
        By their files.
    refused : dict of Path to str
        Files that are no valid records, with the reason.
    """

    def __init__(self, folder: Path, records: dict[Path, Record], refused: dict[Path, str]) -> None:
        self.folder, self.refused = folder, refused
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...
    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        return list(self._records.values())[place]

    def __repr__(self) -> str:
        return f"Results({str(self.folder)!r}, {len(self)} records, {len(self.refused)} refused)"

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row per cell, metric and condition.

        Columns: cell, encoder, dataset, revision, preset, seed, metric, label, condition, value, low, high, chance, n,
        n_pool, unit, higher_is_better. Metrics of all clips together have no interval, and their floor as chance.
        """
        import pandas as pd

        return pd.DataFrame([row for record in self for row in _score_rows(record)], columns=_SCORES)

    @cached_property
    def probes(self) -> pd.DataFrame:
        """One row per cell, probe and condition, with the columns of `scores`; empty where none was asked for."""
        import pandas as pd

        rows = [row for record in self if record.probes for row in _score_rows(record.of_group(PROBES))]
        return pd.DataFrame(rows, columns=_SCORES)

    @cached_property
    def stages(self) -> pd.DataFrame:
        """One row per cell and stage: seconds, peak_memory_mb, energy_wh, and whether it was reused."""
        import pandas as pd

        rows = [
            {**_about(record), "stage": stage.name, **{name: getattr(stage, name) for name in _COSTS}}
            for record in self
            for stage in record.stages
        ]
        return pd.DataFrame(rows, columns=[*_ABOUT, "stage", *_COSTS])

    def segments(self, metric: str) -> pd.DataFrame:
        """Return the values of a metric segment by segment, under every condition.

        Parameters
        ----------
        metric : str

        Returns
        -------
        DataFrame
            One row per cell, condition and segment: cell, encoder, dataset, preset, seed, and the columns of the
            cell's ``segments.parquet`` (condition, subject, stimulus, start_s, value, ...).

        Raises
        ------
        UsageError
            If no cell has that metric.
        StorageError
            If a cell's segments are not beside its record.
        """
        import pandas as pd

        parts = []
        for record in self:
            if record.metric(metric) is None or "segments" not in record.files:
                continue
            file = self.folder / record.files["segments"]
            if not file.is_file():
                raise StorageError(f"{file} is missing", then="Copy the whole folder, 'cells' and 'records'.")
            values = pd.read_parquet(file, filters=[("metric", "==", metric)])
            parts.append(pd.DataFrame(_about(record), index=values.index).join(values))
        if not parts:
            raise self._without(metric)
        return pd.concat(parts, ignore_index=True)

    def _without(self, metric: str) -> UsageError:
        known = sorted(self.scores["metric"].unique())
        return UsageError(f"No cell has metric '{metric}'", expected=", ".join(known), then="See '.scores'.")

    def ranks(self, metric: str = "top1") -> pd.DataFrame:
        """Return where every encoder stands among those on equal terms.

        Returns
        -------
        DataFrame
            One row per cell that competes: cell, encoder, dataset, preset, seed, rank_low, rank_high and n of the
            interval, letters (encoders that share one cannot be told apart), margin over the best baseline with its p,
            and the reason where there is no rank.

        Raises
        ------
        UsageError
            If there are cells and none has that metric.
        """
        import pandas as pd

        from eeg2speech_bench.leaderboard.standings.identity import identify
        from eeg2speech_bench.leaderboard.standings.standings import competitor, find_standings

        if len(self) and all(record.metric(metric) is None for record in self):
            raise self._without(metric)
        competitors = [competitor(path, record, identify(record)) for path, record in self._records.items()]
        standings = find_standings(one for one in competitors if one is not None)
        rows = []
        for record in self:
            standing = standings.get((record.cell.id, metric))
            if standing is None:
                continue
            rank, margin = standing.rank, standing.margin
            interval = {"rank_low": rank and rank.low, "rank_high": rank and rank.high, "n": rank and rank.n}
            above = {
                "baseline": margin and margin.baseline,
                "margin": margin and margin.difference,
                "p": margin and margin.p,
            }
            letters = rank.letters if rank else ""
            rows.append({**_about(record), **interval, "letters": letters, **above, "reason": standing.reason})
        return pd.DataFrame(rows, columns=_RANKS)

    def compare(self, a: str, b: str, metrics: Sequence[str] = BOARD_METRICS) -> pd.DataFrame:
        """Compare two encoders on the segments that both were tested on.

        Parameters
        ----------
        a, b : str
            Encoders as the board names them, or ids of cells.
        metrics : sequence of str

        Returns
        -------
        DataFrame
            One row per data set that both share and metric: the means, their difference ``effect`` with its interval
            ``low`` to ``high``, p of min F' (``p_holm`` corrected for the metrics), dz, listeners for whom a is better.

        Raises
        ------
        UsageError
            If a name is not there, or means runs that differ in more than the seed.
        DataError
            If nothing is shared.
        """
        import pandas as pd

        from eeg2speech_bench.leaderboard.comparison import choose
        from eeg2speech_bench.leaderboard.standings.differences import compare

        rows = []
        for cells in choose(self.folder, [a, b]):
            tested = cells[0][0].tested_on
            for difference in compare(cells[0], cells[1], tuple(metrics)):
                row = asdict(difference)
                row["n_listeners"] = len(row.pop("per_listener"))
                rows.append({"a": a, "b": b, "dataset": tested.dataset, "preset": tested.preset, **row})
        return pd.DataFrame(rows)


_ABOUT = ["cell", "encoder", "dataset", "revision", "preset", "seed"]
_COSTS = ("seconds", "peak_memory_mb", "energy_wh", "reused")
_SCORES = [
    *_ABOUT, "metric", "label", "condition", "value", "low", "high", "chance", "n", "n_pool", "unit", "higher_is_better"
]  # fmt: skip
_RANKS = [*_ABOUT, "rank_low", "rank_high", "n", "letters", "baseline", "margin", "p", "reason"]


def read_results(path: Path | str, *, status: Status = "done") -> Results:
    """Read a results folder.

    Parameters
    ----------
    path : Path or str
        Folder that ``run`` wrote.
    status : str
        ``"done"`` (default), ``"failed"``, ``"interrupted"`` or ``"all"``.

    Returns
    -------
    Results
        A sequence of `Record` in the order of file names; files that are no valid records are in ``.refused``.

    Raises
    ------
    UsageError
        If the folder has no records, or there is no such status.
    """
    if status not in get_args(Status):
        known = ", ".join(get_args(Status))
        raise UsageError("Argument 'status' was not understood", got=repr(status), expected=known)
    folder = Path(path).expanduser().absolute()
    if not (folder / "records").is_dir():
        then = "Give the folder that 'eeg2speech-bench run --results' wrote."
        raise UsageError(f"Folder {folder} has no records", expected="records/<cell>.json in it", then=then)
    records: dict[Path, Record] = {}
    refused: dict[Path, str] = {}
    for file in sorted((folder / "records").glob("[!.]*.json")):
        try:
            records[file] = Record.read(file)
        except BenchError as error:
            refused[file] = str(error)
    return Results(folder, {p: r for p, r in records.items() if status in ("all", r.status)}, refused)


def _about(record: Record) -> dict[str, Any]:
    cell = record.cell
    values = (cell.id, cell.title, cell.dataset, record.dataset.revision, cell.preset, cell.seed)
    return dict(zip(_ABOUT, values, strict=True))


def _score_rows(record: Record) -> Iterator[dict[str, Any]]:
    for entry in (*record.metrics, *record.sets):
        row = {name: getattr(entry, name, None) for name in _SCORES[len(_ABOUT) :]}
        row |= {"metric": entry.name, "label": entry.title}
        if isinstance(entry, SetScore):
            row["chance"] = entry.floor
        yield {**_about(record), **row}

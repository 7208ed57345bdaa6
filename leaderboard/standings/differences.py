"""Compares two encoders on the same segments, and tests their differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from eeg2speech_bench.core.errors import DataError, StorageError
from eeg2speech_bench.core.records.groups import GROUPS, segments_name
from eeg2speech_bench.core.records.metrics import Metric
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.statistics import resampling as statistics
from eeg2speech_bench.core.statistics.min_f import crossed_p
from eeg2speech_bench.core.training.seeding import derive_seed
from eeg2speech_bench.leaderboard.labels import BOARD_METRICS
from eeg2speech_bench.leaderboard.results.aggregates import MAX_SEGMENTS_BYTES

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow

#: what makes a segment of one cell that of another
SEGMENT = ["metric", "subject", "recording", "stimulus", "start_s"]
N_RESAMPLES, CONFIDENCE = 2000, 0.95
_AGAIN = "Copy it with the record, or run that cell again."


class SegmentFile(NamedTuple):
    """The per-segment values of a cell.

    Attributes
    ----------
    cell : str
    path : Path or None
        Where they lie; None if the record names none of its own.
    table : Table, optional
        What was read of it already.
    """

    cell: str
    path: Path | None
    table: pyarrow.Table | None = None


class SegmentOrigin(NamedTuple):
    """What cells must share to have the same segments: data set, preset, split hash and revision of the data."""

    dataset: str
    preset: str
    split: str
    revision: str


class LocatedRecord(NamedTuple):
    """A record and where it lies, ``<results>/records/<cell id>.json``."""

    path: Path
    record: Record
    table: pyarrow.Table | None = None

    @property
    def label(self) -> str:
        """What the board calls the encoder."""
        return self.record.cell.title

    @property
    def tested_on(self) -> SegmentOrigin:
        """What cells must share to have the same segments."""
        cell, split = self.record.cell, self.record.split.hash or ""
        return SegmentOrigin(cell.dataset, cell.preset, split, self.record.dataset.revision)

    @property
    def segments(self) -> SegmentFile:
        """Its per-segment values, at the places where a record's own lie."""
        cell = self.record.cell.id
        named = self.record.files.get("segments")
        own = [f"cells/{cell}/{name}" for name in ("segments.parquet", *map(segments_name, GROUPS))]
        return SegmentFile(cell, self.path.parent.parent / named if named in own else None, self.table)


@dataclass(frozen=True)
class Difference:
    """The difference of two encoders, A minus B, in one metric; all listeners weigh the same.

    Attributes
    ----------
    metric, label : str
        Its name, and what tables call it.
    mean_a, mean_b, effect, low, high : float
        Means over listeners of the listeners' means, A - B, and its 95 % interval; in the metric's unit.
    p, p_holm : float
        Of min F', two-sided, see `core.statistics.min_f.crossed_p`; corrected for the metrics compared together.
    dz : float or None
        Mean over standard deviation of the listeners' differences.
    n_better : int
        Listeners for whom A is better, whichever direction that is.
    per_listener : dict of str to float
        A - B.
    """

    metric: str
    label: str
    mean_a: float
    mean_b: float
    effect: float
    low: float
    high: float
    p: float
    p_holm: float
    dz: float | None
    n_segments: int
    n_better: int
    per_listener: dict[str, float]


def segment_values(files: Sequence[SegmentFile], metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the values of the EEG segments of one encoder, as means over its seeds.

    Parameters
    ----------
    files : sequence of SegmentFile
        Of the seeds of one encoder, tested on the same split.
    metrics : sequence of str, optional
        Only these; all by default.

    Returns
    -------
    DataFrame
        Index `SEGMENT`, columns ``block`` and ``value``; segments that all seeds with that metric have.

    Raises
    ------
    StorageError
        If a file is missing or lacks a column.
    """
    table = _long_table(files, metrics)
    n_files = table.groupby("metric")["file"].nunique()
    by_segment = table.groupby(SEGMENT, sort=True).agg(
        block=("block", "first"), value=("value", "mean"), n=("value", "size")
    )
    complete = by_segment["n"].to_numpy() == n_files.loc[by_segment.index.get_level_values("metric")].to_numpy()
    return by_segment.loc[complete, ["block", "value"]]


def seed_values(files: Sequence[SegmentFile], metrics: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the values of the EEG segments of one encoder, seed by seed.

    Parameters
    ----------
    files : sequence of SegmentFile
        Of the seeds of one encoder, tested on the same split.
    metrics : sequence of str

    Returns
    -------
    dict of str to DataFrame
        By metric: index `SEGMENT` without the metric, and ``block``; a column for each file that has the metric;
        segments that all of these have.

    Raises
    ------
    StorageError
        If a file is missing or lacks a column.
    """
    table = _long_table(files, metrics)
    made = {}
    for metric, own in table.groupby("metric"):
        wide = own.set_index([*SEGMENT[1:], "block", "file"])["value"].unstack("file").dropna()
        made[str(metric)] = wide
    return made


def _long_table(files: Sequence[SegmentFile], metrics: Sequence[str] | None) -> pd.DataFrame:
    """Return the segments of several files, with the number of the file in column ``file``."""
    for file in files:  # before pandas is loaded, which takes its time
        if file.path is None or not file.path.is_file():
            raise StorageError(f"Cell '{file.cell}' has no per-segment values here", then=_AGAIN)
        if file.path.stat().st_size > MAX_SEGMENTS_BYTES:
            raise StorageError(f"Cell '{file.cell}' has too large a file of segments", expected=MAX_SEGMENTS_BYTES)
    import pandas as pd

    return pd.concat([_read_segments(file, metrics).assign(file=number) for number, file in enumerate(files)])


def _read_segments(file: SegmentFile, metrics: Sequence[str] | None) -> pd.DataFrame:
    import pandas as pd
    import pyarrow.parquet as pq

    wanted: list[tuple[str, str, object]] = [("condition", "==", "eeg")]
    wanted += [] if metrics is None else [("metric", "in", list(metrics))]
    columns = [*SEGMENT, "block", "value"]
    try:
        if file.table is None:
            table = pd.read_parquet(str(file.path), columns=columns, filters=wanted)
        else:
            table = file.table.filter(pq.filters_to_expression(wanted)).select(columns).to_pandas()
        table = table.astype({"metric": str, "subject": str, "start_s": float, "value": float})
    except (OSError, ValueError, TypeError, KeyError) as error:  # pyarrow's errors are among them
        said = f"{str(error).splitlines()[0]:.200}" if str(error) else type(error).__name__
        raise StorageError(f"Segments of cell '{file.cell}' cannot be read", got=said, then=_AGAIN) from error
    if not np.isfinite(table["value"]).all():
        raise StorageError(f"Cell '{file.cell}' has values that are not finite", then="Run that cell again.")
    if table.duplicated(SEGMENT).any():
        raise StorageError(f"Cell '{file.cell}' has a segment twice", then="Run that cell again.")
    return table


def pair(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """Join what `segment_values` returns of two encoders, segment by segment.

    Returns
    -------
    DataFrame
        Columns `SEGMENT`, ``block``, ``value_a`` and ``value_b``.

    Raises
    ------
    DataError
        If no segment is common, or the two cells cut the audio into other blocks.
    """
    joined = a.merge(b, left_index=True, right_index=True, suffixes=("_a", "_b")).reset_index()
    if joined.empty:
        raise DataError(
            "The two encoders have no segment in common",
            got=f"{len(a)} and {len(b)} values",
            then="Run both again with the same --preset and the same scores.which.",
        )
    if (joined["block_a"] != joined["block_b"]).any():
        raise DataError("The two encoders were scored with other blocks", then="Run both with one scores.block_s.")
    return joined.rename(columns={"block_a": "block"}).drop(columns="block_b")


def compare(
    a: Sequence[LocatedRecord], b: Sequence[LocatedRecord], metrics: Sequence[str] = BOARD_METRICS
) -> list[Difference]:
    """Compare two encoders in every metric that both have.

    Parameters
    ----------
    a, b : sequence of LocatedRecord
        Seeds of one encoder and of the other, all of one revision of a data set, one preset and one split.
    metrics : sequence of str
        The family that Holm's correction is over.

    Raises
    ------
    DataError
        If the cells were tested on other windows, no segment or no metric is common, or a metric was measured in
        another version or pool.
    StorageError
        If a file of segments is missing.
    """
    if len({cell.tested_on for cell in (*a, *b)}) > 1:
        raise DataError("Cells of different data, presets or splits cannot be paired", got=tested_on([*a, *b]))
    joined = pair(*(segment_values([cell.segments for cell in cells]) for cells in (a, b)))
    shown = [name for name in metrics if (joined["metric"] == name).any()]
    if not shown:
        known = ", ".join(sorted(joined["metric"].unique()))
        raise DataError("No metric to compare", got=", ".join(metrics), expected=f"some of: {known}")
    entries = [_measured_alike([*a, *b], name) for name in shown]
    samples = [joined[joined["metric"] == name] for name in shown]
    p = [_p_of(sample) for sample in samples]
    corrected = statistics.holm(np.array(p))
    return [
        _difference(entry, sample, p_raw, float(p_holm))
        for entry, sample, p_raw, p_holm in zip(entries, samples, p, corrected, strict=True)
    ]


def _measured_alike(cells: Sequence[LocatedRecord], metric: str) -> Metric:
    """Return an entry of a metric that all cells measured in one way, one with a label if there is any."""
    entries = [entry for cell in cells if (entry := cell.record.metric(metric)) is not None]
    ways = {f"version {entry.version} in a pool of {entry.n_pool}" for entry in entries}
    if len(ways) > 1:
        then = "Run the older one again, or name other metrics with --metric."
        raise DataError(f"'{metric}' was not measured alike", got=", ".join(sorted(ways)), then=then)
    return next((entry for entry in entries if entry.label), entries[0])


def _p_of(sample: pd.DataFrame) -> float:
    difference = (sample["value_a"] - sample["value_b"]).to_numpy()
    return crossed_p(difference, sample["subject"].to_numpy(), sample["block"].to_numpy())


def _difference(entry: Metric, sample: pd.DataFrame, p: float, p_holm: float) -> Difference:
    subject, block = sample["subject"].to_numpy(), sample["block"].to_numpy()
    a, b = sample["value_a"].to_numpy(), sample["value_b"].to_numpy()
    interval = statistics.hierarchical_bootstrap(
        a - b,
        subject,
        block,
        n_resamples=N_RESAMPLES,
        confidence=CONFIDENCE,
        seed=derive_seed(0, "bootstrap", entry.name),
    )
    listeners = np.unique(subject)
    deltas = {str(s): float((a - b)[subject == s].mean()) for s in listeners}
    means = np.array(list(deltas.values()))
    return Difference(
        metric=entry.name,
        label=entry.title,
        mean_a=statistics.estimate(a, subject),
        mean_b=statistics.estimate(b, subject),
        effect=float(means.mean()) + 0.0,  # never -0.0
        low=interval.low,
        high=interval.high,
        p=p,
        p_holm=p_holm,
        dz=statistics.cohen_dz(means),
        n_segments=len(sample),
        n_better=sum(entry.sign * delta > 1e-12 for delta in deltas.values()),
        per_listener=deltas,
    )


def tested_on(cells: Sequence[LocatedRecord]) -> str:
    """Name the data sets, presets, splits and revisions of cells, for messages."""
    found = sorted({cell.tested_on for cell in cells})
    return ", ".join(f"{t.dataset} {t.preset} {t.split[:12]} of revision {t.revision}" for t in found)

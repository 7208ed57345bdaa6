"""Holds the values of a metric under one condition, with the levels of chance to read them against."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.specs import MetricSpec


@dataclass(frozen=True)
class ReferenceLevels:
    """Holds what a metric gives without any knowledge of the segment.

    A level is None where it is not known or makes no sense.

    Attributes
    ----------
    n_pool : int
        Candidates that a true one is told from, the mean over segments where pools differ in size.
    chance : float, optional
        Value of guessing, of the better way to guess if there are two.
    band : list of float, optional
        Low and high end of the values that guessing reaches with as many *independent* windows.
    chance_uniform : float, optional
        Value of a guess that does not know how often words come.
    baseline : float, optional
        Value of the mean over the other clips.
    """

    n_pool: int
    chance: float | None = None
    band: list[float] | None = None
    chance_uniform: float | None = None
    baseline: float | None = None


@dataclass(frozen=True)
class MetricValues:
    """Holds per-segment values of one metric under one condition.

    Attributes
    ----------
    values : array of float, shape (n,)
        NaN where the metric is not defined on that segment, the same under every condition.
    table : DataFrame
        The segments: subject, recording, stimulus, start_s, block.
    levels : ReferenceLevels
    """

    metric: MetricSpec
    condition: str
    values: np.ndarray
    table: pd.DataFrame
    levels: ReferenceLevels


@dataclass(frozen=True)
class SetValue:
    """Holds the value of one metric of all clips of a condition together.

    Attributes
    ----------
    value : float
        NaN where the metric is not defined.
    n_clips : int
    floor : float, optional
        What real speech reaches against other real speech.
    """

    metric: MetricSpec
    condition: str
    value: float
    n_clips: int
    floor: float | None


def number_blocks(table: pd.DataFrame, block_s: float) -> np.ndarray:
    """Number stretches of ``block_s`` seconds of stimulus.

    Neighbours share audio context and slow drift.
    """
    stimulus = table["stimulus"].astype("category").cat.codes.to_numpy(dtype=np.int64)
    return stimulus * 1_000_000 + (table["start_s"].to_numpy() // block_s).astype(np.int64)


def keep_defined(measured: list[MetricValues]) -> tuple[list[MetricValues], dict[str, str]]:
    """Leave out segments on which a metric is not defined under every condition.

    Metrics that have too few segments left go too.

    Returns
    -------
    kept : list of MetricValues
    skipped : dict of str to str
        The metrics that were left out, with the reason.
    """
    defined: dict[str, np.ndarray] = {}
    for v in measured:
        defined[v.metric.name] = defined.get(v.metric.name, np.True_) & np.isfinite(v.values)
    skipped = {v.metric.name: reason for v in measured if (reason := _too_few(v, defined[v.metric.name]))}
    kept = [
        replace(v, values=v.values[defined[v.metric.name]], table=v.table[defined[v.metric.name]])
        for v in measured
        if v.metric.name not in skipped
    ]
    return kept, skipped


def _too_few(measured: MetricValues, defined: np.ndarray) -> str:
    """Say why the segments on which a metric is defined are too few; empty if they are enough."""
    if not defined.any():
        among = f" among {measured.levels.n_pool} candidates" if measured.metric.needs == "scores" else ""
        return f"it is defined on no segment{among}"
    if not defined.all() and len(measured.table[defined].drop_duplicates(["subject", "block"])) == 1:
        return "it is defined in a single block of one listener, which says nothing about spread"
    return ""


def keep_defined_sets(sets: list[SetValue]) -> tuple[list[SetValue], dict[str, str]]:
    """Leave out metrics of sets that have no value under some condition, and say why.

    Returns
    -------
    kept : list of SetValue
    skipped : dict of str to str
        The metrics that were left out, with the reason.
    """
    undefined = [s for s in sets if not np.isfinite(s.value)]
    skipped = {s.metric.name: f"it is not defined for these {s.n_clips} clips" for s in undefined}
    return [s for s in sets if s.metric.name not in skipped], skipped


def segment_rows(measured: list[MetricValues], store: SegmentStore) -> pd.DataFrame:
    """Make the table of all values, one row per segment, metric and condition.

    Column ``clip`` numbers the segments that speech was generated for; it is -1 for all others.
    """
    subjects = np.asarray(store.meta.subjects)
    parts = [
        pd.DataFrame(
            {
                "metric": v.metric.name,
                "condition": v.condition,
                "subject": subjects[v.table["subject"].to_numpy()],
                **{name: v.table[name].to_numpy() for name in ("recording", "stimulus", "start_s", "block")},
                "clip": v.table["clip"].to_numpy() if "clip" in v.table else np.full(len(v.values), -1),
                "value": v.values,
            }
        )
        for v in measured
    ]
    return pd.concat(parts, ignore_index=True)

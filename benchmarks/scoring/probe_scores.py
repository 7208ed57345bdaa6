"""Judges what was read out of embeddings as every other score is judged: intervals, tests, verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from eeg2speech_bench.benchmarks.probes.catalogue import BY_NAME
from eeg2speech_bench.benchmarks.scoring.values import MetricValues, ReferenceLevels, keep_defined
from eeg2speech_bench.benchmarks.scoring.verdicts import compare_with_controls, decide, summarise
from eeg2speech_bench.core.presets.config import ScoresConfig
from eeg2speech_bench.core.records.probes import ProbeScores
from eeg2speech_bench.core.stages.json_files import read_json, write_json

#: files of the stage ``probes``: segments, one column of values per probe and condition, and what was read
_SEGMENTS, _VALUES, _ABOUT = "segments.parquet", "values.parquet", "probes.json"


def write_readings(
    out: Path,
    table: pd.DataFrame,
    classes: Mapping[str, tuple[str, ...]],
    read: Mapping[str, Mapping[str, np.ndarray]],
    skipped: Mapping[str, str],
) -> None:
    """Write what the stage ``probes`` found.

    Parameters
    ----------
    out : Path
    table : DataFrame
        The n segments: subject, recording, stimulus, start_s, block.
    classes : mapping of str to tuple of str
        By probe; none for numbers.
    read : mapping of str to mapping of str to array, shape (n,)
        By probe and condition.
    skipped : mapping of str to str
        Probes without labels, with the reason.
    """
    table.to_parquet(out / _SEGMENTS)
    columns = {f"{name} {condition}": v for name, found in read.items() for condition, v in found.items()}
    pd.DataFrame(columns, index=table.index).to_parquet(out / _VALUES)
    write_json(out / _ABOUT, {"classes": {n: list(c) for n, c in classes.items()}, "skipped": dict(skipped)})


def read_readings(folder: Path) -> tuple[list[MetricValues], dict[str, str]]:
    """Read what `write_readings` wrote, with the levels of guessing, and what was not read out and why."""
    table, columns, about = (
        pd.read_parquet(folder / _SEGMENTS),
        pd.read_parquet(folder / _VALUES),
        read_json(folder / _ABOUT),
    )
    measured = []
    for column in columns:
        name, condition = str(column).split()
        n_classes = len(about["classes"][name])
        levels = ReferenceLevels(max(n_classes, 1), 1 / n_classes if n_classes else 0.0)
        metric = BY_NAME[name].metric()
        measured.append(MetricValues(metric, condition, columns[column].to_numpy(), table, levels))
    return measured, about["skipped"]


def judge_probes(
    measured: list[MetricValues], config: ScoresConfig, seed: int, modality: str, subjects: list[str]
) -> tuple[ProbeScores, list[MetricValues], dict[str, str]]:
    """Summarise and test what was read out; each probe against the controls that destroy what it reads.

    Returns
    -------
    scores : ProbeScores
    kept : list of MetricValues
        The values that the scores are of.
    skipped : dict of str to str
        Probes that too few segments have, with the reason.
    """
    kept, skipped = keep_defined(measured)
    tests = compare_with_controls(kept, config, seed, modality)
    tests = [test for test in tests if test.control in BY_NAME[test.metric].controls]
    headline = list({v.metric.name: v.metric for v in kept}.values())
    entries = [summarise(v, config, seed, subjects) for v in kept]
    return ProbeScores(metrics=entries, tests=tests, verdict=decide(tests, headline, config.alpha)), kept, skipped

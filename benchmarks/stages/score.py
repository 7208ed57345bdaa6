"""Stage ``score``: per-segment values of every metric under every condition, their intervals, and the tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eeg2speech_bench.benchmarks.controls import NO_SIGNAL, conditions_in
from eeg2speech_bench.core import statistics
from eeg2speech_bench.core.clips import Clips
from eeg2speech_bench.core.config import ScoresConfig
from eeg2speech_bench.core.seeding import derive_seed
from eeg2speech_bench.core.segments import SegmentStore
from eeg2speech_bench.core.specs import MetricSpec
from eeg2speech_bench.core.stages import write_json


@dataclass(frozen=True)
class Values:
    """Per-segment values of one metric under one condition.

    Attributes
    ----------
    values : array of float, shape (n,)
        NaN where the metric is not defined on that segment, the same under every condition.
    table : DataFrame
        The segments: subject, recording, window, block.
    chance : float, optional
    n_pool : int
        Candidates that a true one is told from.
    """

    metric: MetricSpec
    condition: str
    values: np.ndarray
    table: pd.DataFrame
    chance: float | None
    n_pool: int


def run(
    out: Path,
    progress: Callable[[str, float], None],
    *,
    prepared: Path,
    embedded: Path,
    generated: Path | None,
    ceilings: Path | None,
    metrics: list[MetricSpec],
    config: ScoresConfig,
    seed: int,
) -> None:
    """Write ``segments.parquet`` (one row per segment, metric and condition) and ``scores.json``."""
    store = SegmentStore(prepared)
    table = pd.read_parquet(embedded / "segments.parquet")
    table["block"] = _blocks(store, table["window"].to_numpy(), config.block_s)
    metrics, skipped = _choose(metrics, config, with_clips=generated is not None)
    measured = _retrieval(embedded, table, [m for m in metrics if m.needs == "scores"])
    if generated is not None and ceilings is not None:
        texts = store.text(table[table["clip"] >= 0].sort_values("clip")["window"].to_numpy())
        judge = partial(_judge, texts=texts, models=config.models)
        of_clips = [m for m in metrics if m.needs == "clips"]
        measured += _quality(embedded, generated, ceilings, table, of_clips, judge, progress)
    measured = _defined(measured)
    _write_segments(out, measured, store)
    subjects = store.meta["subjects"]
    tests = _tests(measured, config, seed)
    scores = {
        "metrics": [_summary(v, config, seed, subjects) for v in measured],
        "tests": tests,
        "verdict": _verdict(tests, [m for m in metrics if m.headline], config.alpha),
        "skipped": skipped,
    }
    write_json(out / "scores.json", scores)


def _choose(
    metrics: list[MetricSpec], config: ScoresConfig, *, with_clips: bool
) -> tuple[list[MetricSpec], dict[str, str]]:
    """Return the metrics that are measured, and why those are not that were asked for."""
    wanted = [m for m in metrics if (config.extended or not m.extended) and (with_clips or m.needs == "scores")]
    reasons = {m.name: m.unavailable(config.models) for m in wanted}
    skipped = {name: reason for name, reason in reasons.items() if reason}
    return [m for m in wanted if m.name not in skipped], skipped


def _judge(
    metric: MetricSpec, generated: Clips, reference: Clips, *, texts: tuple[str, ...], models: dict[str, str]
) -> np.ndarray:
    """Call a metric of clips with what it takes."""
    more = {"texts": texts, "model": models.get(metric.model)}
    values: np.ndarray = metric.load()(generated, reference, **{name: more[name] for name in metric.takes})
    return values


def _blocks(store: SegmentStore, windows: np.ndarray, block_s: float) -> np.ndarray:
    """Number stretches of ``block_s`` seconds of stimulus; neighbours share audio context and slow drift."""
    table = store.windows.iloc[windows]
    stimulus = table["stimulus"].astype("category").cat.codes.to_numpy(dtype=np.int64)
    return stimulus * 1_000_000 + (table["start_s"].to_numpy() // block_s).astype(np.int64)


def _retrieval(embedded: Path, table: pd.DataFrame, metrics: list[MetricSpec]) -> list[Values]:
    true = table["true"].to_numpy()
    measured = []
    for condition in conditions_in(embedded):
        scores = np.load(embedded / f"scores_{condition}.npy")
        for metric in metrics:
            function = metric.load()
            guess = float(function(np.zeros((1, scores.shape[1])), np.zeros(1, dtype=np.int64))[0])
            chance = guess if np.isfinite(guess) else None
            measured.append(Values(metric, condition, function(scores, true), table, chance, scores.shape[1]))
    return measured


def _quality(
    embedded: Path,
    generated: Path,
    ceilings: Path,
    table: pd.DataFrame,
    metrics: list[MetricSpec],
    judge: Callable[[MetricSpec, Clips, Clips], np.ndarray],
    progress: Callable[[str, float], None],
) -> list[Values]:
    from eeg2speech_bench.benchmarks.audio_files import load_clips
    from eeg2speech_bench.benchmarks.stages.ceilings import CEILINGS

    clips = table[table["clip"] >= 0].sort_values("clip")
    reference = load_clips(ceilings, "reference")
    names = (*conditions_in(embedded), *CEILINGS)
    measured = []
    for i, name in enumerate(names):
        progress(name, i / len(names))
        made = load_clips(ceilings if name in CEILINGS else generated, name)
        for metric in metrics:
            chance = 1 / len(clips) if metric.chance == "1/n" else metric.chance
            measured.append(Values(metric, name, judge(metric, made, reference), clips, chance, len(clips)))
    return measured


def _defined(measured: list[Values]) -> list[Values]:
    """Leave out segments on which a metric is not defined under every condition, and metrics that have none left."""
    keep: dict[str, np.ndarray] = {}
    for v in measured:
        keep[v.metric.name] = keep.get(v.metric.name, np.True_) & np.isfinite(v.values)
    return [
        replace(v, values=v.values[keep[v.metric.name]], table=v.table[keep[v.metric.name]])
        for v in measured
        if keep[v.metric.name].any()
    ]


def _units(table: pd.DataFrame) -> np.ndarray:
    """Label what is exchangeable: a stretch of neighbouring segments within one recording.

    If the EEG carries nothing, it and its control are exchangeable within every such stretch, whatever listeners and
    audio are like; that is the hypothesis tested here, for these recordings.
    """
    return (table["recording"].astype(str) + ":" + table["block"].astype(str)).to_numpy()


def _summary(measured: Values, config: ScoresConfig, seed: int, subjects: list[str]) -> dict[str, Any]:
    metric, values, table = measured.metric, measured.values, measured.table
    subject = table["subject"].to_numpy()
    interval = statistics.hierarchical_bootstrap(
        values,
        subject,
        table["block"].to_numpy(),
        n_resamples=config.n_bootstrap,
        confidence=config.confidence,
        seed=derive_seed(seed, "bootstrap", metric.name, measured.condition),
        aggregate=metric.aggregate,
        shared_blocks=True,  # all listeners heard the same audio, so a block is easy or hard for all of them
    )
    aggregate = np.median if metric.aggregate == "median" else np.mean
    return {
        "name": metric.name,
        "version": metric.version,
        "condition": measured.condition,
        "value": statistics.estimate(values, subject, metric.aggregate),
        "low": interval.low,
        "high": interval.high,
        "confidence": config.confidence,
        "n": len(values),
        "n_pool": measured.n_pool,
        "chance": measured.chance,
        "unit": metric.unit,
        "aggregate": metric.aggregate,
        "higher_is_better": metric.higher_is_better,
        "per_subject": {subjects[s]: float(aggregate(values[subject == s])) for s in np.unique(subject)},
    }


def _tests(measured: list[Values], config: ScoresConfig, seed: int) -> list[dict[str, Any]]:
    """Test the EEG against every no-signal control, segment by segment, on every metric."""
    by_key = {(v.metric.name, v.condition): v for v in measured}
    tests = []
    for (name, condition), eeg in by_key.items():
        if condition != "eeg":
            continue
        sign = 1 if eeg.metric.higher_is_better else -1
        for control in NO_SIGNAL:
            if (name, control) not in by_key:
                continue
            test = statistics.paired_sign_flip(
                sign * (eeg.values - by_key[name, control].values),
                _units(eeg.table),
                n_permutations=config.n_permutations,
                seed=derive_seed(seed, "permutation", name, control),
            )
            tests.append(
                {
                    "metric": name,
                    "control": control,
                    "p": test.p,
                    "effect": sign * test.effect,
                    "dz": test.dz,
                    "n_units": test.n_units,
                    "exact": test.exact,
                }
            )
    return tests


def _verdict(tests: list[dict[str, Any]], headline: list[MetricSpec], alpha: float) -> dict[str, Any]:
    """Say for each headline metric whether the EEG beats *every* no-signal control.

    All have to be beaten, so the largest p decides and needs no further correction (intersection-union test,
    Berger 1982).
    """
    verdict = {}
    for metric in headline:
        own = [test for test in tests if test["metric"] == metric.name]
        if own:
            worst = max(own, key=lambda test: test["p"])
            verdict[metric.name] = {
                "distinguishable": worst["p"] < alpha,
                "p": worst["p"],
                "hardest_control": worst["control"],
                "alpha": alpha,
            }
    return verdict


def _write_segments(out: Path, measured: list[Values], store: SegmentStore) -> None:
    subjects = np.asarray(store.meta["subjects"])
    windows = store.windows
    parts = []
    for v in measured:
        window = v.table["window"].to_numpy()
        parts.append(
            pd.DataFrame(
                {
                    "metric": v.metric.name,
                    "condition": v.condition,
                    "subject": subjects[v.table["subject"].to_numpy()],
                    "recording": v.table["recording"].to_numpy(),
                    "stimulus": windows["stimulus"].to_numpy()[window],
                    "start_s": windows["start_s"].to_numpy()[window],
                    "block": v.table["block"].to_numpy(),
                    "value": v.values,
                }
            )
        )
    pd.concat(parts, ignore_index=True).to_parquet(out / "segments.parquet")

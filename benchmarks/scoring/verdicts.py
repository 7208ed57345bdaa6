"""Decides whether a cell carries signal: intervals, tests against every control, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from eeg2speech_bench.benchmarks.scoring.values import MetricValues, SetValue
from eeg2speech_bench.core.conditions import CONTROLS
from eeg2speech_bench.core.presets.config import ScoresConfig
from eeg2speech_bench.core.records.metrics import ControlTest, Metric, SetScore, Verdict
from eeg2speech_bench.core.specs import MetricSpec
from eeg2speech_bench.core.statistics import resampling as statistics
from eeg2speech_bench.core.statistics.proportions import proportion_interval
from eeg2speech_bench.core.training.seeding import derive_seed


def exchangeable_units(table: pd.DataFrame, modality: str) -> np.ndarray:
    """Label the units that can be exchanged: stretches of neighbouring segments within one recording.

    If the EEG carries nothing, it and its control are exchangeable within every such stretch, whatever listeners and
    audio are like; that is the hypothesis tested here, for these recordings. What is read from the transcript or the
    sound is the same for every listener, so there a stretch of audio counts once.
    """
    if modality != "eeg":
        return table["block"].to_numpy()
    return (table["recording"].astype(str) + ":" + table["block"].astype(str)).to_numpy()


def summarise(measured: MetricValues, config: ScoresConfig, seed: int, subjects: list[str]) -> Metric:
    """Return the record's entry of one metric under one condition: value, interval, levels, listeners."""
    metric, values, table, levels = measured.metric, measured.values, measured.table, measured.levels
    subject = table["subject"].to_numpy()
    interval = statistics.hierarchical_bootstrap(
        values,
        subject,
        table["block"].to_numpy(),
        n_resamples=config.n_bootstrap,
        confidence=config.confidence,
        seed=derive_seed(seed, "bootstrap", metric.name, measured.condition),
        aggregate=metric.aggregate,
    )
    if metric.aggregate == "mean" and np.isin(values, (0.0, 1.0)).all():
        exact = proportion_interval(int(values.sum()), len(values), config.confidence)
        interval = statistics.Interval(min(interval.low, exact.low), max(interval.high, exact.high))
    aggregate = np.median if metric.aggregate == "median" else np.mean
    return Metric(
        **about(metric),
        condition=measured.condition,
        value=statistics.estimate(values, subject, metric.aggregate),
        low=interval.low,
        high=interval.high,
        confidence=config.confidence,
        n=len(values),
        pool=metric.pool,
        n_pool=levels.n_pool,
        chance=levels.chance,
        chance_band=levels.band,
        chance_uniform=levels.chance_uniform,
        baseline=levels.baseline,
        aggregate=metric.aggregate,
        per_subject={subjects[s]: float(aggregate(values[subject == s])) for s in np.unique(subject)},
    )


def summarise_set(made: SetValue) -> SetScore:
    """Return the record's entry of one metric of all clips under one condition."""
    return SetScore(**about(made.metric), condition=made.condition, value=made.value, n=made.n_clips, floor=made.floor)


def implausible(entries: Iterable[Metric | SetScore]) -> dict[str, str]:
    """Return the metrics with an entry that no record may hold, and why: a range that the metric itself declared."""
    return {entry.name: flaw for entry in entries if (flaw := entry.flaw())}


def about(metric: MetricSpec) -> dict[str, Any]:
    """Return what every entry of a metric says of it, so that a record is read without the metric's plugin."""
    return {
        "name": metric.name,
        "version": metric.version,
        "label": metric.label,
        "note": metric.note,
        "unit": metric.unit,
        "lowest": metric.low,
        "highest": metric.high,
        "higher_is_better": metric.higher_is_better,
    }


def compare_with_controls(
    measured: list[MetricValues], config: ScoresConfig, seed: int, modality: str
) -> list[ControlTest]:
    """Test the signal against every no-signal control, segment by segment, on every metric."""
    by_key = {(v.metric.name, v.condition): v for v in measured}
    tests = []
    for (name, condition), eeg in by_key.items():
        if condition != "eeg":
            continue
        sign = 1 if eeg.metric.higher_is_better else -1
        for control in CONTROLS:
            if (name, control) not in by_key:
                continue
            test = statistics.paired_sign_flip(
                sign * (eeg.values - by_key[name, control].values),
                exchangeable_units(eeg.table, modality),
                n_permutations=config.n_permutations,
                seed=derive_seed(seed, "permutation", name, control),
            )
            tests.append(
                ControlTest(
                    metric=name,
                    control=control,
                    p=test.p,
                    effect=sign * test.effect,
                    dz=test.dz,
                    n_units=test.n_units,
                    exact=test.exact,
                )
            )
    return tests


def decide(tests: list[ControlTest], headline: list[MetricSpec], alpha: float) -> dict[str, Verdict]:
    """Say for each headline metric whether the EEG beats *every* no-signal control.

    All have to be beaten, so the largest p decides and needs no further correction (intersection-union test,
    Berger 1982). Of controls with one p, such as the least that the permutations can give, the hardest is the one that
    comes closest.
    """
    verdict = {}
    for metric in headline:
        own = [test for test in tests if test.metric == metric.name]
        if own:
            sign = 1 if metric.higher_is_better else -1
            worst = max(own, key=lambda test: (test.p, -sign * test.effect))
            verdict[metric.name] = Verdict(
                distinguishable=worst.p < alpha, p=worst.p, hardest_control=worst.control, alpha=alpha
            )
    return verdict

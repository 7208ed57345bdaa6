"""Measures retrieval by every metric of scores, in its pool, under every condition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from eeg2speech_bench.benchmarks.metrics import pools, retrieval
from eeg2speech_bench.benchmarks.metrics import word_retrieval as words
from eeg2speech_bench.benchmarks.scoring.metric_calls import segment_values, skipping
from eeg2speech_bench.benchmarks.scoring.values import MetricValues, ReferenceLevels
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.specs import MetricSpec
from eeg2speech_bench.core.statistics import resampling as statistics
from eeg2speech_bench.core.training.seeding import derive_seed


@dataclass(frozen=True)
class RetrievalScores:
    """Names the scores of segments against windows, with both tables.

    Attributes
    ----------
    folder : Path
        A finished stage with ``scores_<condition>.npy`` (n, m) for every condition.
    conditions : tuple of str
        Their names; none if there were too few windows to score.
    table : DataFrame
        The n segments: subject, recording, stimulus, start_s, block, and ``true``, the row of ``windows``.
    windows : DataFrame
        The m windows, with the columns that `pools` asks for.
    """

    folder: Path
    conditions: tuple[str, ...]
    table: pd.DataFrame
    windows: pd.DataFrame


def describe_windows(store: SegmentStore, windows: np.ndarray) -> pd.DataFrame:
    """Describe stimulus windows as `pools` asks: stimulus, start_s, stop_s, sentence, level_db, speech_s."""
    table = store.windows.iloc[windows][["stimulus", "start_s"]].reset_index(drop=True)
    table["stop_s"] = table["start_s"] + store.window_s
    table["sentence"] = _sentences(table, store.words)
    return table.join(pools.sound_profile(store.gather_sound(windows), store.sound_rate_hz))


def _sentences(table: pd.DataFrame, words: pd.DataFrame) -> np.ndarray:
    """Return the sentence of the word that is nearest to the middle of each window; NaN if it has none or no word."""
    sentences = np.full(len(table), np.nan)
    known = words[words["sentence"] >= 0]
    for stimulus, rows in table.groupby("stimulus", sort=False).indices.items():
        own = known[known["stimulus"] == stimulus]
        if own.empty:
            continue
        start, stop = table["start_s"].to_numpy()[rows, None], table["stop_s"].to_numpy()[rows, None]
        middle = (start + stop) / 2
        distance = np.maximum(own["start_s"].to_numpy() - middle, middle - own["stop_s"].to_numpy()).clip(0)
        nearest = distance.argmin(axis=1)
        inside = distance.min(axis=1) < (stop - start)[:, 0] / 2
        sentences[rows[inside]] = own["sentence"].to_numpy()[nearest[inside]]
    return sentences


def measure_scores(
    scored: RetrievalScores, metrics: list[MetricSpec], *, confidence: float, seed: int
) -> tuple[list[MetricValues], dict[str, str]]:
    """Measure metrics of scores under every condition of a finished stage.

    Returns
    -------
    measured : list of MetricValues
    skipped : dict of str to str
        Metrics whose pool cannot be made of these windows and metrics that failed, with the reason.
    """
    skipped = {m.name: reason for m in metrics if m.pool and (reason := pools.why_impossible(m.pool, scored.windows))}
    true = scored.table["true"].to_numpy()
    measured: list[MetricValues] = []
    for metric in metrics:
        if metric.name in skipped:
            continue
        with skipping(metric, skipped):
            function, levels = _bind_metric(metric, scored, confidence, derive_seed(seed, "chance", metric.name))
            under = {name: function(np.load(scored.folder / f"scores_{name}.npy"), true) for name in scored.conditions}
            values = {name: segment_values(returned, len(true)) for name, returned in under.items()}
            measured += [MetricValues(metric, name, v, scored.table, levels) for name, v in values.items()]
    return measured, skipped


def _bind_metric(
    metric: MetricSpec, scored: RetrievalScores, confidence: float, seed: int
) -> tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], ReferenceLevels]:
    """Give a metric all but the scores and true columns, and say what guessing reaches."""
    if "words" in metric.takes:
        spelling = scored.windows["word"].to_numpy(dtype=str)
        return partial(metric.load(), words=spelling), _word_levels(metric, scored, spelling)
    true, function = scored.table["true"].to_numpy(), metric.load()
    pool = np.ones((len(true), len(scored.windows)), dtype=bool)
    if metric.pool:
        pool = pools.candidates(metric.pool, scored.windows, true, scored.table["recording"].to_numpy())
        function = partial(function, pool=pool)
    guessed = segment_values(function(np.zeros(pool.shape), true), len(true))
    sizes, defined = pool.sum(axis=1), np.isfinite(guessed)
    n_pool = pools.SIZES.get(metric.pool) or round(float(sizes[defined].mean() if defined.any() else sizes.mean()))
    # all listeners to one window are right or wrong together where the EEG is ignored
    first = np.unique(true, return_index=True)[1]
    band = retrieval.chance_band(
        metric.load(), sizes[first], confidence=confidence, aggregate=metric.aggregate, seed=seed
    )
    return function, ReferenceLevels(
        n_pool, _guessing_level(metric, guessed, scored.table), list(band) if np.isfinite(band).all() else None
    )


def _word_levels(metric: MetricSpec, scored: RetrievalScores, spelling: np.ndarray) -> ReferenceLevels:
    """Return both chances of a metric of words; the pool is the vocabulary, and has no band of its own."""
    function, true = metric.load(), scored.table["true"].to_numpy()
    by_frequency = _guessing_level(metric, words.frequency_chance(function, true, spelling), scored.table)
    uniform = _guessing_level(metric, words.uniform_chance(function, true, spelling), scored.table)
    known = [level for level in (by_frequency, uniform) if level is not None]
    return ReferenceLevels(len(set(spelling) - {""}), max(known, default=None), chance_uniform=uniform)


def _guessing_level(metric: MetricSpec, guessed: np.ndarray, table: pd.DataFrame) -> float | None:
    """Aggregate what guessing gives as the values themselves are aggregated."""
    defined = np.isfinite(guessed)
    if not defined.any():
        return None
    if np.ptp(guessed[defined]) == 0:  # pools of one size: no sum whose rounding would show
        return float(guessed[defined][0])
    return statistics.estimate(guessed[defined], table["subject"].to_numpy()[defined], metric.aggregate)

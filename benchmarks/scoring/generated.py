"""Measures generated speech under every condition and ceiling, clip by clip and all clips together."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from eeg2speech_bench.benchmarks.inputs.audio_files import load_clips
from eeg2speech_bench.benchmarks.metrics import retrieval
from eeg2speech_bench.benchmarks.metrics.identification import count_candidates
from eeg2speech_bench.benchmarks.scoring.metric_calls import segment_values, set_value, skipping
from eeg2speech_bench.benchmarks.scoring.values import MetricValues, ReferenceLevels, SetValue
from eeg2speech_bench.core.generator.mel import MelSpectrogram, normalise_waveform
from eeg2speech_bench.core.segments.clips import Clips
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.specs import MetricSpec, Spec
from eeg2speech_bench.core.statistics.spacing import evenly_spaced
from eeg2speech_bench.core.terminal.progress import Progress
from eeg2speech_bench.core.training.seeding import derive_seed


@dataclass(frozen=True)
class JudgedClips:
    """Holds the clips to be judged, and the true speech to judge them by.

    Attributes
    ----------
    folders : dict of str to Path
        Where the clips of each condition and ceiling lie.
    table : DataFrame
        The segments, in the order of the clips.
    texts : tuple of str
        Words spoken in each.
    reference : Clips
        The true audio.
    other : Clips, optional
        As many clips of real speech that is none of them.
    models : dict of str to str
        Path or hub id of what judges, by the key that metrics know it by.
    """

    folders: dict[str, Path]
    table: pd.DataFrame = field(repr=False)
    texts: tuple[str, ...] = field(repr=False)
    reference: Clips = field(repr=False)
    other: Clips | None = field(repr=False)
    models: dict[str, str]

    def judge(self, metric: MetricSpec, made: Clips) -> Any:
        """Call a metric with the arguments that it takes."""
        more = {"texts": self.texts, "model": self.models.get(metric.model)}
        return metric.load()(made, self.reference, **{name: more[name] for name in metric.takes})

    def levels(self, metric: MetricSpec, confidence: float, seed: int) -> ReferenceLevels:
        """Return what a metric of clips gives without any knowledge of the clip."""
        baseline = None
        if metric.baseline:
            known = Spec(metric.name, metric.baseline).load()(metric.load(), self.reference)
            baseline = None if known is None or not np.isfinite(set_value(known)) else set_value(known)
        if not metric.identifies_by:
            return ReferenceLevels(len(self.table), metric.chance, baseline=baseline)
        rank = Spec(metric.name, metric.identifies_by).load()
        n = max(1, count_candidates(self.reference))
        chance = retrieval.chance(rank, n)
        band = retrieval.chance_band(
            rank, np.full(len(self.table), n), confidence=confidence, aggregate=metric.aggregate, seed=seed
        )
        known = np.isfinite(chance)
        return ReferenceLevels(n, chance if known else None, list(band) if known else None, baseline=baseline)


def training_speech(store: SegmentStore, n: int) -> Clips | None:
    """Gather ``n`` evenly spaced training windows as clips; None if there are fewer."""
    windows = np.flatnonzero((store.windows["split"] == "train").to_numpy())
    if len(windows) < n:
        return None
    chosen = windows[evenly_spaced(len(windows), n)]
    wave = normalise_waveform(torch.from_numpy(store.gather_sound(chosen)))
    return Clips(wave.numpy(), MelSpectrogram()(wave).numpy())


def measure_clips(
    heard: JudgedClips, metrics: list[MetricSpec], progress: Progress, *, confidence: float, seed: int
) -> tuple[list[MetricValues], list[SetValue], dict[str, str]]:
    """Measure metrics of clips and of sets under every condition and ceiling, and some of the true speech.

    Returns
    -------
    measured : list of MetricValues
        Of metrics of clips.
    sets : list of SetValue
        Of metrics of sets.
    skipped : dict of str to str
        Metrics that failed, with the reason.
    """
    of_clips, of_sets = ([m for m in metrics if m.needs == needs] for needs in ("clips", "set"))
    skipped: dict[str, str] = {}
    levels: dict[str, ReferenceLevels] = {}
    floors: dict[str, float | None] = {}
    for m in of_clips:
        with skipping(m, skipped):
            levels[m.name] = heard.levels(m, confidence, derive_seed(seed, "chance", m.name))
    for m in of_sets:
        with skipping(m, skipped):
            floors[m.name] = _floor(heard, m)
    measured: list[MetricValues] = []
    sets: list[SetValue] = []
    for i, (condition, folder) in enumerate(heard.folders.items()):
        progress(condition, i / len(heard.folders))
        # condition by condition: metrics that share a network remember what it said of the last two sets of clips
        asked = [m for m in (*of_clips, *of_sets) if m.alone or condition != "reference"]
        if not asked:
            continue
        made = load_clips(folder, condition)
        for m in (m for m in asked if m.name not in skipped):
            with skipping(m, skipped):
                judged = heard.judge(m, made)
                if m.needs == "set":
                    sets.append(SetValue(m, condition, set_value(judged), len(made), floors[m.name]))
                else:
                    values = segment_values(judged, len(heard.table))
                    measured.append(MetricValues(m, condition, values, heard.table, levels[m.name]))
    kept = [v for v in measured if v.metric.name not in skipped], [s for s in sets if s.metric.name not in skipped]
    return *kept, skipped


def _floor(heard: JudgedClips, metric: MetricSpec) -> float | None:
    floor = set_value(heard.judge(metric, heard.other)) if heard.other is not None else np.nan
    return floor if np.isfinite(floor) else None

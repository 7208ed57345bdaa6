"""Metrics that compare nothing with the true speech are measured by it too: what a recogniser errs on anyway."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eeg2speech_bench.benchmarks.inputs.audio_files import load_clips, save_clips
from eeg2speech_bench.benchmarks.scoring.generated import JudgedClips, measure_clips
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.specs import MetricSpec

#: any function of two sets of clips does
TARGET = "eeg2speech_bench.benchmarks.metrics.quality:mel_correlation"


def test_only_metrics_that_stand_alone_are_measured_on_the_true_speech(tmp_path):
    rng = np.random.default_rng(0)
    import torch

    for name in ("eeg", "reference"):
        save_clips(tmp_path, name, torch.from_numpy(0.1 * rng.standard_normal((2, 16_000)).astype(np.float32)))
    clips = JudgedClips(
        folders={"eeg": tmp_path, "reference": tmp_path},
        table=pd.DataFrame({"subject": [0, 0]}),
        texts=("", ""),
        reference=load_clips(tmp_path, "reference"),
        other=None,
        models={},
    )
    specs = [MetricSpec(name, TARGET, "", needs="clips", alone=name == "alone") for name in ("beside", "alone")]
    measured, _, skipped = measure_clips(clips, specs, lambda *_: None, confidence=0.95, seed=0)
    assert skipped == {}
    found = {(values.metric.name, values.condition): values.values for values in measured}
    assert set(found) == {("beside", "eeg"), ("alone", "eeg"), ("alone", "reference")}
    np.testing.assert_allclose(found["alone", "reference"], 1.0, atol=1e-6)


def test_what_hears_words_or_a_voice_stands_alone():
    alone = {metric.name for metric in load_registry().all("metric") if metric.alone}
    assert alone == {
        "wer",
        "cer",
        "word_hits",
        "distillmos",
        *(f"dnsmos{x}" for x in ("", "_signal", "_background", "_p808")),
    }

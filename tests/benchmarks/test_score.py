"""Scores: intervals, tests and verdicts of planted signal and of none."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from eeg2speech_bench.benchmarks.controls import CONDITIONS
from eeg2speech_bench.benchmarks.stages import score
from eeg2speech_bench.core.clips import Clips
from eeg2speech_bench.core.config import ScoresConfig
from eeg2speech_bench.core.registry import load_registry

CONFIG = ScoresConfig(n_bootstrap=200, n_permutations=2000, block_s=4.0)


def planted(path, store, strength: float) -> None:
    """Write what the ``embed`` stage would: scores with the true column raised under the EEG, noise elsewhere."""
    path.mkdir()
    rng = np.random.default_rng(0)
    rows = np.tile(store.indices("test"), 20)  # many presentations, so that there is power
    table = store.segments.iloc[rows].reset_index(drop=True)
    pool = np.unique(table["window"])
    table = table.assign(true=np.searchsorted(pool, table["window"]), clip=-1, recording=np.arange(len(rows)) // 4)
    table.to_parquet(path / "segments.parquet")
    for condition in CONDITIONS:
        scores = rng.standard_normal((len(rows), len(pool)))
        if condition in ("eeg", "audio"):
            scores[np.arange(len(rows)), table["true"]] += strength if condition == "eeg" else 100
        np.save(path / f"scores_{condition}.npy", scores * (condition != "none"))


def run(tmp_path, store, strength: float) -> dict:
    planted(tmp_path / "embed", store, strength)
    (tmp_path / "out").mkdir()
    metrics = load_registry().all("metric")
    arguments = {"prepared": store.path, "embedded": tmp_path / "embed", "generated": None}
    arguments |= {"ceilings": None, "metrics": metrics}
    score.run(tmp_path / "out", lambda note, share: None, **arguments, config=CONFIG, seed=0)
    return json.loads((tmp_path / "out" / "scores.json").read_text())


def entry(scores, name, condition="eeg"):
    return next(m for m in scores["metrics"] if (m["name"], m["condition"]) == (name, condition))


def test_planted_signal_beats_every_control(tmp_path, store):
    scores = run(tmp_path, store, strength=2.0)
    assert scores["verdict"]["top1"]["distinguishable"]
    assert scores["verdict"]["top1"]["p"] < 0.01
    assert {test["control"] for test in scores["tests"]} == {"shift", "phase", "shuffle", "mean", "none"}


def test_no_signal_is_not_distinguishable(tmp_path, store):
    verdict = run(tmp_path, store, strength=0.0)["verdict"]["top1"]
    assert not verdict["distinguishable"]


def test_the_hardest_control_decides(tmp_path, store):
    scores = run(tmp_path, store, strength=1.0)
    ps = {test["control"]: test["p"] for test in scores["tests"] if test["metric"] == "top1"}
    assert scores["verdict"]["top1"]["p"] == max(ps.values())
    assert ps[scores["verdict"]["top1"]["hardest_control"]] == max(ps.values())


def test_values_are_means_over_listeners_and_lie_in_their_interval(tmp_path, store):
    scores = run(tmp_path, store, strength=2.0)
    top1 = entry(scores, "top1")
    assert top1["value"] == pytest.approx(np.mean(list(top1["per_subject"].values())))
    assert top1["low"] <= top1["value"] <= top1["high"]
    assert (top1["chance"], top1["n_pool"], top1["n"]) == (0.25, 4, 240)
    table = pd.read_parquet(tmp_path / "out" / "segments.parquet")
    own = table[(table["metric"] == "top1") & (table["condition"] == "eeg")]
    assert own.groupby("subject")["value"].mean().to_dict() == pytest.approx(top1["per_subject"])


def test_metrics_that_the_pool_leaves_undefined_are_left_out(tmp_path, store):
    names = {metric["name"] for metric in run(tmp_path, store, strength=1.0)["metrics"]}
    assert names == {"top1", "mrr", "median_rank", "match_mismatch"}  # four candidates: the best five are all of them


def clips(n: int = 6) -> Clips:
    rng = np.random.default_rng(0)
    return Clips(rng.standard_normal((n, 16_000)).astype(np.float32) / 10, rng.standard_normal((n, 100, 64)))


def write_clips(path, names) -> None:
    path.mkdir()
    for name in names:
        np.save(path / f"{name}.npy", (clips().waveform * 3000).astype(np.int16))


def test_what_was_asked_for_and_cannot_be_measured_is_named_with_the_reason(tmp_path, store):
    planted(tmp_path / "embed", store, 1.0)
    table = pd.read_parquet(tmp_path / "embed" / "segments.parquet")
    table.loc[table.index[:6], "clip"] = np.arange(6)
    table.to_parquet(tmp_path / "embed" / "segments.parquet")
    write_clips(tmp_path / "generated", CONDITIONS)
    write_clips(tmp_path / "ceilings", ("reference", "vocoder", "autoencoder"))
    (tmp_path / "out").mkdir()
    names = ("top1", "identification", "wer")
    score.run(
        tmp_path / "out",
        lambda note, share: None,
        prepared=store.path,
        embedded=tmp_path / "embed",
        generated=tmp_path / "generated",
        ceilings=tmp_path / "ceilings",
        metrics=[m for m in load_registry().all("metric") if m.name in names],
        config=CONFIG.model_copy(update={"extended": True}),
        seed=0,
    )
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert {m["name"] for m in scores["metrics"]} == {"top1", "identification"}
    assert set(scores["skipped"]) == {"wer"}
    assert "scores.models.whisper" in scores["skipped"]["wer"] or "pip install" in scores["skipped"]["wer"]

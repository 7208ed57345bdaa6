"""Scores: intervals, tests and verdicts of planted signal and of none."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from eeg2speech_bench.benchmarks.metrics import availability
from eeg2speech_bench.benchmarks.scoring.retrieval import describe_windows
from eeg2speech_bench.benchmarks.scoring.values import MetricValues, ReferenceLevels, keep_defined
from eeg2speech_bench.benchmarks.scoring.verdicts import decide, summarise
from eeg2speech_bench.benchmarks.stage_inputs import ScoreInputs
from eeg2speech_bench.benchmarks.stages import score
from eeg2speech_bench.core.conditions import EMBEDDED
from eeg2speech_bench.core.errors import InterruptedRun
from eeg2speech_bench.core.presets.config import ScoresConfig
from eeg2speech_bench.core.records.metrics import ControlTest
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.specs import MetricSpec

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
    pd.DataFrame({"window": pool}).to_parquet(path / "pool.parquet")
    for condition in EMBEDDED:
        scores = rng.standard_normal((len(rows), len(pool)))
        if condition in ("eeg", "audio"):
            scores[np.arange(len(rows)), table["true"]] += strength if condition == "eeg" else 100
        np.save(path / f"scores_{condition}.npy", scores * (condition != "none"))


def run(tmp_path, store, strength: float, *, config=CONFIG, words=None, metrics=None, modality="eeg") -> dict:
    planted(tmp_path / "embed", store, strength)
    metrics = metrics or load_registry().all("metric")
    return scores_of(tmp_path, store, config=config, words=words, metrics=metrics, modality=modality)


def scores_of(tmp_path, store, *, config, metrics, words=None, clips=False, modality="eeg") -> dict:
    """Run the stage on what lies in a folder."""
    (tmp_path / "out").mkdir()
    inputs = ScoreInputs(
        prepared=store.path,
        embedded=tmp_path / "embed",
        words=words,
        generated=tmp_path / "generated" if clips else None,
        ceilings=tmp_path / "ceilings" if clips else None,
        conditions=EMBEDDED,
        metrics=tuple(metrics),
        scores=config,
        modality=modality,
        seed=0,
    )
    score.run(inputs, tmp_path / "out", lambda note, share: None)
    return json.loads((tmp_path / "out" / "scores.json").read_text())


def entry(scores, name, condition="eeg"):
    return next(m for m in scores["metrics"] if (m["name"], m["condition"]) == (name, condition))


@pytest.mark.parametrize("modality", ["text", "audio"])
def test_what_all_listeners_share_counts_once_for_each_stretch_of_audio(tmp_path, store, modality):
    def units(scores):
        return {test["n_units"] for test in scores["tests"] if test["metric"] == "top1"}

    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    (alike,) = units(run(tmp_path / "one", store, 0.0, modality=modality))
    (own,) = units(run(tmp_path / "other", store, 0.0))
    blocks = pd.read_parquet(tmp_path / "one" / "out" / "segments.parquet")["block"].nunique()
    assert alike == blocks < own


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


def test_metrics_that_the_pool_leaves_undefined_are_left_out_and_say_so(tmp_path, store):
    scores = run(tmp_path, store, strength=1.0)
    assert {"top5", "top10", "top1_of_50"}.isdisjoint(metric["name"] for metric in scores["metrics"])
    # four candidates: the best five are all of them
    assert scores["skipped"]["top5"] == "it is defined on no segment among 4 candidates"
    assert scores["skipped"]["top1_of_50"] == "Pool 'fixed-50' needs 50 windows, and there are 4"


# --- pools


def test_every_pool_has_its_own_chance_and_band(tmp_path, store):
    scores = run(tmp_path, store, strength=2.0)
    # test windows 16 to 18 and 18 to 20 s are of one sentence, the other two of the next
    same = entry(scores, "top1_same_sentence")
    assert (same["pool"], same["n_pool"], same["chance"]) == ("same-sentence", 2, 0.5)
    others = entry(scores, "top1_other_sentences")
    assert (others["pool"], others["n_pool"], others["chance"]) == ("other-sentences", 3, pytest.approx(1 / 3))
    for metric in scores["metrics"]:
        low, high = metric["chance_band"]
        assert low <= metric["chance"] <= high
    # four independent windows, each hit with 1 in 4: 0 and 3 of them are inside 95 %
    assert entry(scores, "top1")["chance_band"] == [0.0, 0.75]
    assert entry(scores, "top1")["pool"] == ""


def test_a_window_is_of_the_sentence_spoken_at_its_middle(store):
    assert describe_windows(store, np.array([7, 8, 9, 10]))["sentence"].tolist()[1:] == [0, 0, 1]
    assert np.isnan(describe_windows(store, np.array([7]))["sentence"][0])  # 14 to 16 s, before the first word


def test_data_without_sentences_or_words_say_which_metrics_that_costs(tmp_path, store):
    store.words.assign(sentence=-1).to_parquet(store.path / "words.parquet")
    config = CONFIG.model_copy(update={"extended": True})
    skipped = run(tmp_path, SegmentStore(store.path), strength=1.0, config=config)["skipped"]
    assert "needs the column 'sentence'" in skipped["top1_same_sentence"]
    assert "needs the column 'word'" in skipped["word_top1"]


def words_of_one_listener(path):
    """Write what the stage ``words`` would: twelve windows that start with ten words, found by the EEG alone."""
    path.mkdir()
    spelling = ["the"] * 3 + list("abcdefghi")
    start_s = 16 + 0.4 * np.arange(12)
    windows = pd.DataFrame({"stimulus": "s", "start_s": start_s, "stop_s": start_s + 2, "word": spelling})
    windows.to_parquet(path / "windows.parquet")
    table = windows[["stimulus", "start_s"]].assign(subject=0, recording=0, window=np.arange(12), true=np.arange(12))
    table.to_parquet(path / "segments.parquet")
    for condition in EMBEDDED:
        np.save(path / f"scores_{condition}.npy", np.eye(12) * 9 if condition == "eeg" else np.zeros((12, 12)))
    return path


def test_words_are_scored_against_both_chances_and_the_harder_one_counts(tmp_path, store):
    config = CONFIG.model_copy(update={"extended": True})
    scores = run(tmp_path, store, strength=1.0, config=config, words=words_of_one_listener(tmp_path / "words"))
    word = entry(scores, "word_top1")
    # always saying "the" is right in 3 of 12 windows; ten words are equally likely to who does not know that
    assert (word["value"], word["chance"], word["chance_uniform"]) == (1.0, pytest.approx(3 / 12), pytest.approx(0.1))
    assert (word["pool"], word["n_pool"], word["chance_band"]) == ("word-onset", 10, None)
    onset = entry(scores, "top10_word_onset")
    assert (onset["n"], onset["n_pool"], onset["chance"]) == (12, 12, pytest.approx(10 / 12))
    assert entry(scores, "word_top1", "none")["value"] == pytest.approx(word["chance"])


def test_too_few_windows_at_words_have_no_scores_to_measure(tmp_path, store):
    words = words_of_one_listener(tmp_path / "words")
    for name in ("windows", "segments"):
        pd.read_parquet(words / f"{name}.parquet")[:0].to_parquet(words / f"{name}.parquet")
    for file in words.glob("*.npy"):
        file.unlink()
    config = CONFIG.model_copy(update={"extended": True})
    scores = run(tmp_path, store, strength=1.0, config=config, words=words)
    measured = {metric["name"] for metric in scores["metrics"]}
    assert "top1" in measured
    assert not {"word_top1", "top1_word_onset"} & measured


def test_a_metric_that_leaves_the_range_that_it_declared_costs_itself(tmp_path, store):
    top1 = next(m for m in load_registry().all("metric") if m.name == "top1")
    scores = run(tmp_path, store, strength=1.0, metrics=[top1, replace(top1, name="mine", high=0.5)])
    assert {m["name"] for m in scores["metrics"]} == {test["metric"] for test in scores["tests"]} == {"top1"}
    assert set(pd.read_parquet(tmp_path / "out" / "segments.parquet")["metric"]) == {"top1"}
    assert scores["skipped"]["mine"] == "1.0 is no value of mine, which goes from 0 to 0.5"


def exits(*arguments, **options):
    raise SystemExit(1)


def raises(*arguments, **options):
    raise KeyError("embedding")


#: functions of metrics that fail, and what is said of them
FAILING = {
    "raises": (raises, "it failed: KeyError: 'embedding'"),
    "exits": (exits, "it failed: sys.exit(1) was called"),
    "short": (lambda scores, true, pool=None: np.zeros(len(true) - 1), "one number per segment: got ndarray of shape"),
    "single": (lambda scores, true, pool=None: 0.5, "one number per segment: got float of shape ()"),
    "words": (lambda scores, true, pool=None: ["a"] * len(true), "one number per segment: got list of shape"),
    "nothing": (lambda scores, true, pool=None: None, "one number per segment: got NoneType of shape ()"),
    "unequal": (lambda scores, true, pool=None: np.zeros(len(true)) if scores.any() else None, "got NoneType"),
}


@pytest.fixture
def own(monkeypatch):
    """Name of a plugin's module, and the module, which metrics may be put into."""
    module = ModuleType("own_metrics")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


@pytest.mark.parametrize(("function", "said"), FAILING.values(), ids=FAILING)
def test_a_metric_that_fails_costs_itself_alone(tmp_path, store, own, function, said):
    own.score = function
    top1 = next(m for m in load_registry().all("metric") if m.name == "top1")
    scores = run(tmp_path, store, strength=1.0, metrics=[top1, MetricSpec("mine", "own_metrics:score", "my score")])
    assert {m["name"] for m in scores["metrics"]} == {"top1"}
    assert said in scores["skipped"]["mine"]


@pytest.mark.parametrize("spec", [
    MetricSpec("mine", "own_metrics:gone"),
    MetricSpec("mine", "no_such_module_at_all:score"),
    MetricSpec("mine", "own_metrics:score", available="own_metrics:available"),
], ids=["function", "module", "available"])  # fmt: skip
def test_a_metric_that_cannot_be_called_costs_itself_alone(tmp_path, store, own, spec):
    own.score, own.available = FAILING["single"][0], raises
    top1 = next(m for m in load_registry().all("metric") if m.name == "top1")
    scores = run(tmp_path, store, strength=1.0, metrics=[top1, spec])
    assert {m["name"] for m in scores["metrics"]} == {"top1"}
    assert scores["skipped"]["mine"].startswith("it failed: ")


def test_a_stop_by_the_user_is_no_failure_of_a_metric(tmp_path, store, own):
    def stopped(scores, true, pool=None):
        raise InterruptedRun("stopped")

    own.score = stopped
    with pytest.raises(InterruptedRun):
        run(tmp_path, store, strength=1.0, metrics=[MetricSpec("mine", "own_metrics:score", "my score")])


def test_a_metric_in_a_pool_that_is_not_declared_is_left_out(tmp_path, store):
    top1 = next(m for m in load_registry().all("metric") if m.name == "top1")
    scores = run(tmp_path, store, strength=1.0, metrics=[top1, replace(top1, name="mine", pool="nowhere")])
    assert {m["name"] for m in scores["metrics"]} == {"top1"}
    assert scores["skipped"]["mine"].startswith("There is no pool 'nowhere'; there are fixed-50")


def test_a_metric_that_is_left_with_one_block_of_one_listener_is_left_out(store):
    table = pd.DataFrame({"subject": [0, 1], "block": [0, 0]})
    metric, levels = MetricSpec("m", "nowhere:m"), ReferenceLevels(3)
    kept, skipped = keep_defined([MetricValues(metric, "eeg", np.array([1.0, np.nan]), table, levels)])
    assert not kept and "single block of one listener" in skipped["m"]
    kept, skipped = keep_defined([MetricValues(metric, "eeg", np.array([1.0, 0.0]), table, levels)])
    assert len(kept) == 1 and not skipped


# --- clips and sets


def noise(n: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, 32_000)) / 10


def write_clips(path, names, waves) -> None:
    path.mkdir()
    for name in names:
        np.save(path / f"{name}.npy", (waves * 30_000).round().astype(np.int16))


def run_with_clips(tmp_path, store, names, reference, *, extended=False, more=()) -> dict:
    """Score as many clips as there are references; all conditions are noise and the ceilings are the references."""
    planted(tmp_path / "embed", store, 1.0)
    table = pd.read_parquet(tmp_path / "embed" / "segments.parquet")
    table.loc[table.index[: len(reference)], "clip"] = np.arange(len(reference))
    table.to_parquet(tmp_path / "embed" / "segments.parquet")
    write_clips(tmp_path / "generated", EMBEDDED, noise(len(reference)))
    write_clips(tmp_path / "ceilings", ("reference", "vocoder", "autoencoder"), reference)
    metrics = [m for m in load_registry().all("metric") if m.name in names]
    config = CONFIG.model_copy(update={"extended": extended})
    return scores_of(tmp_path, store, config=config, metrics=[*metrics, *more], clips=True)


@pytest.mark.parametrize("needs", ["clips", "set"])
@pytest.mark.parametrize("function", [raises, exits, lambda made, true: "loud", lambda made, true: np.zeros(2)])
def test_a_metric_of_clips_that_fails_costs_itself_alone(tmp_path, store, own, needs, function):
    own.score = function
    mine = MetricSpec("mine", "own_metrics:score", needs=needs)
    scores = run_with_clips(tmp_path, store, ("mel_correlation", "variance_ratio"), noise(6), more=[mine])
    assert {m["name"] for m in (*scores["metrics"], *scores["sets"])} == {"mel_correlation", "variance_ratio"}
    assert scores["skipped"]["mine"].startswith("it failed: ")


def test_a_metric_of_clips_that_fails_under_one_condition_has_no_values(tmp_path, store, own):
    calls = iter(range(100))
    own.score = lambda made, true: np.ones(len(made)) if next(calls) < 2 else raises()
    mine = MetricSpec("mine", "own_metrics:score", needs="clips")
    scores = run_with_clips(tmp_path, store, ("mel_correlation",), noise(6), more=[mine])
    assert {m["name"] for m in scores["metrics"]} == {"mel_correlation"}
    assert scores["skipped"]["mine"] == "it failed: KeyError: 'embedding'"


def test_what_was_asked_for_and_cannot_be_measured_is_named_with_the_reason(tmp_path, store, monkeypatch):
    monkeypatch.setattr(availability, "find_spec", lambda name: None)
    scores = run_with_clips(tmp_path, store, ("top1", "identification", "wer"), noise(6), extended=True)
    assert {m["name"] for m in scores["metrics"]} == {"top1", "identification"}
    assert set(scores["skipped"]) == {"wer"}
    assert "pip install faster-whisper" in scores["skipped"]["wer"]


def test_identification_has_the_chance_and_band_of_its_candidates(tmp_path, store):
    reference = noise(6)[[0, 1, 2, 3, 4, 4]]  # two listeners heard the same: five candidates
    found = entry(run_with_clips(tmp_path, store, ("identification",), reference), "identification")
    assert (found["n_pool"], found["chance"]) == (5, pytest.approx(0.2))
    assert found["chance_band"][0] == 0.0 and 0.3 < found["chance_band"][1] < 0.9


def test_the_mean_spectrum_stands_beside_the_conventions_that_it_inflates(tmp_path, store):
    names = ("mel_correlation", "mel_correlation_over_bands", "estoi")
    tilted = np.cumsum(noise(6), axis=1)  # 6 dB per octave, which is all that the clips have in common
    tilted -= np.linspace(tilted[:, 0], tilted[:, -1], tilted.shape[1], axis=1)
    scores = run_with_clips(tmp_path, store, names, tilted / np.abs(tilted).max(axis=1, keepdims=True))
    assert entry(scores, "mel_correlation")["baseline"] == 0.0
    assert entry(scores, "mel_correlation_over_bands")["baseline"] > 0.5
    assert entry(scores, "estoi")["baseline"] is None


def test_sets_have_one_value_per_condition_beside_that_of_other_real_speech(tmp_path, store):
    # the references are the training windows themselves, as the stage ``ceilings`` writes true audio
    true = store.gather_sound(np.arange(6)).astype(np.float64)
    true -= true.mean(axis=1, keepdims=True)
    true /= 2 * np.abs(true).max(axis=1, keepdims=True)
    scores = run_with_clips(tmp_path, store, ("top1", "variance_ratio", "frechet_cepstral"), true)
    assert {entry["condition"] for entry in scores["sets"]} == {*EMBEDDED, "vocoder", "autoencoder"}
    by_condition = {entry["condition"]: entry for entry in scores["sets"]}
    expected = {"name": "variance_ratio", "version": 1, "n": 6, "unit": "", "higher_is_better": True}
    assert expected.items() <= by_condition["vocoder"].items()
    assert by_condition["vocoder"]["value"] == pytest.approx(1)
    assert by_condition["eeg"]["floor"] == pytest.approx(1, abs=0.01)
    assert "not defined for these 6 clips" in scores["skipped"]["frechet_cepstral"]


def test_there_is_no_floor_where_there_is_less_other_speech_than_clips(tmp_path, store):
    scores = run_with_clips(tmp_path, store, ("top1", "variance_ratio"), noise(7))  # six training windows
    assert [entry["floor"] for entry in scores["sets"]] == [None] * 9


def test_of_controls_with_one_p_the_hardest_is_the_one_that_comes_closest():
    (top1,) = (m for m in load_registry().all("metric") if m.name == "top1")
    tests = [ControlTest(metric="top1", control=c, p=p, effect=e, dz=None, n_units=9, exact=False) for c, p, e in (
        ("shift", 1e-4, 0.6), ("phase", 1e-4, 0.5), ("mean", 1e-5, 0.1))]  # fmt: skip
    assert decide(tests, [top1], 0.05)["top1"].hardest_control == "phase"
    lower = [test.model_copy(update={"effect": -test.effect}) for test in tests]
    assert decide(lower, [replace(top1, higher_is_better=False)], 0.05)["top1"].hardest_control == "phase"


@pytest.mark.parametrize(("value", "low", "high"), [(0.0, 0.0, 1 - 0.025**0.05), (1.0, 0.025**0.05, 1.0)])
def test_hits_of_all_or_none_do_not_claim_to_be_certain(value, low, high):
    table = pd.DataFrame({"subject": np.repeat([0, 1], 10), "block": np.tile(np.arange(10), 2)})
    metric = MetricSpec("hits", "simulated:none", "hit or miss")
    values = MetricValues(metric, "eeg", np.full(20, value), table, ReferenceLevels(10, 0.1))
    entry = summarise(values, CONFIG, 0, ["01", "02"])
    assert (entry.low, entry.high) == pytest.approx((low, high))

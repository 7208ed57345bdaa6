"""The search for settings is the same for all encoders, costs two budgets, and looks at validation alone."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from eeg2speech_bench.benchmarks.given_encoders import register_encoder
from eeg2speech_bench.benchmarks.halving import SEARCH_BUDGETS, rungs
from eeg2speech_bench.benchmarks.models.pair import Pair
from eeg2speech_bench.benchmarks.stage_inputs import AlignInputs, FeaturesInputs, TuneInputs
from eeg2speech_bench.benchmarks.stage_runs import run_stage
from eeg2speech_bench.benchmarks.stages import tune
from eeg2speech_bench.benchmarks.stages.tune import draw_candidates
from eeg2speech_bench.core.presets.config import AlignmentConfig
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.stages.checkpoints import StageCheckpoints
from eeg2speech_bench.core.stages.json_files import read_json

TARGET_OPTIONS = {"n_bands": 8, "token_rate_hz": 5.0, "hidden": 8, "depth": 2, "dim": 4}
ALIGNMENT = AlignmentConfig(batch_size=4, learning_rate=1e-2, steps_per_epoch=4, max_epochs=4, patience=4, n_trials=4)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 40, 10 * TARGET_OPTIONS["dim"]))


@pytest.fixture(scope="module")
def searched(prepared, tmp_path_factory):
    """A search over four candidates, and the training that follows it."""
    folder, registry = tmp_path_factory.mktemp("searched"), load_registry()
    encoder = registry.get("encoder", register_encoder(network(), registry))
    target = registry.get("target", "deep_mel")
    pair, machine = Pair(encoder, {}, target, TARGET_OPTIONS), {"device": "cpu", "precision": "float32"}
    common = (prepared, folder / "features", pair, ALIGNMENT)
    inputs = {
        "features": FeaturesInputs(prepared, target, TARGET_OPTIONS),
        "tune": TuneInputs(*common, ALIGNMENT, 0, **machine),
        "align": AlignInputs(*common, 0, **machine, tuned=folder / "tune"),
    }
    n_steps = dict.fromkeys(inputs, 0)
    for name, given in inputs.items():
        (folder / name).mkdir()

        def progress(note: str, share: float, name: str = name) -> None:
            n_steps[name] += 1

        none = StageCheckpoints(folder / f"checkpoints of {name}", {"name": name, "key": ""}, print)
        run_stage(given, folder / name, progress, *([none] if given.trains else []))
    found, training = read_json(folder / "tune" / tune.TUNED), read_json(folder / "align" / "training.json")
    return SimpleNamespace(inputs=inputs, n_steps=n_steps, found=found, training=training)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 16, 100])
def test_a_search_costs_two_budgets_at_most(n):
    sizes = [size for size, _ in rungs(n)]
    assert sum(size * share for size, share in rungs(n)) <= SEARCH_BUDGETS + 1e-9
    assert (sizes[0], sizes[-1]) == (n, 2)


def test_search_and_training_together_take_three_budgets_of_segments_at_most(searched):
    budget = 16 * 4  # steps x batch
    trials = searched.found["trials"]
    spent = sum(trial["batch_size"] * one["n_steps"] for trial in trials for one in trial["rounds"])
    assert spent + searched.training["n_steps"] * searched.training["settings"]["batch_size"] <= 3 * budget
    assert searched.n_steps["tune"] == sum(one["n_steps"] for trial in trials for one in trial["rounds"])


def test_only_the_better_half_trains_on(searched):
    trials = searched.found["trials"]
    first = sorted((trial["rounds"][0]["valid_mrr"] for trial in trials), reverse=True)
    again = [trial for trial in trials if len(trial["rounds"]) == 2]
    assert sorted((trial["rounds"][0]["valid_mrr"] for trial in again), reverse=True) == first[:2]


def test_the_encoder_is_trained_with_what_validated_best_and_the_search_is_kept(searched):
    last = max(
        (t for t in searched.found["trials"] if len(t["rounds"]) == 2), key=lambda t: t["rounds"][1]["valid_mrr"]
    )
    settings = {name: value for name, value in last.items() if name != "rounds"}
    assert searched.training["settings"] == settings
    assert searched.training["trials"] == searched.found["trials"]


def test_encoders_with_settings_of_their_own_meet_the_same_others():
    own = ALIGNMENT.model_copy(update={"learning_rate": 1.0})
    one, other = draw_candidates(ALIGNMENT, ALIGNMENT, 18), draw_candidates(own, ALIGNMENT, 18)
    assert one[1:] == other[1:]
    assert (one[0]["learning_rate"], other[0]["learning_rate"]) == (1e-2, 1.0)


def test_a_candidate_that_diverges_loses(searched, tmp_path, monkeypatch):
    wild = {"learning_rate": 1e30, "weight_decay": 0.0, "batch_size": 4}
    tame = {**wild, "learning_rate": 1e-3}
    monkeypatch.setattr(tune, "draw_candidates", lambda *_: [wild, tame])
    alignment = ALIGNMENT.model_copy(update={"n_trials": 2})
    given = replace(searched.inputs["tune"], alignment=alignment)
    checkpoints = StageCheckpoints(tmp_path / "kept", {"name": "tune", "key": ""}, print)
    run_stage(given, tmp_path, lambda note, share: None, checkpoints)
    found = read_json(tmp_path / tune.TUNED)
    assert found["settings"] == tame
    assert found["trials"][0]["rounds"] == [{"n_steps": None, "valid_mrr": None}]


def test_a_training_by_the_clock_ends_after_its_minutes(searched, tmp_path):
    alignment = ALIGNMENT.model_copy(update={"budget_minutes": 1e-6, "n_trials": 1})
    given = replace(searched.inputs["align"], alignment=alignment, tuned=None)
    checkpoints = StageCheckpoints(tmp_path / "kept", {"name": "align", "key": ""}, print)
    run_stage(given, tmp_path, lambda note, share: None, checkpoints)
    training = read_json(tmp_path / "training.json")
    assert training["n_steps"] == 1
    assert len(training["history"]) == 1

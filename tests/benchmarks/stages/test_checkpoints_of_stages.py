"""Stages that train go on after whatever stopped them, and end with the numbers of an undisturbed run."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from eeg2speech_bench.benchmarks.given_encoders import register_encoder
from eeg2speech_bench.benchmarks.models.pair import AlignedPair, Pair
from eeg2speech_bench.benchmarks.stage_inputs import (
    AlignInputs,
    AutoencoderInputs,
    DiffuseInputs,
    FeaturesInputs,
    StageInputs,
)
from eeg2speech_bench.benchmarks.stage_runs import run_stage
from eeg2speech_bench.core.generator import diffusion
from eeg2speech_bench.core.presets.config import AlignmentConfig, AutoencoderConfig, DenoiserConfig, DiffusionConfig
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.stages.checkpoints import StageCheckpoints
from eeg2speech_bench.core.stages.json_files import read_json
from eeg2speech_bench.core.training import step_checkpoints

TARGET_OPTIONS = {"n_bands": 8, "token_rate_hz": 5.0, "hidden": 8, "depth": 2, "dim": 4}
ALIGNMENT = AlignmentConfig(batch_size=4, learning_rate=1e-2, steps_per_epoch=4, max_epochs=4, patience=1)
AUTOENCODER = AutoencoderConfig(channels=(4, 4, 4), layers_per_block=1, norm_groups=2, batch_size=2, max_steps=9)
DENOISER = DenoiserConfig(
    channels=(8, 8),
    attention=(False, True),
    attention_heads=(2, 2),
    layers_per_block=1,
    norm_groups=4,
    frame_channels=2,
)
DIFFUSION = DiffusionConfig(condition_on="both", batch_size=4, max_steps=14, warmup_steps=9, ema_decay=0.9)
#: training steps of an undisturbed run; the alignment stops early
N_STEPS = {"align": 8, "autoencoder": 9, "diffuse": 14}
#: ten moments, spread over the stages
MOMENTS = [
    (name, step)
    for name, n in (("align", 5), ("autoencoder", 2), ("diffuse", 3))
    for step in sorted(random.Random(7).sample(range(1, N_STEPS[name]), n))
]


def network() -> nn.Module:
    """Return an encoder whose training draws random numbers, and whose normalisation has a state of its own."""
    torch.manual_seed(0)
    inner = (nn.Linear(3 * 40, 16), nn.BatchNorm1d(16), nn.Dropout(0.3))
    return nn.Sequential(nn.Flatten(), *inner, nn.Linear(16, 10 * TARGET_OPTIONS["dim"]))


def tiny_inputs(prepared: Path, folder: Path) -> dict[str, StageInputs]:
    """Return the inputs of the three stages that train, and of the one that they read."""
    registry = load_registry()
    encoder = registry.get("encoder", register_encoder(network(), registry))
    target = registry.get("target", "deep_mel")
    pair = Pair(encoder, {}, target, TARGET_OPTIONS)
    features, aligned, latents = (folder / name for name in ("features", "align", "autoencoder"))
    machine = {"device": "cpu", "precision": "float32"}
    generator = (AUTOENCODER, DENOISER, DIFFUSION, 0)
    return {
        "features": FeaturesInputs(prepared, target, TARGET_OPTIONS),
        "align": AlignInputs(prepared, features, pair, ALIGNMENT, 0, **machine),
        "autoencoder": AutoencoderInputs(prepared, AUTOENCODER, **machine),
        "diffuse": DiffuseInputs(prepared, features, aligned, latents, pair, *generator, **machine),
    }


@pytest.fixture(scope="module")
def undisturbed(prepared, tmp_path_factory):
    """Return the inputs of all stages, and the folders of what they made without being disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    inputs = tiny_inputs(prepared, folder)
    for name, given in inputs.items():
        (folder / name).mkdir()
        none = StageCheckpoints(folder / "none", {"name": name, "key": ""}, print)
        run_stage(given, folder / name, lambda note, share: None, *([none] if given.trains else []))
    return SimpleNamespace(inputs=inputs, out={name: folder / name for name in inputs})


class StoppedRun(Exception):  # noqa: N818  it stands for no fault of the stage
    """Ends a run between two steps."""


def stop_here() -> None:
    raise StoppedRun


class Runs:
    """Runs tiny stages again and again, each time into an empty folder."""

    def __init__(self, inputs: dict[str, StageInputs], folder: Path) -> None:
        self.inputs, self.folder = inputs, folder
        self.told: list[str] = []
        self.n_steps = 0

    def run(self, name: str, *, stop_at: int = 0, stop: Callable[[], None] = stop_here, key: str = "key") -> Path:
        """Run a stage, call ``stop`` after a step of this attempt, and return the folder of its results."""
        out = self.folder / f"out-{len(list(self.folder.iterdir()))}"
        out.mkdir()
        self.n_steps = 0

        def progress(note: str, share: float) -> None:
            self.n_steps += 1
            if self.n_steps == stop_at:
                stop()

        checkpoints = StageCheckpoints(self.folder / "kept", {"name": name, "key": key}, self.told.append)
        run_stage(self.inputs[name], out, progress, checkpoints)
        return out

    def stopped(self, name: str, step: int) -> None:
        with pytest.raises(StoppedRun):
            self.run(name, stop_at=step)


@pytest.fixture
def runs(undisturbed, tmp_path, monkeypatch):
    """Return what runs stages whose clock counts their steps, so that every third step leaves a checkpoint."""
    ticks = count()
    monkeypatch.setattr(step_checkpoints, "EVERY_S", 3)
    monkeypatch.setattr(step_checkpoints, "LONGEST_S", 3)
    monkeypatch.setattr(step_checkpoints, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    (tmp_path / "runs").mkdir()
    return Runs(undisturbed.inputs, tmp_path / "runs")


def contents(out: Path) -> dict[str, object]:
    """Return all numbers that a stage has written."""
    read = {".pt": lambda file: torch.load(file, weights_only=True), ".json": read_json, ".npy": Path.read_bytes}
    return {file.name: read[file.suffix](file) for file in sorted(out.iterdir())}


def assert_same(one: object, other: object) -> None:
    """Compare values, and tensors bit for bit."""
    if isinstance(one, dict):
        assert list(one) == list(other)
        for name in one:
            assert_same(one[name], other[name])
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    else:
        assert one == other


@pytest.mark.parametrize("name", N_STEPS)
def test_checkpoints_change_no_number(runs, undisturbed, name):
    assert_same(contents(runs.run(name)), contents(undisturbed.out[name]))
    assert runs.n_steps == N_STEPS[name]


@pytest.mark.parametrize(("name", "step"), MOMENTS)
def test_a_stage_that_was_stopped_ends_with_the_numbers_of_an_undisturbed_run(runs, undisturbed, name, step):
    runs.stopped(name, step)
    assert_same(contents(runs.run(name)), contents(undisturbed.out[name]))


def started(run: Callable[[], object]) -> multiprocessing.Process:
    """Start a process that does something and ends."""
    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    return process


@pytest.mark.parametrize("name", N_STEPS)
def test_a_stage_goes_on_after_kill_9(runs, undisturbed, name):
    killed = started(lambda: runs.run(name, stop_at=6, stop=lambda: os.kill(os.getpid(), signal.SIGKILL)))
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    gone_on = runs.run(name)
    assert "goes on from step" in runs.told[0]
    assert_same(contents(gone_on), contents(undisturbed.out[name]))


@pytest.mark.slow
@pytest.mark.parametrize("name", N_STEPS)
def test_ten_kills_at_any_moment_of_the_clock_change_no_number(runs, undisturbed, name):
    moments = random.Random(name)
    for _ in range(10):
        killed = started(lambda: runs.run(name))
        killed.join(moments.uniform(0.0, 1.0))
        killed.kill()
        killed.join()
    assert_same(contents(runs.run(name)), contents(undisturbed.out[name]))


def test_a_stage_that_is_stopped_again_and_again_ends_all_the_same(runs, undisturbed):
    for _ in range(3):
        runs.stopped("diffuse", 4)
    assert_same(contents(runs.run("diffuse")), contents(undisturbed.out["diffuse"]))


def test_surrogates_are_the_same_after_a_stop(runs, undisturbed):
    align = undisturbed.inputs["align"]
    alignment = align.alignment.model_copy(update={"train_on": "surrogate"})
    runs.inputs = {"align": replace(align, alignment=alignment)}
    whole = runs.run("align", key="other")
    runs.stopped("align", 6)
    assert_same(contents(runs.run("align")), contents(whole))


def test_rows_of_the_history_reach_over_a_stop(runs, monkeypatch):
    monkeypatch.setattr(diffusion, "STEPS_PER_ROW", 5)
    whole = runs.run("diffuse", key="other")
    runs.stopped("diffuse", 8)
    history = read_json(runs.run("diffuse") / "training.json")["history"]
    assert [row["step"] for row in history] == [5, 10]
    assert history == read_json(whole / "training.json")["history"]


def test_what_follows_the_training_is_done_again_without_training(runs, undisturbed, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(StoppedRun):
        patched.setattr(AlignedPair, "save", lambda *_: stop_here())
        runs.run("align")
    gone_on = runs.run("align")
    assert runs.n_steps == 0
    assert_same(contents(gone_on), contents(undisturbed.out["align"]))


def test_a_truncated_checkpoint_is_told_and_training_starts_anew(runs, undisturbed):
    runs.stopped("autoencoder", 6)
    (file,) = (runs.folder / "kept").glob("*.pt")
    file.write_bytes(file.read_bytes()[:-100])
    again = runs.run("autoencoder")
    assert [line.count("cannot be used") for line in runs.told] == [1]
    assert runs.n_steps == N_STEPS["autoencoder"]
    assert_same(contents(again), contents(undisturbed.out["autoencoder"]))


def test_the_checkpoint_of_another_key_is_not_used(runs):
    runs.stopped("autoencoder", 6)
    runs.run("autoencoder", key="another")
    assert "belongs to another stage" in runs.told[0]
    assert runs.n_steps == N_STEPS["autoencoder"]


def test_weights_of_other_shapes_are_not_used(runs, undisturbed):
    runs.stopped("autoencoder", 6)
    wider = AUTOENCODER.model_copy(update={"channels": (8, 4, 4)})
    runs.inputs = {"autoencoder": replace(undisturbed.inputs["autoencoder"], autoencoder=wider)}
    runs.run("autoencoder")
    assert "has another shape" in runs.told[0]
    assert runs.n_steps == N_STEPS["autoencoder"]

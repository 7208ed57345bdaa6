"""Tiny inputs of the stages that train, the same in every process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from eeg2speech_bench.benchmarks.given_encoders import register_encoder
from eeg2speech_bench.benchmarks.models.pair import Pair
from eeg2speech_bench.benchmarks.stage_inputs import (
    AlignInputs,
    AutoencoderInputs,
    DiffuseInputs,
    FeaturesInputs,
    StageInputs,
)
from eeg2speech_bench.benchmarks.stage_runs import run_stage
from eeg2speech_bench.core.presets.config import AlignmentConfig, AutoencoderConfig, DenoiserConfig, DiffusionConfig
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.stages.checkpoints import StageCheckpoints

TARGET_OPTIONS = {"n_bands": 8, "token_rate_hz": 5.0, "hidden": 8, "depth": 2, "dim": 4}
N_TOKENS = 10
ALIGNMENT = AlignmentConfig(batch_size=4, learning_rate=1e-2, steps_per_epoch=4, max_epochs=4, patience=1, n_trials=2)
AUTOENCODER = AutoencoderConfig(channels=(4, 4, 4), layers_per_block=1, norm_groups=2, batch_size=2, max_steps=9)
DENOISER = DenoiserConfig(
    channels=(8, 8), attention=(False, True), attention_heads=(2, 2), layers_per_block=1, norm_groups=4, frame_channels=2
)
DIFFUSION = DiffusionConfig(condition_on="both", batch_size=4, max_steps=60, warmup_steps=30, ema_decay=0.9)


def network() -> nn.Module:
    """Return an encoder whose training draws random numbers, and whose normalisation has a state of its own."""
    torch.manual_seed(0)
    inner = (nn.Linear(3 * 40, 16), nn.BatchNorm1d(16), nn.Dropout(0.3))
    return nn.Sequential(nn.Flatten(), *inner, nn.Linear(16, N_TOKENS * TARGET_OPTIONS["dim"]))


@pytest.fixture
def stage_inputs(store: SegmentStore, tmp_path: Path) -> dict[str, StageInputs]:
    """Return the inputs of the three stages; those that ``diffuse`` reads have been run."""
    registry = load_registry()
    encoder = registry.get("encoder", register_encoder(network(), registry))
    target = registry.get("target", "deep_mel")
    pair = Pair(encoder, {}, target, TARGET_OPTIONS)
    place = {name: tmp_path / name for name in ("features", "aligned", "latents")}
    machine = {"device": "cpu", "precision": "float32"}
    inputs = {
        "features": FeaturesInputs(store.path, target, TARGET_OPTIONS),
        "align": AlignInputs(store.path, place["features"], pair, ALIGNMENT, 0, **machine),
        "autoencoder": AutoencoderInputs(store.path, AUTOENCODER, **machine),
    }
    diffuse = (store.path, *place.values(), pair, AUTOENCODER, DENOISER, DIFFUSION, 0)
    inputs["diffuse"] = DiffuseInputs(*diffuse, **machine)
    return inputs


@pytest.fixture
def ready(stage_inputs: dict[str, StageInputs]) -> dict[str, StageInputs]:
    """Return the inputs of the stages that train, after the stages that they read have been run."""
    diffuse = stage_inputs["diffuse"]
    short = {
        "features": (stage_inputs["features"], diffuse.features),
        "align": (replace(stage_inputs["align"], alignment=ALIGNMENT.model_copy(update={"n_trials": 1})), diffuse.aligned),
        "autoencoder": (stage_inputs["autoencoder"], diffuse.latents),
    }
    for name, (inputs, out) in short.items():
        out.mkdir()
        given = [StageCheckpoints(out / "none", {"name": name, "key": ""}, print)] if inputs.trains else []
        run_stage(inputs, out, lambda note, share: None, *given)
    return {name: inputs for name, inputs in stage_inputs.items() if inputs.trains}

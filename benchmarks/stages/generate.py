"""Generates speech from the test signal and from every control (stage ``generate``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from eeg2speech_bench.benchmarks.inputs.audio_files import save_clips
from eeg2speech_bench.benchmarks.models.generator import (
    GeneratorConfig,
    decode,
    load_autoencoder,
    shares_of_cores,
    vocode,
)
from eeg2speech_bench.benchmarks.stage_inputs import GenerateInputs
from eeg2speech_bench.benchmarks.stages.clips import read_clips
from eeg2speech_bench.core.conditioning import Conditioning
from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.generator.denoiser import ConditionedDenoiser
from eeg2speech_bench.core.generator.sampling import sample_latents
from eeg2speech_bench.core.generator.vocoder import build_vocoder
from eeg2speech_bench.core.machine.core_threads import on_cores
from eeg2speech_bench.core.presets.config import SamplingConfig
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.terminal.progress import Progress
from eeg2speech_bench.core.training.seeding import derive_seed


def run(inputs: GenerateInputs, out: Path, progress: Progress) -> None:
    """Write one set of generated clips per condition."""
    store, device = SegmentStore(inputs.prepared), inputs.device
    config = GeneratorConfig(inputs.autoencoder, inputs.denoiser, inputs.diffusion)
    windows = read_clips(inputs.clips)["window"].to_numpy()
    voice = build_vocoder(inputs.vocoder).to(device).eval()
    autoencoder = load_autoencoder(inputs.latents, config.autoencoder).to(device)
    denoiser = config.load(store, inputs.diffused).to(device)
    seeds = [derive_seed(inputs.seed, "clip", int(window)) for window in windows]
    n_samples = round(store.window_s * store.sound_rate_hz)
    for i, name in enumerate(inputs.conditions):
        progress(name, i / len(inputs.conditions))
        condition = _load_condition(inputs.embedded / f"condition_{name}.npz", device)

        def speak(part: slice, name: str = name, condition: Conditioning = condition) -> Tensor:
            given = Conditioning(condition.embeddings[part], condition.mask[part], condition.pooled[part])
            latent = _sample(name, denoiser, given, config, config.shape(store), inputs.sampling, seeds[part])
            return vocode(voice, decode(autoencoder, latent), name, n_samples)

        save_clips(out, name, torch.cat(on_cores(speak, shares_of_cores(len(seeds), device))))


def _load_condition(path: Path, device: str) -> Conditioning:
    with np.load(path) as file:
        tokens, pooled = (torch.from_numpy(file[name]).to(device) for name in ("tokens", "pooled"))
    return Conditioning(tokens, torch.ones(tokens.shape[:2], dtype=torch.bool, device=device), pooled)


def _sample(
    name: str,
    denoiser: ConditionedDenoiser,
    condition: Conditioning,
    config: GeneratorConfig,
    shape: tuple[int, int, int],
    sampling: SamplingConfig,
    seeds: list[int],
) -> Tensor:
    if name == "none":  # guidance 0 is the unconditional prediction, which sees the null token alone
        sampling = sampling.model_copy(update={"guidance_scale": 0.0})
    latent = sample_latents(denoiser, condition, shape, sampling, config.diffusion, seeds)
    if not bool(torch.isfinite(latent).all()):
        raise ContractError(
            f"Sampling under condition '{name}' diverged",
            got="latents that are not finite",
            then="Lower it with --set sampling.guidance_scale=1.5 or train the denoiser longer.",
        )
    return latent

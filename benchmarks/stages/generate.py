"""Stage ``generate``: speech from the test EEG, from every control, and the audio ceilings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from eeg2speech_bench.benchmarks.controls import conditions_in
from eeg2speech_bench.benchmarks.stages.autoencoder import load_autoencoder, window_mels
from eeg2speech_bench.benchmarks.stages.diffuse import GeneratorConfig
from eeg2speech_bench.core.clips import Clips
from eeg2speech_bench.core.conditioning import Conditioning
from eeg2speech_bench.core.config import SamplingConfig, VocoderConfig
from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.generator.autoencoder import MelAutoencoder
from eeg2speech_bench.core.generator.denoiser import ConditionedDenoiser
from eeg2speech_bench.core.generator.mel import MelSpectrogram, normalise_waveform
from eeg2speech_bench.core.generator.sampling import sample_latents
from eeg2speech_bench.core.generator.vocoder import build_vocoder
from eeg2speech_bench.core.seeding import derive_seed
from eeg2speech_bench.core.segments import SegmentStore

#: true audio through parts of the generator: what no condition can exceed
CEILINGS = ("vocoder", "autoencoder")
VOCODER_BATCH = 64


def run(
    out: Path,
    progress: Callable[[str, float], None],
    *,
    prepared: Path,
    embedded: Path,
    latents: Path,
    diffused: Path,
    config: GeneratorConfig,
    sampling: SamplingConfig,
    vocoder: VocoderConfig,
    seed: int,
    device: str,
) -> None:
    """Write the reference clips and one set of generated clips per condition and ceiling."""
    store = SegmentStore(prepared)
    segments = pd.read_parquet(embedded / "segments.parquet")
    windows = segments[segments["clip"] >= 0].sort_values("clip")["window"].to_numpy()
    voice = build_vocoder(vocoder).to(device).eval()
    autoencoder = load_autoencoder(latents, config.autoencoder).to(device)
    # convolutions read faster in this layout where no gradient is wanted (GroupNorm's backward is what loses by it)
    denoiser = config.load(store, diffused).to(device, memory_format=torch.channels_last)
    true = normalise_waveform(torch.from_numpy(store.gather_sound(windows)))
    _save(out, "reference", true)
    seeds = [derive_seed(seed, "clip", int(window)) for window in windows]
    names = (*conditions_in(embedded), *CEILINGS)
    for i, name in enumerate(names):
        progress(name, i / len(names))
        if name in CEILINGS:
            mel = _ceiling(name, store, windows, latents, autoencoder, config.autoencoder.clip_s, device)
        else:
            condition = _load_condition(embedded / f"condition_{name}.npz", device)
            latent = _sample(name, denoiser, condition, config, config.shape(store), sampling, seeds)
            with torch.no_grad():
                mel = torch.cat([autoencoder.decode(part) for part in latent.split(VOCODER_BATCH)])
        _save(out, name, _vocode(voice, mel, name, n_samples=true.shape[1]))


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


@torch.no_grad()
def _ceiling(
    name: str,
    store: SegmentStore,
    windows: np.ndarray,
    latents: Path,
    autoencoder: MelAutoencoder,
    clip_s: float | None,
    device: str,
) -> Tensor:
    if name == "vocoder":
        return window_mels(store, windows, clip_s).to(device)
    mean = np.load(latents / "mean.npy", mmap_mode="r")[windows].astype(np.float32)
    return torch.cat([autoencoder.decode(part.to(device)) for part in torch.from_numpy(mean).split(VOCODER_BATCH)])


@torch.no_grad()
def _vocode(voice: torch.nn.Module, mel: Tensor, name: str, n_samples: int) -> Tensor:
    wave = torch.cat([voice(part).float().cpu() for part in mel.split(VOCODER_BATCH)])
    if not bool(torch.isfinite(wave).all()):
        raise ContractError(f"The vocoder made values that are not finite under condition '{name}'")
    return normalise_waveform(wave[:, :n_samples])  # beyond the segment there is padding only


def _save(out: Path, name: str, wave: Tensor) -> None:
    """Store waveforms (n, n_samples) as 16-bit samples, which is what listeners get."""
    np.save(out / f"{name}.npy", (wave * 32767).round().short().numpy())


def load_clips(path: Path, name: str) -> Clips:
    """Load stored clips with the mel *of the waveform*: scores are of what one hears, not of what was painted."""
    wave = torch.from_numpy(np.load(path / f"{name}.npy").astype(np.float32) / 32767)
    return Clips(wave.numpy(), MelSpectrogram()(wave).numpy())

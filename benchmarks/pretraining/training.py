"""Trains one part for some minutes, with checkpoints from which it goes on after it was killed."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import soundfile
import torch
from torch import Tensor, nn

from eeg2speech_bench.benchmarks.pretraining.crops import Crops
from eeg2speech_bench.benchmarks.pretraining.losses import (
    fixed_combs,
    magnitudes,
    mel_loss,
    pitch_loss,
    spectrum_loss,
)
from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.generator.mel import HOP, MelSpectrogram, normalise_waveform
from eeg2speech_bench.core.generator.mel_codec import CHANNELS, FACTOR, PATCH, PLACES, MelCodec
from eeg2speech_bench.core.generator.pretrained import save_pretrained
from eeg2speech_bench.core.generator.spectrum_network import SpectrumNetwork

#: frames of a crop
FRAMES = 96
BATCH = {"vocoder": 6, "autoencoder": 8}
LEARNING_RATE = {"vocoder": 1.5e-3, "autoencoder": 1.5e-3}
WARMUP_STEPS = 100
EMA = 0.997
#: weight of the KL divergence, in log-mel units per nat and mel value
KL_WEIGHT = 0.02
#: share of the time after which half of the crops are made as rough as what a denoiser gives, at a lower rate
ROUGH_FROM, ROUGH_RATE = 0.6, 0.3
#: highest deviation of the noise in rough latents, in deviations of the latents
ROUGHNESS = {"vocoder": 0.4, "autoencoder": 0.6}
SAVE_EVERY_S = 60.0


def train(part: str, sounds: list[Path], out: Path, minutes: float, device: str) -> Trained:
    """Train a part until it was trained for so many minutes, all tries together, and average its weights.

    Parameters
    ----------
    part : {"vocoder", "autoencoder"}
    sounds : list of Path
        Training sounds, 16 kHz.
    out : Path
        Folder of the checkpoint ``PART.pt``; training goes on from it where there is one. The vocoder hears through
        the autoencoder of ``autoencoder.pt`` at the end.
    minutes : float
        Also sets how fast the learning rate falls.
    device : str

    Raises
    ------
    BenchError
        If the vocoder has come so far and there is no autoencoder.
    """
    state = _State(part, out / f"{part}.pt", device)
    crops = Crops(sounds, BATCH[part], FRAMES * HOP, seed=state.step, device=device)
    if state.step == 0 and isinstance(state.network, MelCodec):
        begin_with_components(state.network, [state.mel(crops.next()) for _ in range(20)])
    loss_of = _vocoder_loss if part == "vocoder" else _autoencoder_loss
    last, saved = time.monotonic(), time.monotonic()
    while state.seconds < 60 * minutes:
        state.progress = state.seconds / (60 * minutes)
        state.descend(lambda: loss_of(state, crops.next()))
        now = time.monotonic()
        state.seconds, last = state.seconds + now - last, now
        if now - saved > SAVE_EVERY_S:
            state.save()
            saved = now
    state.save()
    return Trained(state.averaged(), state.step, state.seconds)


@dataclass(frozen=True)
class Trained:
    """A trained network with the steps and seconds that it took."""

    network: nn.Module
    steps: int
    seconds: float


def write_weights(trained: Trained, sounds: list[Path], path: Path, manifest: str, device: str) -> None:
    """Write averaged weights in half precision; those of the autoencoder with the scale of latents of all sounds.

    Parameters
    ----------
    trained : Trained
    sounds : list of Path
        What it was trained on.
    path : Path
        File of safetensors.
    manifest : str
        Of the sounds; its hash goes into the file.
    device : str
        What it was trained on.
    """
    network = trained.network.cpu()
    if isinstance(network, MelCodec):
        fit_scale(network, sounds)
    facts = {"manifest_sha256": hashlib.sha256(manifest.encode()).hexdigest(), "device": device}
    facts |= {"steps": str(trained.steps), "minutes": f"{trained.seconds / 60:.1f}"}
    save_pretrained(network, path, facts)


@torch.no_grad()
def fit_scale(codec: MelCodec, sounds: list[Path]) -> None:
    """Bring the latents of the recordings among the sounds to unit standard deviation."""
    codec.scale_factor.fill_(1.0)
    variances = []
    for path in (path for path in sounds if path.name.startswith("recorded")):
        wave = torch.from_numpy(soundfile.read(path, dtype="float32")[0])[None]
        mel = MelSpectrogram()(normalise_waveform(wave))
        mean, std = codec.posterior(mel[:, : mel.shape[1] // FACTOR * FACTOR])
        variances.append(mean.double().var(correction=0) + std.double().square().mean())
    codec.scale_factor.fill_(float(torch.stack(variances).mean().rsqrt()))


class _State:
    """What a checkpoint holds: weights, their average, the optimiser, steps and seconds."""

    def __init__(self, part: str, path: Path, device: str) -> None:
        torch.manual_seed(0)
        self.path, self.part = path, part
        self.network: nn.Module = (SpectrumNetwork() if part == "vocoder" else MelCodec()).to(device)
        self.mel, self.combs = MelSpectrogram().to(device), fixed_combs(device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01, fused=True
        )
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.step, self.seconds, self.progress = 0, 0.0, 0.0
        self.losses: dict[str, float] = {}
        if path.exists():
            self._load(torch.load(path, weights_only=True, map_location=device))

    def _load(self, saved: dict[str, Any]) -> None:
        self.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.average, self.step, self.seconds = saved["average"], saved["step"], saved["seconds"]

    def save(self) -> None:
        parts = {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save(parts | {"average": self.average, "step": self.step, "seconds": self.seconds}, f"{self.path}.part")
        Path(f"{self.path}.part").rename(self.path)
        report = ", ".join(f"{name} {value:.4f}" for name, value in self.losses.items())
        print(f"{self.part}: {self.seconds / 60:.1f} min, step {self.step}, {report}", flush=True)

    @property
    def is_rough(self) -> bool:
        return self.progress >= ROUGH_FROM

    def roughened(self, latent: Tensor) -> Tensor:
        """Add noise to half of the latents, of another strength each."""
        strength = ROUGHNESS[self.part] * torch.rand(len(latent), 1, 1, 1, device=latent.device)
        strength = torch.where(torch.rand_like(strength) < 0.5, strength, 0.0) * latent.detach().std()
        return latent + strength * torch.randn_like(latent)

    @cached_property
    def codec(self) -> MelCodec:
        path = self.path.with_name("autoencoder.pt")
        if not path.exists():
            raise BenchError(
                "The vocoder hears through the autoencoder at the end", then="Train --part autoencoder first."
            )
        codec = MelCodec().to(self.combs.device)
        codec.load_state_dict(torch.load(path, weights_only=True, map_location=self.combs.device)["average"])
        return codec.eval()

    def _rate(self) -> float:
        share = self.progress / ROUGH_FROM
        if self.is_rough:
            share = (self.progress - ROUGH_FROM) / (1 - ROUGH_FROM)
        fall = 0.5 * (1 + math.cos(math.pi * min(share, 1.0))) * (ROUGH_RATE if self.is_rough else 1.0)
        return LEARNING_RATE[self.part] * max(0.02, fall) * min(1.0, (self.step + 1) / WARMUP_STEPS)

    def descend(self, loss: Callable[[], dict[str, Tensor]]) -> None:
        self.optimizer.param_groups[0]["lr"] = self._rate()
        terms = loss()
        torch.stack(list(terms.values())).sum().backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        decay = min(EMA, self.step / (self.step + 10))
        for name, value in self.network.state_dict().items():
            self.average[name].lerp_(value, 1 - decay)
        for name, term in terms.items():
            before = self.losses.get(name, float(term.detach()))
            self.losses[name] = 0.98 * before + 0.02 * float(term.detach())

    def averaged(self) -> nn.Module:
        self.network.load_state_dict(self.average)
        return self.network.eval()


def _vocoder_loss(state: _State, wave: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        true, mel = magnitudes(wave), state.mel(wave)
        if state.is_rough:
            through = state.codec.decode(state.roughened(state.codec.posterior(mel)[0]))
            mel = torch.where(torch.rand(len(mel), 1, 1, device=mel.device) < 0.5, through, mel)
    magnitude, pitch, _ = state.network(mel)
    return {"spectrum": spectrum_loss(magnitude, true), "pitch": 0.1 * pitch_loss(pitch, true, state.combs)}


def _autoencoder_loss(state: _State, wave: Tensor) -> dict[str, Tensor]:
    network: Any = state.network
    with torch.no_grad():
        mel = state.mel(wave)
    mean, std = network.posterior(mel)
    latent = mean + std * torch.randn_like(std)
    decoded = network.decode(state.roughened(latent) if state.is_rough else latent)
    kl = 0.5 * (mean.square() + std.square() - 1 - 2 * std.log()).sum() / mel.numel()
    return {"mel": mel_loss(decoded, mel), "kl": KL_WEIGHT * kl}


@torch.no_grad()
def begin_with_components(codec: MelCodec, mels: list[Tensor]) -> None:
    """Set the linear maps to the principal components of squares of 8 frames x 8 bands, band by band.

    Components enter the latent half whitened: neither do weak ones take as much of the denoiser's capacity as strong
    ones, nor are they lost in the posterior's noise.
    """
    mel = torch.cat(mels)
    codec.mean.fill_(mel.mean())
    codec.std.fill_(mel.std())
    squares = ((mel - codec.mean) / codec.std).unflatten(1, (-1, FACTOR)).unflatten(3, (PLACES, FACTOR))
    analyse, synthesise = torch.zeros_like(codec.analyse.weight), torch.zeros_like(codec.synthesise.weight)
    bias, offset = torch.zeros_like(codec.analyse.bias), torch.zeros_like(codec.synthesise.bias)
    at = torch.arange(PATCH, device=mel.device).view(FACTOR, PLACES, FACTOR)
    for place in range(PLACES):
        values = squares[:, :, :, place].flatten(0, 1).flatten(1)
        centre = values.mean(0)
        variances, axes = torch.linalg.eigh((values - centre).T.cov())
        axes, sizes = axes[:, -CHANNELS:].flip(1), variances[-CHANNELS:].flip(0).clamp(min=1e-4) ** 0.25
        own, latent = at[:, place].flatten(), torch.arange(CHANNELS, device=mel.device) * PLACES + place
        analyse[latent[:, None], own] = (axes / sizes).T
        synthesise[own[:, None], latent] = axes * sizes
        bias[latent], offset[own] = -(centre @ axes) / sizes, centre
    codec.analyse.weight.copy_(analyse)
    codec.analyse.bias.copy_(bias)
    codec.synthesise.weight.copy_(synthesise)
    codec.synthesise.bias.copy_(offset)

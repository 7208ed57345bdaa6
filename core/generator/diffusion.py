"""Trains the denoiser on stored latents and frozen conditions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from diffusers.training_utils import EMAModel, compute_snr
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from eeg2speech_bench.core.conditioning import Conditioning
from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.generator.conditioner import Conditioner
from eeg2speech_bench.core.generator.denoiser import ConditionedDenoiser
from eeg2speech_bench.core.generator.schedule import training_scheduler
from eeg2speech_bench.core.presets.config import DiffusionConfig
from eeg2speech_bench.core.segments.segment_store import Batch, copies_ahead
from eeg2speech_bench.core.training.finite_values import FiniteValues
from eeg2speech_bench.core.training.learning_rate import rising_and_falling

#: steps whose mean loss is one row of the history
STEPS_PER_ROW = 50


@dataclass
class DiffusionBatch:
    """Holds stored latents with what their condition is made of.

    Attributes
    ----------
    mean, std : Tensor, shape (batch, latent_channels, n_latent_frames, n_latent_bands)
        Scaled posterior of the mel autoencoder.
    frames : Tensor, shape (batch, n_frames, n_features), optional
        Target frames, for the audio condition.
    segments : Batch, optional
        EEG of the same windows, for the EEG condition.
    """

    mean: Tensor
    std: Tensor
    frames: Tensor | None
    segments: Batch | None

    def to(self, device: Any) -> DiffusionBatch:
        """Copy the tensors to ``device``."""
        ahead = copies_ahead(device)
        frames = None if self.frames is None else self.frames.to(device, non_blocking=ahead)
        segments = None if self.segments is None else self.segments.to(device)
        mean, std = (part.to(device, non_blocking=ahead) for part in (self.mean, self.std))
        return DiffusionBatch(mean, std, frames, segments)

    def pin_memory(self) -> DiffusionBatch:
        """Copy the tensors to memory from which a GPU reads while it computes."""
        parts = (self.mean, self.std, self.frames, self.segments)
        return DiffusionBatch(*(None if part is None else part.pin_memory() for part in parts))  # type: ignore[arg-type]


class LatentDiffusion(L.LightningModule):
    """Trains a denoiser and keeps the exponential average of its weights, which is what samples.

    The first half of a batch is conditioned on audio and the rest on EEG when both are given
    (``condition_on = both``).

    Parameters
    ----------
    denoiser : ConditionedDenoiser
    conditioner : Conditioner
        Frozen.
    config : DiffusionConfig
    """

    def __init__(self, denoiser: ConditionedDenoiser, conditioner: Conditioner, config: DiffusionConfig) -> None:
        super().__init__()
        self.denoiser, self.conditioner, self.config = denoiser, conditioner, config
        self.scheduler = training_scheduler(config)
        self.ema = EMAModel(denoiser.parameters(), decay=config.ema_decay, foreach=True)
        self.history: list[dict[str, float]] = []
        self.finite = conditioner.finite = FiniteValues()
        self._recent: list[Tensor] = []

    def _condition(self, batch: DiffusionBatch) -> Conditioning:
        audio = None if batch.frames is None else self.conditioner.from_audio(batch.frames)
        eeg = None if batch.segments is None else self.conditioner.from_eeg(batch.segments)
        if audio is None or eeg is None:
            return audio or eeg  # type: ignore[return-value]  # the data give at least one
        half = len(batch.mean) // 2
        names = ("embeddings", "mask", "pooled")
        return Conditioning(*(torch.cat([getattr(audio, n)[:half], getattr(eeg, n)[half:]]) for n in names))

    def fit_prior(self, batches: Iterable[DiffusionBatch]) -> None:
        """Fit the denoiser's guess at latents, where it has one, on some batches."""
        if self.denoiser.prior is not None:
            own = (batch.to("cpu") for batch in batches)
            self.denoiser.prior.fit((self._condition(batch).embeddings, batch.mean) for batch in own)

    def training_step(self, batch: DiffusionBatch) -> Tensor:
        """Return the denoising loss at random times, with the condition dropped per item."""
        latent = batch.mean + batch.std * torch.randn_like(batch.std)
        condition = self._condition(batch)
        noise = torch.randn_like(latent)
        n = len(latent)
        time = torch.randint(0, self.config.n_train_timesteps, (n,), device=latent.device)
        drop = torch.rand(n, device=latent.device) < self.config.condition_dropout
        prediction = self.denoiser(self.scheduler.add_noise(latent, noise, time), time, condition, drop)
        errors = (prediction.float() - self._goal(latent, noise, time)).square().mean((1, 2, 3))
        loss = (errors * self._weight(time)).mean()
        self._record(loss.detach())
        return loss

    def _goal(self, latent: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        if self.config.prediction == "epsilon":
            return noise
        if self.config.prediction == "sample":
            return latent
        return self.scheduler.get_velocity(latent, noise, time)

    def _weight(self, time: Tensor) -> Tensor:
        """Min-SNR weighting (Hang et al. 2023, arXiv 2303.09556), which limits the weight of nearly clean latents."""
        gamma = self.config.min_snr_gamma
        if gamma is None:
            return torch.ones_like(time, dtype=torch.float32)
        snr = compute_snr(self.scheduler, time)
        limited = snr.clamp(max=gamma)
        return {"epsilon": limited / snr, "v_prediction": limited / (snr + 1), "sample": limited}[
            self.config.prediction
        ]

    def _record(self, loss: Tensor) -> None:
        """Note a loss. A GPU is asked for its value once per row only, since it has to finish its work for that."""
        diverged = ContractError(
            f"Training of the denoiser diverged at step {self.global_step}",
            got="a loss that is not finite",
            then="Lower it with --set diffusion.learning_rate=5e-5.",
        )
        self.finite(torch.isfinite(loss), diverged)
        self._recent.append(loss)
        if len(self._recent) == STEPS_PER_ROW:
            self.finite.look()
            self.history.append({"step": self.global_step + 1, "train_loss": float(torch.stack(self._recent).mean())})
            self._recent.clear()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the average of the weights, and what was noted on the way."""
        self.finite.look()
        checkpoint["ema"] = self.ema.state_dict()
        checkpoint["noted"] = {"history": self.history, "recent": self._recent}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the average, and with what was noted on the way."""
        self.ema.load_state_dict(checkpoint["ema"])
        self.history = checkpoint["noted"]["history"]
        self._recent = [loss.to(self.device) for loss in checkpoint["noted"]["recent"]]

    def on_train_start(self) -> None:
        """Move the average to where the weights are."""
        self.ema.to(self.device)

    def on_train_batch_end(self, *_: Any) -> None:
        """Update the average after every step."""
        self.ema.step(self.denoiser.parameters())

    def on_fit_end(self) -> None:
        """Leave the averaged weights in the denoiser."""
        self.finite.look()
        self.ema.copy_to(self.denoiser.parameters())

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return AdamW with a linear warm-up, as AudioLDM trains, and a fall at the end if asked for."""
        config = self.config
        optimizer = torch.optim.AdamW(
            self.denoiser.parameters(), config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        return rising_and_falling(optimizer, config.max_steps, config.warmup_steps, config.decay)

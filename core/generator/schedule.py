"""Names how noise grows in diffusion: AudioLDM's schedule, or another of its kind."""

from __future__ import annotations

from typing import Any

from diffusers import DDPMScheduler

from eeg2speech_bench.core.presets.config import DiffusionConfig


def noise_schedule(diffusion: DiffusionConfig) -> dict[str, Any]:
    """What all schedulers share. AudioLDM calls these betas linear; it interpolates their square roots."""
    return {
        "num_train_timesteps": diffusion.n_train_timesteps,
        "beta_start": diffusion.beta_start,
        "beta_end": diffusion.beta_end,
        "beta_schedule": "scaled_linear",
        "prediction_type": diffusion.prediction,
    }


def training_scheduler(diffusion: DiffusionConfig) -> DDPMScheduler:
    """Make the schedule that adds noise in training (``add_noise``, ``get_velocity``, ``alphas_cumprod``)."""
    return DDPMScheduler(**noise_schedule(diffusion), clip_sample=False)

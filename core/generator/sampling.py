"""Samples latents from noise under a condition, by a noise schedule."""

from __future__ import annotations

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

from eeg2speech_bench.core.conditioning import Conditioning
from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.core.generator.denoiser import ConditionedDenoiser
from eeg2speech_bench.core.generator.schedule import noise_schedule
from eeg2speech_bench.core.presets.config import DiffusionConfig, SamplingConfig


def make_scheduler(sampling: SamplingConfig, diffusion: DiffusionConfig) -> DDIMScheduler | DPMSolverMultistepScheduler:
    """Make the sampler's scheduler with its timesteps set.

    ``ddim`` is AudioLDM's own sampler (timesteps 996, 991, ..., 1 for 200 steps); ``dpm-solver++`` of second order
    needs about a tenth of its steps (Lu et al. 2022, arXiv 2211.01095).

    Raises
    ------
    UsageError
        If ``eta`` is set for a scheduler that adds no noise.
    """
    if sampling.scheduler == "ddim":
        scheduler = DDIMScheduler(
            **noise_schedule(diffusion),
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
            timestep_spacing="leading",
        )
    elif sampling.eta:
        raise UsageError(
            "sampling.eta has no effect on dpm-solver++, which adds no noise",
            got=sampling.eta,
            expected=0,
            then="Set sampling.scheduler=ddim or sampling.eta=0.",
        )
    else:
        scheduler = DPMSolverMultistepScheduler(
            **noise_schedule(diffusion), algorithm_type="dpmsolver++", solver_order=2
        )
    scheduler.set_timesteps(sampling.n_steps)
    return scheduler


def guided_prediction(
    denoiser: ConditionedDenoiser, latent: Tensor, timestep: Tensor, conditioning: Conditioning, guidance_scale: float
) -> Tensor:
    """Predict with classifier-free guidance, both branches in one forward pass.

    A scale of 1 is the conditional prediction and 0 the unconditional one; neither needs the other branch.
    Shapes are those of `ConditionedDenoiser.forward`.
    """
    n = len(latent)
    if guidance_scale in (0, 1):
        drop = torch.full((n,), guidance_scale == 0, device=latent.device)
        return denoiser(latent, timestep, conditioning, drop)
    drop = torch.arange(2 * n, device=latent.device) >= n
    twice = Conditioning(
        *(torch.cat([x, x]) for x in (conditioning.embeddings, conditioning.mask, conditioning.pooled))
    )
    given, null = denoiser(torch.cat([latent, latent]), timestep, twice, drop).chunk(2)
    return null + guidance_scale * (given - null)


@torch.no_grad()
def sample_latents(
    denoiser: ConditionedDenoiser,
    conditioning: Conditioning,
    shape: tuple[int, int, int],
    sampling: SamplingConfig,
    diffusion: DiffusionConfig,
    seeds: list[int],
) -> Tensor:
    """Generate one latent per item of ``conditioning``, ``sampling.batch_size`` at a time.

    Every item has its own random generator on the CPU, seeded by its seed: the noise of an item is the same under
    every control, in every batch and on every device.

    Parameters
    ----------
    denoiser : ConditionedDenoiser
        In eval mode, on the device of ``conditioning``.
    conditioning : Conditioning
        One item per seed. For the control without condition set ``sampling.guidance_scale`` to 0.
    shape : tuple of int
        (latent_channels, n_frames, n_bands), see `latent_shape`.
    sampling, diffusion : SamplingConfig, DiffusionConfig
    seeds : list of int
        One per item.

    Returns
    -------
    Tensor of float32, shape (len(seeds), *shape)
        Scaled latents, on the device of ``conditioning``.

    Raises
    ------
    UsageError
        If the seeds are not as many as the items, or ``eta`` has no effect.
    """
    if len(seeds) != len(conditioning.embeddings):
        raise UsageError("Sampling needs one seed per item", got=len(seeds), expected=len(conditioning.embeddings))
    latents = []
    for first in range(0, len(seeds), sampling.batch_size):
        part = slice(first, first + sampling.batch_size)
        items = Conditioning(conditioning.embeddings[part], conditioning.mask[part], conditioning.pooled[part])
        latents.append(_sample_batch(denoiser, items, shape, sampling, diffusion, seeds[part]))
    return torch.cat(latents)


def _sample_batch(
    denoiser: ConditionedDenoiser,
    conditioning: Conditioning,
    shape: tuple[int, int, int],
    sampling: SamplingConfig,
    diffusion: DiffusionConfig,
    seeds: list[int],
) -> Tensor:
    device = conditioning.embeddings.device
    scheduler = make_scheduler(sampling, diffusion)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    latent = torch.stack([torch.randn(shape, generator=g) for g in generators]).to(device)
    # DPM-Solver++ refuses nothing but uses neither: only DDIM adds noise along the way.
    noise = {"eta": sampling.eta, "generator": generators} if sampling.scheduler == "ddim" else {}
    for timestep in scheduler.timesteps:
        prediction = guided_prediction(denoiser, latent, timestep.to(device), conditioning, sampling.guidance_scale)
        latent = scheduler.step(prediction.float(), timestep, latent, **noise).prev_sample
    return latent

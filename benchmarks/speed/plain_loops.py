"""Holds the plain loops beside which `gpu.py` measures ours.

They are written from the descriptions of AudioLDM, eeg2speech and brainmagick, not from their code: float32, attention
in single operations, an optimiser and an average of weights that go through them one by one, the autoencoder in
every step, one condition vector, and two calls per step to sample. AudioLDM also computes its transformers twice to
save memory, which is left out here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from torch.nn import functional as F

from eeg2speech_bench.core.conditioning import Encoder
from eeg2speech_bench.core.generator.autoencoder import build_autoencoder
from eeg2speech_bench.core.generator.denoiser import build_unet
from eeg2speech_bench.core.generator.mel import N_MELS
from eeg2speech_bench.core.generator.sampling import make_scheduler
from eeg2speech_bench.core.generator.schedule import training_scheduler
from eeg2speech_bench.core.presets.config import RunConfig, SamplingConfig
from eeg2speech_bench.core.segments.segment_store import Batch

DROPOUT, GUIDANCE_SCALE, DECAY = 0.1, 3.5, 0.9999


def now_s(device: str) -> float:
    """Return the time at which the device has done all that it was given."""
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter()


def timed(step: Callable[[], object], device: str, n_warm: int, n_steps: int) -> float:
    """Return the seconds of one step of a loop, after some for warming up."""
    for _ in range(n_warm):
        step()
    began_s = now_s(device)
    for _ in range(n_steps):
        step()
    return (now_s(device) - began_s) / n_steps


@contextmanager
def _in_tf32() -> Iterator[None]:
    """Multiply matrices in TF32, as AudioLDM's training asks for, while a block runs."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _unet(config: RunConfig, dim: int, device: str) -> nn.Module:
    unet = build_unet(config.denoiser, config.autoencoder.latent_channels, dim)
    unet.set_attn_processor(AttnProcessor())
    return unet.to(device)  # type: ignore[no-any-return]


def denoising(config: RunConfig, mels: Tensor, embeddings: Tensor, device: str, n_warm: int, n_steps: int) -> float:
    """Train the prototype's denoiser.

    Parameters
    ----------
    config : RunConfig
        Of preset eeg2speech.
    mels : Tensor, shape (batch, 1, n_frames, 64)
    embeddings : Tensor, shape (batch, n_tokens, dim)
    device : str
    n_warm, n_steps : int

    Returns
    -------
    float
        Seconds of one step.
    """
    assert mels.shape[3] == N_MELS
    unet, schedule = _unet(config, embeddings.shape[2], device), training_scheduler(config.diffusion)
    vae = build_autoencoder(config.autoencoder).to(device).eval()
    vae.set_attn_processor(AttnProcessor())
    average = [weight.detach().clone() for weight in unet.parameters()]
    optimizer = torch.optim.AdamW(unet.parameters(), config.diffusion.learning_rate, foreach=False)
    n_times = config.diffusion.n_train_timesteps

    def step() -> None:
        with torch.no_grad():
            latent = vae.encode(mels.to(device)).latent_dist.sample()
        condition = embeddings.to(device).mean(1)
        if torch.rand(()) < DROPOUT:
            condition = torch.zeros_like(condition)
        noise = torch.randn_like(latent)
        moment = torch.randint(0, n_times, (len(latent),), device=device)
        said = unet(schedule.add_noise(latent, noise, moment), moment, None, class_labels=condition).sample
        optimizer.zero_grad()
        F.mse_loss(said, noise).backward()
        optimizer.step()
        with torch.no_grad():
            for mean, weight in zip(average, unet.parameters(), strict=True):
                mean.sub_((mean - weight) * (1 - DECAY))

    with _in_tf32():
        return timed(step, device, n_warm, n_steps)


def sampling(
    config: RunConfig, latent: Tensor, condition: Tensor, n_ddim_steps: int, n_warm: int, n_steps: int
) -> float:
    """Sample a batch by DDIM from the prototype's denoiser; return the seconds of one batch.

    Parameters
    ----------
    config : RunConfig
        Of preset eeg2speech.
    latent : Tensor, shape (batch, latent_channels, n_latent_frames, n_latent_bands)
        Noise to begin with.
    condition : Tensor, shape (batch, dim)
    n_ddim_steps, n_warm, n_steps : int
    """
    device = str(latent.device)
    unet = _unet(config, condition.shape[1], device).eval()
    ddim = SamplingConfig(scheduler="ddim", n_steps=n_ddim_steps, eta=1.0)

    @torch.no_grad()
    def sample() -> None:
        schedule, noisy = make_scheduler(ddim, config.diffusion), latent
        for moment in schedule.timesteps:
            given = unet(noisy, moment.to(device), None, class_labels=condition).sample
            null = unet(noisy, moment.to(device), None, class_labels=torch.zeros_like(condition)).sample
            noisy = schedule.step(null + GUIDANCE_SCALE * (given - null), moment, noisy, eta=1.0).prev_sample

    with _in_tf32():
        return timed(sample, device, n_warm, n_steps)


def alignment(
    encoder: Encoder, batches: Sequence[tuple[Batch, Tensor]], device: str, n_warm: int, n_steps: int
) -> float:
    """Train an encoder on batches in turn, which lie ready on the host; return the seconds of one step.

    Parameters
    ----------
    encoder : Encoder
        On the device.
    batches : sequence of (Batch, Tensor)
        Segments, and their targets (batch, n_tokens, dim).
    device : str
    n_warm, n_steps : int
    """
    optimizer = torch.optim.Adam(encoder.parameters(), 3e-4, foreach=False)
    taken = 0

    def step() -> None:
        nonlocal taken
        segments, targets = batches[taken % len(batches)]
        batch, speech = segments.to(device), targets.to(device)
        taken += 1
        speech = speech / (1e-8 + speech.norm(dim=(1, 2), keepdim=True))
        scores = torch.einsum("btd,otd->bo", encoder(batch).embeddings, speech)
        loss = F.cross_entropy(scores, torch.arange(len(scores), device=device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return timed(step, device, n_warm, n_steps)

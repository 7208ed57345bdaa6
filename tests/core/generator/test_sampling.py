"""Schedules against AudioLDM's figures; guidance, seeds and batches of the sampler."""

from __future__ import annotations

import pytest
import torch

from eeg2speech_bench.core.conditioning import Conditioning
from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.core.generator.denoiser import ConditionedDenoiser
from eeg2speech_bench.core.generator.sampling import (
    guided_prediction,
    make_scheduler,
    sample_latents,
)
from eeg2speech_bench.core.generator.schedule import training_scheduler
from eeg2speech_bench.core.presets.config import DenoiserConfig, DiffusionConfig, SamplingConfig

DIFFUSION, SHAPE, DIM = DiffusionConfig(), (3, 8, 4), 6
FAST = SamplingConfig(n_steps=3, batch_size=8)


@pytest.fixture(scope="module")
def denoiser() -> ConditionedDenoiser:
    config = DenoiserConfig(
        channels=(8, 16),
        attention=(False, True),
        attention_heads=(1, 2),
        layers_per_block=1,
        norm_groups=4,
        condition_by=("frames", "tokens", "film"),
        frame_channels=4,
    )
    torch.manual_seed(0)
    return ConditionedDenoiser(config, latent_channels=3, latent_bands=4, condition_dim=DIM, diffusion=DIFFUSION).eval()


def condition(batch: int) -> Conditioning:
    return Conditioning.from_tokens(torch.randn(batch, 5, DIM, generator=torch.Generator().manual_seed(1)))


def generate(denoiser: ConditionedDenoiser, given: Conditioning, seeds: list[int], **changes: object) -> torch.Tensor:
    return sample_latents(denoiser, given, SHAPE, FAST.model_copy(update=changes), DIFFUSION, seeds)


@pytest.mark.parametrize(
    ("time", "expected"),
    [(0, 0.998500), (100, 0.823117), (250, 0.508424), (500, 0.114922), (750, 0.008334), (900, 0.000873)],
)
def test_the_training_schedule_keeps_the_golden_share_of_signal(time: int, expected: float) -> None:
    assert training_scheduler(DIFFUSION).alphas_cumprod[time].item() == pytest.approx(expected, abs=1e-6)


def test_the_training_schedule_ends_at_the_golden_value() -> None:
    assert training_scheduler(DIFFUSION).alphas_cumprod[999].item() == pytest.approx(1.42304e-4, rel=1e-4)


@pytest.mark.parametrize("name", ["ddim", "dpm-solver++"])
def test_samplers_share_the_training_schedule(name: str) -> None:
    sampler = make_scheduler(SamplingConfig(scheduler=name), DIFFUSION)
    torch.testing.assert_close(sampler.alphas_cumprod, training_scheduler(DIFFUSION).alphas_cumprod)


def test_200_steps_of_ddim_visit_996_to_1() -> None:
    times = make_scheduler(SamplingConfig(scheduler="ddim", n_steps=200), DIFFUSION).timesteps
    assert times.tolist() == list(range(996, 0, -5))


def test_ddim_ends_at_the_first_training_step_and_does_not_clip() -> None:
    config = make_scheduler(SamplingConfig(scheduler="ddim"), DIFFUSION).config
    assert config.set_alpha_to_one is False and config.clip_sample is False


def test_dpm_solver_starts_at_the_noisiest_step() -> None:
    scheduler = make_scheduler(SamplingConfig(n_steps=20), DIFFUSION)
    assert scheduler.timesteps[0].item() == 999 and len(scheduler.timesteps) == 20


@pytest.mark.parametrize("name", ["ddim", "dpm-solver++"])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_every_sampler_recovers_the_latent_that_a_perfect_network_knows(name: str, prediction: str) -> None:
    diffusion = DiffusionConfig(prediction=prediction)
    clean = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(3))
    alphas = training_scheduler(diffusion).alphas_cumprod

    class Oracle(torch.nn.Module):
        def forward(self, latent, timestep, conditioning, drop):  # type: ignore[no-untyped-def]
            signal, sigma = alphas[timestep].sqrt(), (1 - alphas[timestep]).sqrt()
            noise = (latent - signal * clean) / sigma
            return {"epsilon": noise, "v_prediction": signal * noise - sigma * clean, "sample": clean}[prediction]

    sampling = SamplingConfig(scheduler=name, n_steps=20, guidance_scale=1)
    found = sample_latents(Oracle(), condition(2), SHAPE, sampling, diffusion, [1, 2])  # type: ignore[arg-type]
    # DDIM ends at the first training step, where noise of deviation 0.039 is left
    torch.testing.assert_close(found, clean, atol=0.2 if name == "ddim" else 0.02, rtol=0)


def test_noise_along_the_way_is_refused_where_it_has_no_effect() -> None:
    with pytest.raises(UsageError, match=r"sampling.eta has no effect on dpm-solver"):
        make_scheduler(SamplingConfig(eta=1.0), DIFFUSION)


@torch.no_grad()
def test_batched_guidance_equals_two_calls(denoiser: ConditionedDenoiser) -> None:
    latent, given, time = torch.randn(3, *SHAPE), condition(3), torch.tensor(500)
    on = denoiser(latent, time, given, torch.tensor([False] * 3))
    off = denoiser(latent, time, given, torch.tensor([True] * 3))
    torch.testing.assert_close(
        guided_prediction(denoiser, latent, time, given, 2.5), off + 2.5 * (on - off), atol=1e-4, rtol=1e-4
    )


@torch.no_grad()
@pytest.mark.parametrize(("scale", "n_items"), [(1.0, 2), (0.0, 2), (2.5, 4)])
def test_one_branch_alone_costs_one_branch(
    denoiser: ConditionedDenoiser, monkeypatch: pytest.MonkeyPatch, scale: float, n_items: int
) -> None:
    seen, forward = [], denoiser.unet.forward
    monkeypatch.setattr(denoiser.unet, "forward", lambda x, *a, **k: seen.append(len(x)) or forward(x, *a, **k))
    guided_prediction(denoiser, torch.randn(2, *SHAPE), torch.tensor(5), condition(2), scale)
    assert seen == [n_items]


def test_guidance_scale_zero_is_generation_without_condition(denoiser: ConditionedDenoiser) -> None:
    other = Conditioning.from_tokens(condition(2).embeddings + 1)
    one = generate(denoiser, condition(2), [1, 2], guidance_scale=0.0)
    assert torch.equal(one, generate(denoiser, other, [1, 2], guidance_scale=0.0))


def test_equal_seeds_give_equal_latents(denoiser: ConditionedDenoiser) -> None:
    assert torch.equal(generate(denoiser, condition(2), [1, 2]), generate(denoiser, condition(2), [1, 2]))


def test_other_seeds_give_other_latents(denoiser: ConditionedDenoiser) -> None:
    one, other = (generate(denoiser, condition(1), [seed]) for seed in (1, 2))
    assert (one - other).abs().max() > 0.1


@pytest.mark.parametrize(("scheduler", "eta"), [("dpm-solver++", 0.0), ("ddim", 0.0), ("ddim", 1.0)])
def test_an_items_latent_does_not_depend_on_its_batch(
    denoiser: ConditionedDenoiser, scheduler: str, eta: float
) -> None:
    given = condition(5)
    alone = Conditioning(given.embeddings[3:4], given.mask[3:4], given.pooled[3:4])
    together = generate(denoiser, given, [4, 5, 6, 7, 8], scheduler=scheduler, eta=eta, batch_size=4)
    single = generate(denoiser, alone, [7], scheduler=scheduler, eta=eta)
    torch.testing.assert_close(together[3:4], single, atol=1e-4, rtol=1e-4)


def test_a_wrong_number_of_seeds_is_refused(denoiser: ConditionedDenoiser) -> None:
    with pytest.raises(UsageError, match="one seed per item: got 1, expected 2"):
        generate(denoiser, condition(2), [1])

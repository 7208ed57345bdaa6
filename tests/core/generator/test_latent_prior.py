"""The linear guess at a latent: what it finds in data, and what a noisy latent leaves of it."""

from __future__ import annotations

import pytest
import torch

from eeg2speech_bench.core.generator.conditioner import make_condition
from eeg2speech_bench.core.generator.denoiser import ConditionedDenoiser
from eeg2speech_bench.core.generator.latent_prior import LatentPrior
from eeg2speech_bench.core.presets.config import DenoiserConfig, DiffusionConfig

DIM, CHANNELS, BANDS, FRAMES = 3, 2, 4, 8
NOISE = 0.3


def planted(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return tokens, the linear map of them that is planted, and latents that are that and noise of known deviation."""
    draw = torch.Generator().manual_seed(seed)
    tokens = torch.randn(n, 4 * FRAMES, DIM, generator=draw)
    mixing = torch.randn(4 * DIM, CHANNELS * BANDS, generator=torch.Generator().manual_seed(9)) / 4
    rows = tokens.unflatten(1, (FRAMES, 4)).flatten(2) @ mixing + 0.5
    mean = rows.unflatten(2, (CHANNELS, BANDS)).transpose(1, 2)
    return tokens, mean, mean + NOISE * torch.randn(mean.shape, generator=draw)


@pytest.fixture(scope="module")
def prior() -> LatentPrior:
    made = LatentPrior(DIM, CHANNELS, BANDS, DiffusionConfig(prediction="v_prediction"))
    made.fit((tokens, latent) for tokens, _, latent in (planted(50, seed) for seed in range(20)))
    return made


def test_a_planted_map_and_the_noise_around_it_are_found(prior):
    tokens, mean, _ = planted(50, 99)
    guess, deviation = prior.guess(tokens, FRAMES, None)
    assert float((guess - mean).square().mean().sqrt()) < NOISE / 10
    torch.testing.assert_close(deviation, torch.full_like(deviation, NOISE), atol=0.02, rtol=0)


def test_without_a_condition_the_guess_is_the_mean_of_all_latents_and_as_wide_as_they(prior):
    tokens, _, latent = planted(400, 5)
    drop = torch.ones(400, dtype=torch.bool)
    guess, deviation = prior.guess(tokens, FRAMES, drop)
    torch.testing.assert_close(guess[0].mean(1), latent.mean((0, 2)), atol=0.06, rtol=0)
    torch.testing.assert_close(deviation[0, :, 0], latent.std((0, 2)), atol=0.05, rtol=0)


@pytest.mark.parametrize("kind", ["v_prediction", "epsilon", "sample"])
def test_a_network_that_says_nothing_gives_the_posterior_mean_in_every_kind_of_prediction(prior, kind):
    other = LatentPrior(DIM, CHANNELS, BANDS, DiffusionConfig(prediction=kind))
    other.load_state_dict(prior.state_dict())
    _, mean, latent = planted(4, 3)
    timestep = torch.tensor([10, 300, 600, 900])
    kept = other.alphas[timestep].view(-1, 1, 1, 1)
    noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(1))
    noisy = kept.sqrt() * latent + (1 - kept).sqrt() * noise
    said = other.prediction(noisy, timestep, (mean, torch.full_like(mean, NOISE)), torch.zeros_like(latent))
    # two observations of one value: the guess, and the noisy latent by its signal, each by its precision
    trusted, seen = 1 / NOISE**2, kept / (1 - kept)
    expected = (trusted * mean + seen * noisy / kept.sqrt()) / (trusted + seen)
    found = {
        "sample": said,
        "epsilon": (noisy - (1 - kept).sqrt() * said) / kept.sqrt(),
        "v_prediction": kept.sqrt() * noisy - (1 - kept).sqrt() * said,
    }[kind]
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=1e-4)


def test_an_untrained_denoiser_with_a_prior_says_what_the_prior_says():
    torch.manual_seed(0)
    config = DenoiserConfig(
        channels=(8, 8), attention=(False, True), attention_heads=(2, 2), layers_per_block=1, norm_groups=4,
        frame_channels=2, prior="linear",
    )  # fmt: skip
    denoiser = ConditionedDenoiser(config, CHANNELS, BANDS, DIM, DiffusionConfig(prediction="sample")).eval()
    tokens, _, latent = planted(2, 7)
    denoiser.prior.fit([planted(50, 1)[::2]])
    condition = make_condition(tokens, standardise=False)
    said = denoiser(latent, torch.tensor([999, 999]), condition)
    guess, _ = denoiser.prior.guess(tokens, FRAMES, None)
    torch.testing.assert_close(said, guess, atol=0.05, rtol=0)  # at the last step next to nothing is left of the latent

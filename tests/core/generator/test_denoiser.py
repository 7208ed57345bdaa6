"""The denoiser: AudioLDM's sizes, and how a condition enters, is dropped and is brought to the latent's rate."""

from __future__ import annotations

import pytest
import torch

from eeg2speech_bench.core.conditioning import Conditioning
from eeg2speech_bench.core.errors import ContractError, UsageError
from eeg2speech_bench.core.generator.denoiser import ConditionedDenoiser, build_unet, latent_shape
from eeg2speech_bench.core.generator.frames import resample_tokens
from eeg2speech_bench.core.presets.config import AutoencoderConfig, DenoiserConfig, DiffusionConfig

DIM, WAYS = 12, ("frames", "tokens", "film")


def tiny(*condition_by: str) -> DenoiserConfig:
    return DenoiserConfig(
        channels=(8, 8, 16),
        attention=(False, True, True),
        attention_heads=(1, 2, 2),
        layers_per_block=1,
        norm_groups=4,
        condition_by=condition_by,
        frame_channels=4,
    )


def make(*condition_by: str) -> ConditionedDenoiser:
    torch.manual_seed(0)
    denoiser = ConditionedDenoiser(tiny(*condition_by), 3, 8, DIM, DiffusionConfig())
    torch.nn.init.normal_(denoiser.null)
    return denoiser.eval()


def condition(n_tokens: int, batch: int = 2, seed: int = 0) -> Conditioning:
    generator = torch.Generator().manual_seed(seed)
    return Conditioning.from_tokens(torch.randn(batch, n_tokens, DIM, generator=generator))


LATENT = torch.randn(2, 3, 36, 8, generator=torch.Generator().manual_seed(9))
TIME = torch.tensor([10, 700])


def film_unet(width: int, heads: tuple[int, ...], dim: int) -> int:
    config = DenoiserConfig(channels=(width, 2 * width, 3 * width, 5 * width), attention_heads=heads)
    with torch.device("meta"):
        unet = build_unet(config.model_copy(update={"condition_by": ("film",)}), latent_channels=8, condition_dim=dim)
    return sum(p.numel() for p in unet.parameters())


@pytest.mark.parametrize(
    ("width", "heads", "dim", "n_parameters"),
    [
        (128, (4, 8, 12, 20), 512, 185_036_552),
        (128, (4, 8, 12, 20), 1024, 185_298_696),
        (192, (6, 12, 18, 30), 1024, 416_347_784),
        (256, (4, 8, 12, 20), 1024, 739_663_368),
    ],
)
def test_the_film_unet_has_the_parameters_of_audioldm(
    width: int, heads: tuple[int, ...], dim: int, n_parameters: int
) -> None:
    assert film_unet(width, heads, dim) == n_parameters


@pytest.mark.parametrize(("condition_by", "millions"), [(("tokens",), 187.9), (("tokens", "film"), 192.7)])
def test_cross_attention_costs_what_the_reference_says(condition_by: tuple[str, ...], millions: float) -> None:
    config = DenoiserConfig().model_copy(update={"condition_by": condition_by})
    with torch.device("meta"):
        unet = build_unet(config, latent_channels=8, condition_dim=1024)
    assert sum(p.numel() for p in unet.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)


def test_attention_heads_are_counts_per_level() -> None:
    unet = build_unet(tiny("film"), latent_channels=3, condition_dim=DIM)
    assert unet.down_blocks[1].attentions[0].transformer_blocks[0].attn1.heads == 2


@torch.no_grad()
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("n_tokens", [1, 20, 36, 100])
def test_every_way_takes_any_number_of_tokens_and_returns_the_latents_shape(way: str, n_tokens: int) -> None:
    assert make(way)(LATENT, TIME, condition(n_tokens)).shape == LATENT.shape


@torch.no_grad()
@pytest.mark.parametrize("way", WAYS)
def test_every_way_lets_the_condition_reach_the_prediction(way: str) -> None:
    denoiser = make(way)
    one, other = (denoiser(LATENT, TIME, condition(36, seed=seed)) for seed in (0, 1))
    assert (one - other).abs().max() > 1e-4


@torch.no_grad()
def test_all_three_ways_work_together() -> None:
    assert make(*WAYS)(LATENT, TIME, condition(36)).shape == LATENT.shape


@torch.no_grad()
@pytest.mark.parametrize("way", WAYS)
def test_a_dropped_item_does_not_see_its_condition_and_the_others_see_theirs(way: str) -> None:
    denoiser, drop = make(way), torch.tensor([True, False])
    one, other = (denoiser(LATENT, TIME, condition(36, seed=seed), drop) for seed in (0, 1))
    torch.testing.assert_close(one[0], other[0])
    assert (one[1] - other[1]).abs().max() > 1e-4


@torch.no_grad()
@pytest.mark.parametrize("way", WAYS)
def test_a_dropped_item_is_predicted_from_the_null_token(way: str) -> None:
    denoiser = make(way)
    null = Conditioning.from_tokens(denoiser.null.expand(2, 36, DIM))
    dropped = denoiser(LATENT, TIME, condition(36), torch.tensor([True, True]))
    torch.testing.assert_close(dropped, denoiser(LATENT, TIME, null), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("way", WAYS)
def test_the_null_token_is_learnt(way: str) -> None:
    denoiser = make(way)
    denoiser(LATENT, TIME, condition(36), torch.tensor([True, False])).square().mean().backward()
    assert denoiser.null.grad is not None and denoiser.null.grad.abs().sum() > 0


@torch.no_grad()
@pytest.mark.parametrize("way", ["frames", "tokens"])
def test_masked_tokens_have_no_influence(way: str) -> None:
    denoiser, given = make(way), condition(36)
    given.mask[:, 30:] = False
    before = denoiser(LATENT, TIME, given)
    given.embeddings[:, 30:] = 1e3
    torch.testing.assert_close(denoiser(LATENT, TIME, given), before)


@torch.no_grad()
@pytest.mark.parametrize("way", ["frames", "tokens"])
def test_the_order_of_tokens_matters(way: str) -> None:
    denoiser, given = make(way), condition(36)
    turned = Conditioning.from_tokens(given.embeddings.flip(1))
    assert (denoiser(LATENT, TIME, given) - denoiser(LATENT, TIME, turned)).abs().max() > 1e-4


@torch.no_grad()
def test_frames_enter_at_their_own_time_and_differently_in_every_band() -> None:
    tokens = torch.zeros(1, 144, DIM)  # four tokens for each frame
    tokens[:, 81] = 1
    frames = make("frames").frames
    change = (frames(tokens, 36) - frames(torch.zeros_like(tokens), 36)).abs().sum(1)[0]  # (n_frames, n_bands)
    assert torch.nonzero(change.sum(1)).flatten().tolist() == [19, 20, 21]
    assert change[20].std() > 0


def test_more_tokens_than_frames_are_averaged() -> None:
    tokens = torch.arange(6.0).reshape(1, 6, 1)
    torch.testing.assert_close(resample_tokens(tokens, 3).flatten(), torch.tensor([0.5, 2.5, 4.5]))


def test_fewer_tokens_than_frames_are_interpolated_with_the_ends_of_their_spans_aligned() -> None:
    # Tokens stand for [0, 2) and [2, 4): their centres are 1 and 3, those of the frames 0.5, 1.5, 2.5, 3.5.
    tokens = torch.tensor([1.0, 3.0]).reshape(1, 2, 1)
    torch.testing.assert_close(resample_tokens(tokens, 4).flatten(), torch.tensor([1.0, 1.5, 2.5, 3.0]))


def test_a_single_token_is_repeated() -> None:
    torch.testing.assert_close(resample_tokens(torch.full((1, 1, 2), 7.0), 5), torch.full((1, 5, 2), 7.0))


@torch.no_grad()
def test_a_latent_that_does_not_halve_evenly_is_refused() -> None:
    with pytest.raises(ContractError, match="got 34 frames x 8 bands, expected multiples of 4"):
        make("film")(LATENT[:, :, :34], TIME, condition(4))


def test_the_latent_of_the_default_window_is_72_frames_of_16_bands() -> None:
    config = DenoiserConfig()
    assert latent_shape(2.88, AutoencoderConfig(), config) == (8, 72, 16)
    assert latent_shape(10.24, AutoencoderConfig(), config) == (8, 256, 16)


def test_four_autoencoder_levels_and_three_unet_levels_take_the_default_window() -> None:
    assert latent_shape(2.88, AutoencoderConfig(channels=(16, 32, 64, 64)), tiny("frames")) == (8, 36, 8)


def test_a_window_of_a_wrong_length_is_refused_with_the_nearest_that_fits() -> None:
    with pytest.raises(UsageError, match=r"window of 3\.0 s.*got 300 mel frames.*multiple of 32.*window_s to 2\.88"):
        latent_shape(3.0, AutoencoderConfig(), DenoiserConfig())


def test_more_levels_than_the_bands_can_be_halved_are_refused() -> None:
    deep = AutoencoderConfig(channels=(8,) * 5)
    with pytest.raises(UsageError, match="factor of 16 x 8, expected a divisor of 64"):
        latent_shape(2.56, deep, DenoiserConfig())

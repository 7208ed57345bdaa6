"""The mel autoencoder: AudioLDM's size, its scale factor and its training."""

from __future__ import annotations

import pytest
import torch

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.generator.autoencoder import (
    CROP_FRAMES,
    AutoencoderTraining,
    MelAutoencoder,
    build_autoencoder,
)
from eeg2speech_bench.core.presets.config import AutoencoderConfig

TINY = AutoencoderConfig(channels=(8, 8, 8, 8), layers_per_block=1, norm_groups=4)


@pytest.fixture
def autoencoder() -> MelAutoencoder:
    torch.manual_seed(0)
    return MelAutoencoder(TINY).eval()


@pytest.fixture
def mel() -> torch.Tensor:
    return 2.5 * torch.randn(6, 32, 64, generator=torch.Generator().manual_seed(1)) - 6


def test_the_default_configuration_has_the_parameters_of_audioldm() -> None:
    with torch.device("meta"):
        vae = build_autoencoder(AutoencoderConfig())
    assert sum(p.numel() for p in vae.parameters()) == 55_376_873
    assert sum(p.numel() for p in vae.encoder.parameters()) == 22_395_024
    assert sum(p.numel() for p in vae.decoder.parameters()) == 32_981_505


def test_the_default_configuration_divides_time_and_frequency_by_four() -> None:
    with torch.device("meta"):
        autoencoder = MelAutoencoder(AutoencoderConfig())
        mean, std = autoencoder.encode(torch.zeros(1, 1024, 64))
    assert mean.shape == std.shape == (1, 8, 256, 16)


@torch.no_grad()
def test_four_levels_divide_time_and_frequency_by_eight(autoencoder: MelAutoencoder) -> None:
    mean, std = autoencoder.encode(torch.zeros(1, 288, 64))
    assert mean.shape == std.shape == (1, 8, 36, 8)
    assert autoencoder.decode(mean).shape == (1, 288, 64)


def test_a_window_that_does_not_halve_evenly_is_refused_with_the_allowed_lengths(autoencoder: MelAutoencoder) -> None:
    with pytest.raises(DataError, match=r"got 30 frames.*multiple of 8 frames.*multiple of 0\.08 s"):
        autoencoder.encode(torch.zeros(1, 30, 64))


@torch.no_grad()
def test_sampled_latents_of_the_whole_set_have_unit_deviation_once_the_scale_is_fitted(
    autoencoder: MelAutoencoder, mel: torch.Tensor
) -> None:
    autoencoder.fit_scale(*autoencoder.encode(mel))
    mean, std = (part.repeat(40, 1, 1, 1) for part in autoencoder.encode(mel))
    latent = mean + std * torch.randn(std.shape, generator=torch.Generator().manual_seed(0))
    assert latent.std().item() == pytest.approx(1, abs=0.01)


@torch.no_grad()
def test_fitting_the_scale_twice_changes_nothing(autoencoder: MelAutoencoder, mel: torch.Tensor) -> None:
    autoencoder.fit_scale(*autoencoder.encode(mel))
    assert autoencoder.fit_scale(*autoencoder.encode(mel)) == pytest.approx(1, abs=1e-5)


@torch.no_grad()
def test_fitting_the_scale_returns_what_brings_older_latents_to_the_new_scale(
    autoencoder: MelAutoencoder, mel: torch.Tensor
) -> None:
    before, std = autoencoder.encode(mel)
    ratio = autoencoder.fit_scale(before, std)
    torch.testing.assert_close(before * ratio, autoencoder.encode(mel)[0])


@torch.no_grad()
def test_the_scale_factor_does_not_change_what_is_decoded(autoencoder: MelAutoencoder, mel: torch.Tensor) -> None:
    raw = autoencoder.decode(autoencoder.encode(mel)[0])
    autoencoder.scale_factor.fill_(3.0)
    torch.testing.assert_close(autoencoder.decode(autoencoder.encode(mel)[0]), raw, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_fitted_input_reaches_the_network_standardised(autoencoder: MelAutoencoder, mel: torch.Tensor) -> None:
    expected = autoencoder.encode((mel - mel.mean()) / mel.std())[0]
    autoencoder.fit_input(mel)
    torch.testing.assert_close(autoencoder.encode(mel)[0], expected, atol=1e-5, rtol=1e-4)


def test_mean_std_and_scale_travel_with_the_weights(autoencoder: MelAutoencoder, mel: torch.Tensor) -> None:
    autoencoder.fit_input(mel)
    autoencoder.scale_factor.fill_(0.9)
    other = MelAutoencoder(TINY)
    other.load_state_dict(autoencoder.state_dict())
    assert other.scale_factor.item() == pytest.approx(0.9) and other.mean.item() == pytest.approx(mel.mean().item())


def test_the_loss_is_the_summed_error_plus_the_weighted_summed_divergence(
    autoencoder: MelAutoencoder, mel: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    mean, std = torch.full((6, 8, 4, 8), 2.0), torch.full((6, 8, 4, 8), 1.0)
    monkeypatch.setattr(autoencoder, "posterior", lambda _: (mean, std))
    monkeypatch.setattr(autoencoder, "decode", lambda _: mel + 0.5)
    loss = AutoencoderTraining(autoencoder, TINY).loss(mel)
    # of an item: |error| 0.5 on 32 x 64 values, KL of N(2, 1) from N(0, 1) = 2 on 8 x 4 x 8 values
    assert loss.item() == pytest.approx(0.5 * 2048 + TINY.kl_weight * 2 * 256, rel=1e-5)


def test_a_few_steps_of_training_lower_the_loss(autoencoder: MelAutoencoder, mel: torch.Tensor) -> None:
    training = AutoencoderTraining(autoencoder, TINY.model_copy(update={"learning_rate": 3e-3}))
    optimizer = torch.optim.AdamW(training.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss = training.loss(mel)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(("n_frames", "n_seen"), [(288, CROP_FRAMES), (64, 64)])
def test_a_training_step_sees_a_crop_of_long_spectrograms(
    autoencoder: MelAutoencoder, monkeypatch: pytest.MonkeyPatch, n_frames: int, n_seen: int
) -> None:
    training, seen = AutoencoderTraining(autoencoder, TINY), []
    monkeypatch.setattr(training, "loss", lambda mel: seen.append(mel) or mel.sum())
    monkeypatch.setattr(training, "log", lambda *_, **__: None)
    mel = torch.arange(float(n_frames))[None, :, None].expand(2, -1, 64)
    training.training_step(mel, 0)
    assert seen[0].shape == (2, n_seen, 64)
    assert torch.equal(seen[0][0, :, 0].diff(), torch.ones(n_seen - 1))


def test_patches_take_the_place_of_levels(mel: torch.Tensor) -> None:
    by_levels, by_patches = TINY, TINY.model_copy(update={"patch": 2, "channels": TINY.channels[1:]})
    assert by_patches.factor == by_levels.factor
    made = MelAutoencoder(by_patches)
    mean = made.encode(mel)[0]
    assert mean.shape == MelAutoencoder(by_levels).encode(mel)[0].shape == (6, 8, 4, 8)
    assert made.decode(mean).shape == mel.shape
    assert sum(p.numel() for p in made.vae.encoder.conv_in.parameters()) == 4 * TINY.channels[1] * 9 + TINY.channels[1]

"""The mel front-end against AudioLDM's golden values (reference: audioldm_train's dataset.py, run once)."""

from __future__ import annotations

import math

import pytest
import torch

from eeg2speech_bench.core.generator.mel import FLOOR, FRAME_RATE_HZ, HOP, N_MELS, MelSpectrogram, normalise_waveform

N_SAMPLES = 163_840


@pytest.fixture(scope="module")
def mel() -> MelSpectrogram:
    return MelSpectrogram()


@pytest.fixture(scope="module")
def tone(mel: MelSpectrogram) -> torch.Tensor:
    time = torch.arange(N_SAMPLES, dtype=torch.float64) / 16_000
    return mel((0.5 * torch.sin(2 * math.pi * 440 * time)).float()[None])[0]


def test_the_filter_bank_has_the_golden_sum_maximum_and_shape(mel: MelSpectrogram) -> None:
    assert mel.filters.shape == (513, 64)
    assert mel.filters.sum().item() == pytest.approx(4.095880, abs=1e-4)
    assert mel.filters.max().item() == pytest.approx(0.0213312, abs=1e-6)


@pytest.mark.parametrize(("band", "first", "last"), [(0, 1, 5), (1, 3, 8)])
def test_the_lowest_bands_cover_the_golden_bins(mel: MelSpectrogram, band: int, first: int, last: int) -> None:
    bins = torch.nonzero(mel.filters[:, band]).flatten()
    assert (bins[0].item(), bins[-1].item()) == (first, last)


def test_a_tone_has_the_golden_statistics(tone: torch.Tensor) -> None:
    assert tone.mean().item() == pytest.approx(-9.93702, abs=1e-4)
    assert tone.std().item() == pytest.approx(2.84995, abs=1e-4)
    assert tone.max().item() == pytest.approx(1.29073, abs=1e-4)


def test_a_tone_has_the_golden_values_in_one_frame(tone: torch.Tensor) -> None:
    torch.testing.assert_close(tone[512, 7:11], torch.tensor([-3.4820, 1.0858, 0.9799, -3.5017]), atol=1e-4, rtol=0)


def test_ten_seconds_give_exactly_1024_frames(tone: torch.Tensor) -> None:
    assert tone.shape == (1024, N_MELS)


@pytest.mark.parametrize(("n_samples", "n_frames"), [(48_000, 300), (64_000, 400), (46_080, 288)])
def test_there_is_one_frame_per_160_samples(mel: MelSpectrogram, n_samples: int, n_frames: int) -> None:
    assert mel(torch.zeros(2, n_samples)).shape == (2, n_frames, 64)
    assert n_frames * HOP == n_samples and FRAME_RATE_HZ * HOP == 16_000


def test_silence_is_the_floor_everywhere(mel: MelSpectrogram) -> None:
    assert pytest.approx(-11.512925, abs=1e-6) == FLOOR
    torch.testing.assert_close(mel(torch.zeros(1, 1600)), torch.full((1, 10, 64), -11.512925))


def test_frames_do_not_depend_on_other_items_of_the_batch(mel: MelSpectrogram) -> None:
    waves = torch.randn(3, 3200, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(mel(waves)[1:2], mel(waves[1:2]))


def test_a_normalised_waveform_is_centred_with_its_peak_at_one_half() -> None:
    wave = normalise_waveform(torch.tensor([[1.0, 2.0, 3.0, 6.0], [0.0, 0.0, 0.0, 0.2]]))
    torch.testing.assert_close(wave.mean(-1), torch.zeros(2))
    torch.testing.assert_close(wave.abs().amax(-1), torch.full((2,), 0.5))


def test_normalised_silence_is_silence() -> None:
    assert not normalise_waveform(torch.zeros(2, 100)).any()

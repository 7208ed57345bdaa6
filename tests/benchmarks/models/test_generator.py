"""The trained generator, as several threads use it together."""

from __future__ import annotations

import pytest
import torch

from eeg2speech_bench.benchmarks.models import generator
from eeg2speech_bench.benchmarks.models.generator import decode, for_inference, shares_of_cores
from eeg2speech_bench.core.generator.autoencoder import MelAutoencoder
from eeg2speech_bench.core.presets.config import AutoencoderConfig

TINY = AutoencoderConfig(channels=(8, 8), layers_per_block=1, norm_groups=4)


def test_decoding_leaves_the_weights_where_they_are() -> None:
    autoencoder = for_inference(MelAutoencoder(TINY))
    places = [weight.data_ptr() for weight in autoencoder.parameters()]
    decode(autoencoder, torch.zeros(2, 8, 4, 32))
    assert [weight.data_ptr() for weight in autoencoder.parameters()] == places


def test_a_network_for_inference_says_the_same_in_the_faster_layout() -> None:
    torch.manual_seed(0)
    autoencoder, latent = MelAutoencoder(TINY).eval(), torch.randn(2, 8, 4, 32)
    before = decode(autoencoder, latent)
    torch.testing.assert_close(decode(for_inference(autoencoder), latent), before, rtol=1e-4, atol=1e-4)
    assert autoencoder.vae.decoder.conv_in.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("n", "cores", "sizes"), [(7, 2, [4, 3]), (2, 4, [1, 1]), (5, 1, [5]), (9, 4, [3, 3, 3])])
def test_clips_are_shared_out_to_cores(monkeypatch: pytest.MonkeyPatch, n: int, cores: int, sizes: list[int]) -> None:
    monkeypatch.setattr(generator, "count_cores", lambda: cores)
    shares = shares_of_cores(n, "cpu")
    assert [share.stop - share.start if share.stop <= n else n - share.start for share in shares] == sizes
    assert [len(range(n)[share]) for share in shares_of_cores(n, "cuda")] == [n]

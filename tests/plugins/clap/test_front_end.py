"""CLAP's front end: frames in both conventions, and windows that fill ten seconds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import ClapFeatureExtractor

from eeg2speech_bench.core.errors import DataError, UsageError
from eeg2speech_bench.plugins.clap.front_end import fill_clip, front_end, log_mel, mel_scale_of
from eeg2speech_bench.plugins.targets.clap import ClapTarget


@pytest.mark.parametrize(("mel_scale", "truncation"), [("slaney", "rand_trunc"), ("htk", "fusion")])
def test_frames_are_those_of_transformers_extractor(noise, mel_scale, truncation):
    sound = noise(24_000)
    extractor = ClapFeatureExtractor(frequency_min=50, truncation=truncation)
    theirs = extractor(sound.numpy(), sampling_rate=48_000, max_length=24_000)["input_features"][0][0]
    np.testing.assert_allclose(log_mel(sound, 48_000, mel_scale).numpy(), theirs, atol=2e-3)


def test_the_bands_have_equal_area_in_one_convention_and_equal_height_in_the_other():
    wide = slice(32, None)  # narrow bands span too few bins for either to show
    area = front_end("slaney").mel_scale.fb[:, wide].sum(0) * 48_000 / 1024
    height = front_end("htk").mel_scale.fb[:, wide].max(0).values
    torch.testing.assert_close(area, torch.ones(32), atol=0.02, rtol=0)
    torch.testing.assert_close(height, torch.ones(32), atol=0.15, rtol=0)


def test_silence_is_the_floor():
    assert torch.equal(log_mel(torch.zeros(4800), 48_000, "slaney"), torch.full((11, 64), -100.0))


def test_sound_of_another_rate_has_the_same_frames():
    hz, seconds = torch.tensor([400.0, 1300.0])[:, None], 0.5
    slow, fast = (
        torch.sin(2 * torch.pi * hz * torch.arange(round(seconds * rate)) / rate) for rate in (16_000, 48_000)
    )
    low, high = log_mel(slow, 16_000, "slaney")[:, 5:-5], log_mel(fast, 48_000, "slaney")[:, 5:-5]
    assert (low.argmax(-1) == high.argmax(-1)).all()
    torch.testing.assert_close(low.amax(-1), high.amax(-1), atol=0.1, rtol=0)


def test_a_network_without_fusion_reads_slaney_bands_and_one_with_fusion_reads_htk():
    assert (mel_scale_of(fused=False), mel_scale_of(fused=True)) == ("slaney", "htk")
    assert mel_scale_of(fused=False, option="htk") == "htk"


def test_an_unknown_convention_is_refused(speech):
    with pytest.raises(UsageError, match="mel_scale of CLAP is unknown: got 'bark', expected auto, slaney or htk"):
        ClapTarget.build(speech, mel_scale="bark")


def test_a_window_fills_ten_seconds_as_the_extractor_fills_them(noise):
    sound = noise(138_240)
    extractor = ClapFeatureExtractor(frequency_min=50, truncation="rand_trunc", padding="repeatpad")
    theirs = torch.from_numpy(extractor(sound.numpy(), sampling_rate=48_000)["input_features"][0][0]).float()
    ours = fill_clip(log_mel(sound, 48_000, "slaney")[None, :288])[0]
    inside = torch.ones(1001, dtype=torch.bool)
    for seam in (288, 576, 864):
        inside[seam - 1 : seam + 2] = False
    torch.testing.assert_close(ours[inside], theirs[inside], atol=2e-3, rtol=0)
    assert (ours[865:] == -100).all()


def test_a_window_of_ten_seconds_is_left_as_it_is(noise):
    frames = noise(1, 1000, 64)
    assert torch.equal(fill_clip(frames)[:, :1000], frames)


def test_a_window_beyond_ten_seconds_is_refused():
    with pytest.raises(DataError, match=r"CLAP cannot hear a whole window: got 12 s, expected at most 10 s"):
        fill_clip(torch.zeros(1, 1200, 64))

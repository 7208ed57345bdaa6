"""CLAP's audio tower as target, small and trained jointly, or pretrained and frozen."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize
from transformers import ClapConfig, ClapModel

from eeg2speech_bench.core.conditioning import SoundInfo
from eeg2speech_bench.core.errors import DataError, UnknownNameError, UsageError
from eeg2speech_bench.core.specs import TargetSpec
from eeg2speech_bench.plugins.clap.front_end import fill_clip
from eeg2speech_bench.plugins.targets.clap import ClapTarget


def test_the_target_has_one_token_per_window(speech):
    info = ClapTarget.build(speech).info
    assert (info.dim, info.n_tokens, info.token_rate_hz) == (64, 1, pytest.approx(1 / 2.88))


def test_features_are_a_hundred_frames_a_second(speech, noise):
    assert ClapTarget.build(speech).features(noise(32_000)).shape == (201, 64)


@pytest.mark.parametrize("n_frames", [288, 100, 512])
def test_the_small_tower_maps_windows_of_any_length(speech, noise, n_frames):
    target = ClapTarget.build(speech, dim=24, hidden=8)
    assert target(noise(3, n_frames, 64)).shape == (3, 1, 24)


def test_without_weights_the_target_is_trained_jointly(speech, noise):
    target = ClapTarget.build(speech, hidden=8)
    assert target.trained_jointly
    target(noise(2, 288, 64)).sum().backward()
    assert all(weight.grad is not None for weight in target.parameters())


def test_with_weights_the_target_is_frozen_and_stores_nothing(speech, noise, clap, folder):
    target = ClapTarget.build(speech, weights=str(folder)).train()
    tokens = target(20 * noise(2, 288, 64) - 40)
    assert (target.trained_jointly, target.info.dim, tokens.shape) == (False, 24, (2, 1, 24))
    assert not target.state_dict()
    assert not tokens.requires_grad


def test_with_weights_a_window_has_claps_own_embedding(speech, noise, clap, folder):
    frames = 20 * noise(2, 288, 64) - 40
    with torch.no_grad():
        theirs = clap.get_audio_features(input_features=fill_clip(frames)[:, None]).pooler_output
    ours = ClapTarget.build(speech, weights=str(folder))(frames)[:, 0]
    torch.testing.assert_close(ours, normalize(theirs, dim=1))


def test_a_fusing_network_hears_a_short_window(tmp_path, speech, noise):
    audio = {"patch_embeds_hidden_size": 16, "hidden_size": 32, "depths": [1, 1], "num_attention_heads": [2, 4]}
    audio |= {"enable_fusion": True, "fusion_type": "aff_2d"}
    text = {"vocab_size": 9, "hidden_size": 64, "num_attention_heads": 1, "num_hidden_layers": 1}
    ClapModel(ClapConfig(audio_config=audio, text_config=text, projection_dim=8)).save_pretrained(tmp_path)
    target = ClapTarget.build(speech, weights=str(tmp_path))
    assert target.tower.mel_scale == "htk"
    assert target(noise(2, 288, 64)).isfinite().all()


def test_an_envelope_is_refused():
    with pytest.raises(DataError, match="Target 'clap' needs audio: got sound of kind 'envelope'"):
        ClapTarget.build(SoundInfo("envelope", 64.0, 3.0))


def test_sizes_have_no_effect_with_weights_and_are_refused(speech, folder):
    with pytest.raises(UsageError, match="Option dim of target 'clap' has no effect with weights: got 64"):
        ClapTarget.build(speech, weights=str(folder), dim=64)


def test_an_impossible_width_is_refused(speech):
    with pytest.raises(UsageError, match="Option hidden of CLAP is impossible: got 7, expected a multiple of 2"):
        ClapTarget.build(speech, hidden=7)


def test_an_unknown_option_of_the_target_is_answered_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="mel_scale"):
        TargetSpec("clap", "eeg2speech_bench.plugins.targets.clap:ClapTarget").check_options(["mel"])

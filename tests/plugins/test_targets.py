"""The audio targets: front ends, scalers, token rates and sizes."""

from __future__ import annotations

import math
import re

import pytest
import torch

from eeg2speech_bench.core.conditioning import SoundInfo
from eeg2speech_bench.core.errors import BenchError, DataError, UsageError
from eeg2speech_bench.plugins.targets.deep_mel import DeepMelTarget
from eeg2speech_bench.plugins.targets.mel import MelTarget
from eeg2speech_bench.plugins.targets.wav2vec2 import Wav2Vec2Target

SPEECH = SoundInfo("waveform", 16_000.0, 2.88)
ENVELOPE = SoundInfo("envelope", 64.0, 3.0)


def noise(seconds, rate_hz=16_000, seed=0):
    return torch.randn(round(seconds * rate_hz), generator=torch.Generator().manual_seed(seed))


def tone(hz, seconds=1.0, rate_hz=16_000):
    return torch.sin(2 * math.pi * hz * torch.arange(round(seconds * rate_hz)) / rate_hz)


# --- mel -------------------------------------------------------------------------------------------------------


def test_a_window_has_as_many_tokens_as_its_length_and_the_rate_say():
    info = MelTarget.build(SPEECH).info
    assert (info.dim, info.n_tokens, info.token_rate_hz) == (120, 346, 120.0)


def test_frames_come_at_the_token_rate():
    assert MelTarget.build(SPEECH, n_bands=40).features(noise(10)).shape == (1200, 40)


def test_silence_is_the_logarithm_of_the_floor():
    frames = MelTarget.build(SPEECH, n_bands=40).features(torch.zeros(16_000))
    torch.testing.assert_close(frames, torch.full_like(frames, -5.0))


def test_a_tone_is_loudest_in_the_band_of_its_frequency():
    # 41 band edges + 1 evenly spaced on the HTK mel scale from 0 to 8 kHz; 1 kHz is mel 1000, 8 kHz is mel 2840.
    frames = MelTarget.build(SPEECH, n_bands=40).features(tone(1000))
    expected = 1000 / (2840.02 / 41) - 1
    assert abs(frames.mean(0).argmax().item() - expected) <= 1


def test_the_loudness_of_a_stretch_does_not_matter():
    target = MelTarget.build(SPEECH, n_bands=40)
    torch.testing.assert_close(target.features(noise(1) * 100), target.features(noise(1)), atol=1e-4, rtol=0)


def test_a_click_is_in_the_frame_of_its_moment():
    sound = torch.zeros(32_000)
    sound[16_000] = 1.0
    loudness = MelTarget.build(SPEECH, n_bands=40).features(sound).mean(1)
    peak = (loudness > loudness.max() - 0.5).nonzero().float().mean().item()
    assert abs(peak - 120) <= 1


def test_sound_of_another_rate_has_the_same_frames():
    slow, fast = (MelTarget.build(SoundInfo("waveform", r, 2.88), n_bands=20) for r in (16_000.0, 48_000.0))
    low, high = slow.features(tone(500))[10:-10], fast.features(tone(500, rate_hz=48_000))[10:-10]
    assert low.shape == high.shape
    assert (low.argmax(1) == high.argmax(1)).all()


def test_slow_tokens_average_the_frames_instead_of_skipping_them():
    wave = torch.cat([torch.cat([noise(0.008, seed=k), torch.zeros(128)]) for k in range(100)])
    frames = MelTarget.build(SPEECH, n_bands=20, token_rate_hz=25.0).features(wave)
    assert frames.mean(1)[5:-5].std() < 0.1


def test_the_scaler_gives_one_mean_and_one_deviation_over_all_bands():
    target = MelTarget.build(SPEECH, n_bands=20, centre_in_time=False)
    frames = torch.randn(1000, 20) * torch.linspace(1, 3, 20) + 4
    target.fit_scaler(frames)
    tokens = target(frames[None])
    assert target.mean.shape == ()
    assert (tokens.mean().item(), tokens.std().item()) == (pytest.approx(0, abs=1e-5), pytest.approx(1, abs=1e-4))
    assert tokens.std((0, 1))[0] < 0.7 < 1.2 < tokens.std((0, 1))[-1]


def test_the_scaler_is_part_of_the_state():
    target, copy = MelTarget.build(SPEECH, n_bands=20), MelTarget.build(SPEECH, n_bands=20)
    target.fit_scaler(torch.randn(100, 20) + 3)
    copy.load_state_dict(target.state_dict(), strict=True)
    assert (copy.mean, copy.scale) == (target.mean, target.scale)


@pytest.mark.parametrize("frames", [torch.ones(10, 2), torch.full((10, 2), torch.nan)])
def test_constant_training_sound_is_refused(frames):
    with pytest.raises(DataError, match="Training sound cannot be standardised"):
        MelTarget.build(SPEECH).fit_scaler(frames)


def test_tokens_of_a_window_have_no_mean_spectrum():
    target = MelTarget.build(SPEECH, n_bands=20)
    tokens = target(torch.randn(2, 346, 20) + torch.linspace(0, 5, 20))
    torch.testing.assert_close(tokens.mean(1), torch.zeros(2, 20), atol=1e-5, rtol=0)


def test_the_mean_spectrum_stays_when_asked():
    tokens = MelTarget.build(SPEECH, n_bands=20, centre_in_time=False)(torch.full((1, 346, 20), 2.0))
    assert torch.equal(tokens, torch.full((1, 346, 20), 2.0))


def test_an_envelope_is_a_target_of_one_band():
    target = MelTarget.build(ENVELOPE, token_rate_hz=64.0)
    envelope = noise(10, 64)
    assert (target.info.dim, target.info.n_tokens) == (1, 192)
    assert torch.equal(target.features(envelope), envelope[:, None])


def test_an_envelope_is_brought_to_another_token_rate():
    envelope = torch.arange(640.0) / 64
    frames = MelTarget.build(ENVELOPE, token_rate_hz=120.0).features(envelope)[:, 0]
    torch.testing.assert_close(frames, torch.arange(1200) / 120, atol=1 / 64 + 1e-4, rtol=0)


# --- deep mel --------------------------------------------------------------------------------------------------


def test_deep_mel_has_the_published_number_of_parameters():
    assert sum(p.numel() for p in DeepMelTarget.build(SPEECH).parameters()) == 9_320_128


def test_deep_mel_ends_in_a_layer_without_norm_and_activation():
    stack = DeepMelTarget.build(SPEECH, n_bands=10, hidden=8, dim=6).stack
    assert [len(layer) for layer in stack.sequence] == [3] * 9 + [1]
    assert isinstance(stack.sequence[0][2], torch.nn.ReLU)


def test_deep_mel_gives_a_token_per_frame():
    target = DeepMelTarget.build(SPEECH, n_bands=10, hidden=8, dim=6, token_rate_hz=60.0)
    assert target.info.n_tokens == 173
    assert target(torch.randn(2, 173, 10)).shape == (2, 173, 6)


def test_deep_mel_takes_an_envelope():
    target = DeepMelTarget.build(ENVELOPE, hidden=8, dim=6)
    frames = target.features(noise(4, 64))
    assert frames.shape == (480, 1)
    assert target(frames[None, :360]).shape == (1, 360, 6)


def test_deep_mel_is_trained_jointly_and_mel_is_not():
    assert DeepMelTarget.trained_jointly
    assert not MelTarget.trained_jointly
    assert not list(MelTarget.build(SPEECH).parameters())


# --- wav2vec 2.0 -----------------------------------------------------------------------------------------------


def test_wav2vec2_frames_come_at_the_token_rate(tiny_wav2vec2):
    target = Wav2Vec2Target.build(SPEECH, model=tiny_wav2vec2, layers=(3, 4))
    assert target.info.dim == 16
    assert target.features(noise(4)).shape == (480, 16)


def test_wav2vec2_averages_the_layers_that_were_asked_for(tiny_wav2vec2):
    sound = noise(1)
    two, three, both = (
        Wav2Vec2Target.build(SPEECH, model=tiny_wav2vec2, layers=layers).features(sound)
        for layers in ((2,), (3,), (2, 3))
    )
    torch.testing.assert_close(both, (two + three) / 2)


def test_wav2vec2_frames_are_those_of_the_model_repeated_to_the_token_rate(tiny_wav2vec2):
    target = Wav2Vec2Target.build(SPEECH, model=tiny_wav2vec2, layers=(2,), token_rate_hz=100.0)
    sound = noise(1)
    wave = torch.nn.functional.pad((sound - sound.mean()) / sound.std(), (0, 320))
    with torch.no_grad():
        native = target.network(wave[None], output_hidden_states=True).hidden_states[2][0]
    torch.testing.assert_close(target.features(sound), native.repeat_interleave(2, 0)[:100], atol=1e-5, rtol=1e-4)


def test_wav2vec2_does_not_hear_the_loudness_of_a_stretch(tiny_wav2vec2):
    target = Wav2Vec2Target.build(SPEECH, model=tiny_wav2vec2, layers=(2,))
    torch.testing.assert_close(target.features(50 * noise(1)), target.features(noise(1)), atol=1e-4, rtol=0)


def test_a_long_stretch_in_pieces_has_as_many_frames_in_the_same_places(tiny_wav2vec2, monkeypatch):
    target = Wav2Vec2Target.build(SPEECH, model=tiny_wav2vec2, layers=(1,), token_rate_hz=50.0)
    sound = noise(6)
    whole = target.features(sound)
    monkeypatch.setattr("eeg2speech_bench.plugins.targets.wav2vec2.PIECE_S", 2)
    pieces = target.features(sound)
    assert pieces.shape == whole.shape == (300, 16)
    similarity = torch.nn.functional.cosine_similarity(pieces, whole, dim=1)
    assert similarity.mean() > 0.95
    assert similarity.mean() > torch.nn.functional.cosine_similarity(pieces, whole.roll(1, 0), dim=1).mean()


def test_random_wav2vec2_has_other_weights_and_the_same_shape(tiny_wav2vec2):
    trained, control = (Wav2Vec2Target.build(SPEECH, model=tiny_wav2vec2, layers=(2,), random=r) for r in (False, True))
    one, other = trained.features(noise(1)), control.features(noise(1))
    assert one.shape == other.shape
    assert not torch.allclose(one, other)


def test_the_state_of_wav2vec2_is_its_scaler_alone(tiny_wav2vec2):
    target = Wav2Vec2Target.build(SPEECH, model=tiny_wav2vec2, layers=(2,))
    target.fit_scaler(target.features(noise(1)))
    assert list(target.state_dict()) == ["mean", "scale"]
    assert not target.trained_jointly


def test_wav2vec2_without_weights_says_what_to_do(tmp_path):
    with pytest.raises(BenchError, match=re.escape("set target.options.wav2vec2.model to that folder")):
        Wav2Vec2Target.build(SPEECH, model=str(tmp_path / "absent"))


def test_wav2vec2_with_a_layer_too_many_is_refused(tiny_wav2vec2):
    with pytest.raises(UsageError, match=re.escape("got [14, 15, 16, 17, 18], expected numbers from 0 to 4")):
        Wav2Vec2Target.build(SPEECH, model=tiny_wav2vec2)


def test_wav2vec2_of_an_envelope_is_refused():
    with pytest.raises(DataError, match="Target 'wav2vec2' needs audio: got sound of kind 'envelope'"):
        Wav2Vec2Target.build(ENVELOPE)

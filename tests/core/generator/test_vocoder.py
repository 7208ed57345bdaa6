"""Vocoders: Griffin-Lim against its spectrogram, HiFi-GAN in AudioLDM's size, and where weights come from."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
import torch
import torchaudio
from transformers import SpeechT5HifiGan

from eeg2speech_bench.core.errors import BenchError, UsageError
from eeg2speech_bench.core.generator.griffin_lim import GriffinLimVocoder
from eeg2speech_bench.core.generator.mel import FLOOR, MelSpectrogram, normalise_waveform
from eeg2speech_bench.core.generator.vocoder import (
    HifiGanVocoder,
    audioldm_vocoder_config,
    build_vocoder,
)
from eeg2speech_bench.core.presets.config import VocoderConfig


@pytest.fixture(scope="module")
def speech(realdata: Path) -> torch.Tensor:
    """Two clips of 2.88 s of read speech at 16 kHz."""
    wave, rate = soundfile.read(realdata / "speech_audio/ljspeech_coqui/wavs/LJ001-0001.wav", dtype="float32")
    wave = torchaudio.functional.resample(torch.from_numpy(wave), rate, 16_000)
    return normalise_waveform(wave[: 2 * 46_080].reshape(2, 46_080))


@pytest.fixture(scope="module")
def played(speech: torch.Tensor) -> torch.Tensor:
    return GriffinLimVocoder(n_iter=16)(MelSpectrogram()(speech))


def bands_correlation(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Correlation over time of each band, averaged over bands and items."""
    one, other = (x - x.mean(1, keepdim=True) for x in (one, other))
    return ((one * other).sum(1) / (one.norm(dim=1) * other.norm(dim=1))).mean()


def tiny_hifigan() -> SpeechT5HifiGan:
    torch.manual_seed(0)
    return SpeechT5HifiGan(audioldm_vocoder_config(width=64)).eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_hifigan().save_pretrained(tmp_path)
    return tmp_path


def test_griffin_lim_keeps_the_bands_of_real_speech(speech: torch.Tensor, played: torch.Tensor) -> None:
    mel = MelSpectrogram()
    assert bands_correlation(mel(played), mel(speech)) > 0.97


def test_griffin_lim_is_in_time_to_a_tenth_of_a_frame(speech: torch.Tensor, played: torch.Tensor) -> None:
    smooth = torch.hann_window(161)[None, None]
    loudness = [torch.nn.functional.conv1d(w.abs()[:, None], smooth)[:, 0] for w in (speech, played)]
    real, ours = (x - x.mean(1, keepdim=True) for x in loudness)
    shifts = range(-160, 161, 4)
    match = [(real[:, 200:-200] * ours.roll(-s, 1)[:, 200:-200]).sum().item() for s in shifts]
    assert abs(shifts[match.index(max(match))]) <= 16


def test_griffin_lim_writes_160_samples_per_frame_and_silence_for_silence() -> None:
    wave = GriffinLimVocoder(n_iter=2)(torch.full((2, 24, 64), FLOOR))
    assert wave.shape == (2, 24 * 160)
    assert wave.abs().max() < 1e-3


def test_griffin_lim_is_deterministic_and_independent_of_the_batch() -> None:
    mel = torch.randn(3, 16, 64, generator=torch.Generator().manual_seed(0)) - 4
    vocoder = GriffinLimVocoder(n_iter=3)
    torch.testing.assert_close(vocoder(mel)[1:2], vocoder(mel[1:2]), atol=1e-5, rtol=1e-4)


def test_mel_inversion_leaves_less_than_two_per_cent_of_speech(speech: torch.Tensor) -> None:
    vocoder, mel = GriffinLimVocoder(), MelSpectrogram()(speech)
    found = vocoder.magnitude(mel) @ vocoder.filters
    assert (found - mel.exp()).norm() / mel.exp().norm() < 0.02


def test_the_default_hifigan_has_the_parameters_of_audioldm() -> None:
    with torch.device("meta"):
        network = SpeechT5HifiGan(audioldm_vocoder_config())
    assert sum(p.numel() for p in network.parameters()) == 55_264_897


@torch.no_grad()
def test_the_32_surplus_samples_of_hifigan_are_cut_at_the_end() -> None:
    network = tiny_hifigan()
    mel = torch.randn(2, 20, 64, generator=torch.Generator().manual_seed(0))
    raw = network(mel)
    assert raw.shape == (2, 160 * 20 + 32)
    torch.testing.assert_close(HifiGanVocoder(network)(mel), raw[:, :3200])


def test_a_vocoder_for_other_spectrograms_is_refused() -> None:
    config = audioldm_vocoder_config(width=64)
    config.model_in_dim = 80
    with pytest.raises(BenchError, match="got 80 mel bands, 16000 Hz, hop 160, expected 64 mel bands"):
        HifiGanVocoder(SpeechT5HifiGan(config))


@torch.no_grad()
def test_a_folder_saved_by_transformers_is_loaded(folder: Path) -> None:
    vocoder = build_vocoder(VocoderConfig(name="hifi-gan", checkpoint=str(folder)))
    mel = torch.randn(1, 10, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(vocoder(mel), HifiGanVocoder(tiny_hifigan())(mel))


def test_a_folder_without_some_weight_is_refused(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    del state["conv_pre.bias"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BenchError, match=r"is incomplete: got no conv_pre.bias"):
        build_vocoder(VocoderConfig(name="hifi-gan", checkpoint=str(folder)))


def test_a_checkpoint_that_is_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"Vocoder .*nowhere cannot be loaded"):
        build_vocoder(VocoderConfig(name="hifi-gan", checkpoint=str(tmp_path / "nowhere")))


def test_hifigan_without_weights_is_refused_with_what_to_set() -> None:
    with pytest.raises(UsageError, match=r"hifi-gan needs weights.*vocoder.checkpoint="):
        build_vocoder(VocoderConfig(name="hifi-gan"))


def test_weights_for_griffin_lim_are_refused() -> None:
    with pytest.raises(UsageError, match=r"vocoder.checkpoint has no effect on griffin-lim"):
        build_vocoder(VocoderConfig(checkpoint="some/where"))


def test_griffin_lim_runs_as_often_as_configured() -> None:
    vocoder = build_vocoder(VocoderConfig(n_iter=7))
    assert isinstance(vocoder, GriffinLimVocoder) and vocoder.n_iter == 7


def mel_of(seed: int = 0) -> torch.Tensor:
    return torch.randn(1, 10, 64, generator=torch.Generator().manual_seed(seed))


def loaded(checkpoint: Path) -> HifiGanVocoder:
    vocoder = build_vocoder(VocoderConfig(name="hifi-gan", checkpoint=str(checkpoint)))
    assert isinstance(vocoder, HifiGanVocoder)
    return vocoder


def test_a_vocoder_in_half_precision_is_played_in_float32(folder: Path) -> None:
    tiny_hifigan().half().save_pretrained(folder)
    wave = loaded(folder)(mel_of())
    assert wave.dtype == torch.float32
    torch.testing.assert_close(wave, HifiGanVocoder(tiny_hifigan())(mel_of()), atol=1e-2, rtol=0)


def test_a_vocoder_saved_under_weight_norm_is_loaded(folder: Path) -> None:
    network = tiny_hifigan()
    network.apply_weight_norm()
    network.save_pretrained(folder)
    torch.testing.assert_close(loaded(folder)(mel_of()), HifiGanVocoder(tiny_hifigan())(mel_of()), atol=1e-5, rtol=1e-4)


def test_weights_of_a_vocoder_of_another_size_are_refused_by_the_setting(folder: Path, tmp_path: Path) -> None:
    SpeechT5HifiGan(audioldm_vocoder_config(width=96)).save_pretrained(tmp_path / "wide")
    (tmp_path / "wide" / "model.safetensors").replace(folder / "model.safetensors")
    with pytest.raises(BenchError, match=r"of another size: got .* of shape .*Set vocoder\.checkpoint to"):
        loaded(folder)


def test_a_folder_without_a_configuration_is_not_taken_for_the_default_network(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(BenchError, match=r"Vocoder .* cannot be loaded: got no config\.json"):
        loaded(folder)


def test_statistics_of_the_input_must_be_there_where_they_are_used(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    config = audioldm_vocoder_config(width=64)
    config.normalize_before = True
    SpeechT5HifiGan(config).save_pretrained(folder)
    state = load_file(folder / "model.safetensors")
    del state["mean"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BenchError, match=r"is incomplete: got no mean"):
        loaded(folder)

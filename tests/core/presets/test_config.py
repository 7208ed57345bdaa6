"""Configuration: presets, files and overrides, and what is said when a key or value is wrong."""

from __future__ import annotations

import pytest

from eeg2speech_bench.core.errors import UnknownNameError, UsageError
from eeg2speech_bench.core.presets.config import load_config, preset_names


def test_shipped_presets_are_quick_standard_full_and_eeg2speech():
    assert preset_names() == ["eeg2speech", "full", "quick", "standard"]


def test_standard_is_quick_with_a_search_and_more_training():
    quick, standard = load_config("quick"), load_config("standard")
    assert (standard.preset, standard.encoder, standard.data) == ("standard", quick.encoder, quick.data)
    segments = [
        c.alignment.batch_size * c.alignment.steps_per_epoch * c.alignment.max_epochs for c in (quick, standard)
    ]
    assert segments[1] == 1.25 * segments[0]
    assert standard.alignment.n_trials == 4


def test_override_beats_file_and_file_beats_preset(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("[alignment]\nbatch_size = 7\npatience = 9\n")
    config = load_config("quick", file, ["alignment.batch_size=5"])
    assert (config.alignment.batch_size, config.alignment.patience) == (5, 9)


def test_override_of_one_key_keeps_its_neighbours():
    assert load_config("quick", overrides=["data.stride_s=1.0"]).data.window_s == load_config("quick").data.window_s


def test_override_reads_lists_booleans_and_plain_text():
    overrides = ["data.fractions=[0.5,0.2,0.3]", "alignment.symmetric=true", "data.split=recording"]
    config = load_config("quick", overrides=overrides)
    assert config.data.fractions == (0.5, 0.2, 0.3)
    assert config.alignment.symmetric is True
    assert config.data.split == "recording"


def test_override_null_unsets_a_value():
    assert load_config("quick", overrides=["data.highpass_hz=1.0", "data.highpass_hz=null"]).data.highpass_hz is None


def test_unknown_preset_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"'quik'.*Did you mean 'quick'"):
        load_config("quik")


@pytest.mark.parametrize(
    ("override", "suggestion"),
    [("alignmnt.batch_size=3", "alignment"), ("alignment.batch_sise=3", "alignment.batch_size")],
)
def test_unknown_key_is_refused_with_the_nearest(override, suggestion):
    with pytest.raises(UsageError, match=f"Unknown configuration key.*Did you mean '{suggestion}'"):
        load_config("quick", overrides=[override])


def test_wrong_value_names_key_and_value():
    with pytest.raises(UsageError, match=r"'alignment.batch_size' is wrong: got 'many'"):
        load_config("quick", overrides=["alignment.batch_size=many"])


def test_override_without_value_is_refused():
    with pytest.raises(UsageError, match=r"--set was not understood: got 'alignment'"):
        load_config("quick", overrides=["alignment"])


def test_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"none\.toml does not exist"):
        load_config("quick", tmp_path / "none.toml")


def test_file_that_is_not_toml_is_named(tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text("[alignment\n")
    with pytest.raises(UsageError, match=r"bad\.toml is not TOML"):
        load_config("quick", file)


def test_a_folder_in_place_of_a_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=rf"{tmp_path} cannot be read: got Is a directory"):
        load_config("quick", tmp_path)


@pytest.mark.parametrize("fold", ["3/2", "1/1"])
def test_a_fold_that_is_not_there_or_is_everybody_is_refused(fold):
    with pytest.raises(UsageError, match="K from 1 to N"):
        load_config("quick", overrides=[f"data.held_out_listeners={fold}"])


def test_eeg2speech_preset_has_the_numbers_of_the_prototype():
    """Sources: audioldm_eeg.yaml, simple_conv_params.yaml and exp_config.yaml of eeg2speech."""
    config = load_config("eeg2speech")
    data, align, brain = config.data, config.alignment, config.encoder["brainmagick"]
    assert round(data.window_s * data.sfreq) == 343
    assert (data.sfreq, data.shift_s, data.baseline_s, data.clamp_iqr) == (120, 0.15, 0.5, 20)
    assert (data.highpass_hz, data.lowpass_hz) == (None, None)
    assert (align.batch_size, align.learning_rate, align.weight_decay) == (256, 3e-4, 0)
    assert (align.max_epochs, align.patience, align.steps_per_epoch) == (200, 10, 1200)
    assert (brain["hidden"], brain["depth"], brain["virtual_channels"], brain["initial_linear"]) == (320, 10, 270, 270)
    assert (brain["fourier_dim"], brain["merger_dropout"]) == (2048, 0.2)
    assert config.target.name == "wav2vec2"
    assert config.target.options["wav2vec2"]["model"] == "facebook/wav2vec2-large-xlsr-53"
    assert config.target.options["wav2vec2"]["layers"] == [14, 15, 16, 17, 18]
    vae = config.autoencoder
    assert (vae.channels, vae.layers_per_block, vae.latent_channels, vae.norm_groups) == ((128, 256, 512), 2, 8, 32)
    assert (vae.clip_s, vae.batch_size, vae.learning_rate, vae.max_steps) == (10.24, 4, 8e-6, 800_000)
    assert vae.kl_weight == pytest.approx(1000 / (8 * 256 * 16))
    unet = config.denoiser
    assert (unet.channels, unet.layers_per_block) == (tuple(128 * m for m in (1, 2, 3, 5)), 2)
    assert unet.attention == (False, True, True, True)
    assert unet.attention_heads == tuple(c // 32 for c in unet.channels)
    assert unet.condition_by == ("film",)
    diffusion = config.diffusion
    assert (diffusion.beta_start, diffusion.beta_end, diffusion.n_train_timesteps) == (0.0015, 0.0195, 1000)
    assert (diffusion.prediction, diffusion.condition_on, diffusion.condition_dropout) == ("epsilon", "eeg", 0.1)
    assert (diffusion.batch_size, diffusion.learning_rate, diffusion.weight_decay) == (2, 1e-4, 0.01)
    assert (diffusion.warmup_steps, diffusion.max_steps, diffusion.ema_decay) == (2000, 800_000, 0.9999)
    assert diffusion.min_snr_gamma is None
    assert diffusion.standardise is False
    sampling = config.sampling
    assert (sampling.scheduler, sampling.n_steps, sampling.eta, sampling.guidance_scale) == ("ddim", 200, 1.0, 3.5)
    assert (config.vocoder.name, config.precision) == ("hifi-gan", "float32")


@pytest.mark.parametrize(
    "override", ["encoder.ridge.token_rate_hz=nan", "alignment.learning_rate=inf", "encoder.ridge.lags_s=[0.0, -inf]"]
)
def test_nan_and_infinity_are_refused_by_the_name_of_their_key(override):
    with pytest.raises(UsageError, match=rf"'{override.partition('=')[0]}' is wrong.* expected a finite number"):
        load_config("quick", overrides=[override])


def test_override_none_is_a_choice_and_null_is_no_value():
    assert load_config("quick", overrides=["alignment.bridge=none"]).alignment.bridge == "none"
    assert load_config("quick", overrides=["denoiser.prior=none"]).denoiser.prior == "none"

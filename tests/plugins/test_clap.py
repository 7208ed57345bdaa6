"""CLAP: its front end in both conventions, its weights in both layouts, and its towers as target and encoders."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity, normalize
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

from eeg2speech_bench.core.conditioning import SoundInfo, check_conditioning
from eeg2speech_bench.core.contrastive.loss import ClipLoss, clip_scores
from eeg2speech_bench.core.errors import BenchError, DataError, UnknownNameError, UsageError
from eeg2speech_bench.core.segments import Batch, SignalInfo, TargetInfo
from eeg2speech_bench.core.specs import EncoderSpec, TargetSpec
from eeg2speech_bench.plugins.clap.front_end import fill_clip, front_end, log_mel, mel_scale_of
from eeg2speech_bench.plugins.clap.tokenizer import byte_tokens
from eeg2speech_bench.plugins.clap.weights import load_clap
from eeg2speech_bench.plugins.encoders.clap import ClapAudio, ClapText
from eeg2speech_bench.plugins.targets.clap import ClapTarget

SPEECH = SoundInfo("waveform", 16_000.0, 2.88)
SIGNAL = SignalInfo(n_chans=2, n_times=4, sfreq=10.0, chs_info=({}, {}), n_subjects=1, sound_rate_hz=16_000.0)
OTHER_SPACE = TargetInfo(dim=10, n_tokens=5, token_rate_hz=2.0)
TEXTS = ("the lighthouse stood", "", "so did the keeper and his dog")


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def batch_of(text=None, sound=None):
    n = len(text if text is not None else sound)
    return Batch(torch.zeros(n, 2, 4), torch.zeros(n, dtype=torch.long), torch.arange(n), text, sound)


# --- front end -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mel_scale", "truncation"), [("slaney", "rand_trunc"), ("htk", "fusion")])
def test_frames_are_those_of_transformers_extractor(mel_scale, truncation):
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


def test_an_unknown_convention_is_refused():
    with pytest.raises(UsageError, match="mel_scale of CLAP is unknown: got 'bark', expected auto, slaney or htk"):
        ClapTarget.build(SPEECH, mel_scale="bark")


def test_a_window_fills_ten_seconds_as_the_extractor_fills_them():
    sound = noise(138_240)
    extractor = ClapFeatureExtractor(frequency_min=50, truncation="rand_trunc", padding="repeatpad")
    theirs = torch.from_numpy(extractor(sound.numpy(), sampling_rate=48_000)["input_features"][0][0]).float()
    ours = fill_clip(log_mel(sound, 48_000, "slaney")[None, :288])[0]
    inside = torch.ones(1001, dtype=torch.bool)
    for seam in (288, 576, 864):
        inside[seam - 1 : seam + 2] = False
    torch.testing.assert_close(ours[inside], theirs[inside], atol=2e-3, rtol=0)
    assert (ours[865:] == -100).all()


def test_a_window_of_ten_seconds_is_left_as_it_is():
    frames = noise(1, 1000, 64)
    assert torch.equal(fill_clip(frames)[:, :1000], frames)


def test_a_window_beyond_ten_seconds_is_refused():
    with pytest.raises(DataError, match=r"CLAP cannot hear a whole window: got 12 s, expected at most 10 s"):
        fill_clip(torch.zeros(1, 1200, 64))


# --- pretrained weights ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clap():
    torch.manual_seed(0)
    audio = {
        "patch_embeds_hidden_size": 16,
        "hidden_size": 32,
        "depths": [2, 1],
        "num_attention_heads": [2, 4],
        "num_hidden_layers": 2,
    }
    text = {
        "vocab_size": 300,
        "hidden_size": 128,
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
        "intermediate_size": 32,
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": 90,
    }
    network = ClapModel(ClapConfig(audio_config=audio, text_config=text, projection_dim=24)).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn_like(weight))  # nothing is zero or one, so that no weight can be mixed up
        norm = network.audio_model.audio_encoder.batch_norm
        norm.running_mean.copy_(torch.linspace(-50, -40, 64))
        norm.running_var.fill_(400.0)
    return network


@pytest.fixture(scope="module")
def folder(clap, tmp_path_factory):
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaTokenizer

    path = tmp_path_factory.mktemp("clap")
    clap.save_pretrained(path)
    pieces = ByteLevelBPETokenizer()
    pieces.train_from_iterator(TEXTS, vocab_size=290, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    pieces.save_model(str(path))
    RobertaTokenizer(str(path / "vocab.json"), str(path / "merges.txt")).save_pretrained(path)
    return path


def original_layout(clap):
    """Rename the weights of transformers' network to LAION's names, with what else LAION's files hold."""
    state = {}
    for key, value in clap.state_dict().items():
        if key.startswith("text_model."):
            key = key.replace("text_model", "text_branch", 1)
        elif key.startswith("audio_model."):
            key = key.replace("audio_model.audio_encoder", "audio_branch").replace("batch_norm", "bn0")
            key = key.replace("attention.output.dense", "attn.proj").replace("attention.self", "attn")
            key = key.replace("intermediate.dense", "mlp.fc1").replace(".output.dense", ".mlp.fc2")
            key = key.replace("layernorm_before", "norm1").replace("layernorm_after", "norm2")
        key = key.replace("projection.linear1", "projection.0").replace("projection.linear2", "projection.2")
        state[key] = value
    for key in [key for key in state if ".query." in key and key.startswith("audio_branch")]:
        parts = [state.pop(key.replace("query", part)) for part in ("query", "key", "value")]
        state[key.replace("query", "qkv")] = torch.cat(parts)
    extras = {f"{side}_transform.sequential.{n}.weight": torch.zeros(3) for side in ("audio", "text") for n in (0, 3)}
    extras |= {f"audio_branch.{name}.weight": torch.zeros(2) for name in ("tscam_conv", "head")}
    extras["audio_branch.layers.0.blocks.1.attn_mask"] = torch.zeros(1)
    extras["audio_branch.spectrogram_extractor.stft.conv_real.weight"] = torch.zeros(1)
    extras["audio_branch.logmel_extractor.melW"] = front_end("slaney").mel_scale.fb.clone()
    return state | extras


def saved(tmp_path, state, prefix="module."):
    path = tmp_path / "laion.pt"
    best = {"epoch": 15, "name": "clap", "best": np.float64(0.9)}
    torch.save({**best, "state_dict": {prefix + key: value for key, value in state.items()}}, path)
    return str(path)


def outputs(clap):
    """Embed two windows and two texts with a network as it is."""
    frames = 20 * noise(2, 1, 1001, 64) - 40
    ids = torch.tensor([[0, 7, 8, 9, 2], [0, 7, 2, 1, 1]])
    with torch.no_grad():
        audio = clap.get_audio_features(input_features=frames).pooler_output
        return audio, clap.get_text_features(input_ids=ids, attention_mask=(ids != 1).long()).pooler_output


def test_a_folder_of_transformers_is_loaded(clap, folder):
    for ours, theirs in zip(outputs(load_clap(str(folder))), outputs(clap), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("prefix", ["module.", "", "cond_stage_model.model."])
def test_a_checkpoint_of_laion_gives_the_same_embeddings(clap, tmp_path, prefix):
    network = load_clap(saved(tmp_path, original_layout(clap), prefix))
    for ours, theirs in zip(outputs(network), outputs(clap), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_what_is_loaded_is_frozen(clap, folder):
    network = load_clap(str(folder))
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())


def test_a_missing_weight_is_named(clap, tmp_path):
    state = original_layout(clap)
    del state["text_branch.encoder.layer.1.output.dense.weight"]
    with pytest.raises(BenchError, match=r"1 missing and 0 .*no text_model.encoder.layer.1.output.dense.weight"):
        load_clap(saved(tmp_path, state))


def test_a_missing_tower_is_named(clap, tmp_path):
    state = {key: value for key, value in original_layout(clap).items() if not key.startswith("audio_branch")}
    with pytest.raises(BenchError, match=r"no audio_model.audio_encoder.patch_embed.proj.weight"):
        load_clap(saved(tmp_path, state))


def test_a_weight_too_many_is_named(clap, tmp_path):
    state = original_layout(clap) | {"audio_branch.absolute_pos_embed": torch.zeros(1)}
    with pytest.raises(BenchError, match=r"1 unexpected .*also audio_model.audio_encoder.absolute_pos_embed"):
        load_clap(saved(tmp_path, state))


def test_missing_statistics_of_the_input_norm_are_an_error(clap, tmp_path):
    state = original_layout(clap)
    del state["audio_branch.bn0.running_mean"]
    with pytest.raises(BenchError, match=r"no audio_model.audio_encoder.batch_norm.running_mean"):
        load_clap(saved(tmp_path, state))


def test_a_checkpoint_with_another_filter_bank_is_refused(clap, tmp_path):
    state = original_layout(clap) | {"audio_branch.logmel_extractor.melW": front_end("htk").mel_scale.fb.clone()}
    with pytest.raises(BenchError, match="was trained with another front end"):
        load_clap(saved(tmp_path, state))


class _Command:
    def __reduce__(self):
        return eval, ("1 + 1",)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    (tmp_path / "bad.pt").write_bytes(pickle.dumps({"state_dict": _Command()}, protocol=2))
    with pytest.raises(BenchError, match="cannot be read"):
        load_clap(str(tmp_path / "bad.pt"))


def test_weights_that_are_nowhere_are_an_error_that_says_what_to_give():
    with pytest.raises(BenchError, match="CLAP cannot be loaded: got 'nobody/no-such-clap@v1'"):
        load_clap("nobody/no-such-clap@v1")


# --- target ----------------------------------------------------------------------------------------------------


def test_the_target_has_one_token_per_window():
    info = ClapTarget.build(SPEECH).info
    assert (info.dim, info.n_tokens, info.token_rate_hz) == (64, 1, pytest.approx(1 / 2.88))


def test_features_are_a_hundred_frames_a_second():
    assert ClapTarget.build(SPEECH).features(noise(32_000)).shape == (201, 64)


@pytest.mark.parametrize("n_frames", [288, 100, 512])
def test_the_small_tower_maps_windows_of_any_length(n_frames):
    target = ClapTarget.build(SPEECH, dim=24, hidden=8)
    assert target(noise(3, n_frames, 64)).shape == (3, 1, 24)


def test_without_weights_the_target_is_trained_jointly():
    target = ClapTarget.build(SPEECH, hidden=8)
    assert target.trained_jointly
    target(noise(2, 288, 64)).sum().backward()
    assert all(weight.grad is not None for weight in target.parameters())


def test_with_weights_the_target_is_frozen_and_stores_nothing(clap, folder):
    target = ClapTarget.build(SPEECH, weights=str(folder)).train()
    tokens = target(20 * noise(2, 288, 64) - 40)
    assert (target.trained_jointly, target.info.dim, tokens.shape) == (False, 24, (2, 1, 24))
    assert not target.state_dict()
    assert not tokens.requires_grad


def test_with_weights_a_window_has_claps_own_embedding(clap, folder):
    frames = 20 * noise(2, 288, 64) - 40
    with torch.no_grad():
        theirs = clap.get_audio_features(input_features=fill_clip(frames)[:, None]).pooler_output
    ours = ClapTarget.build(SPEECH, weights=str(folder))(frames)[:, 0]
    torch.testing.assert_close(ours, normalize(theirs, dim=1))


def test_a_fusing_network_hears_a_short_window(tmp_path):
    audio = {"patch_embeds_hidden_size": 16, "hidden_size": 32, "depths": [1, 1], "num_attention_heads": [2, 4]}
    audio |= {"enable_fusion": True, "fusion_type": "aff_2d"}
    text = {"vocab_size": 9, "hidden_size": 64, "num_attention_heads": 1, "num_hidden_layers": 1}
    ClapModel(ClapConfig(audio_config=audio, text_config=text, projection_dim=8)).save_pretrained(tmp_path)
    target = ClapTarget.build(SPEECH, weights=str(tmp_path))
    assert target.tower.mel_scale == "htk"
    assert target(noise(2, 288, 64)).isfinite().all()


def test_an_envelope_is_refused():
    with pytest.raises(DataError, match="Target 'clap' needs audio: got sound of kind 'envelope'"):
        ClapTarget.build(SoundInfo("envelope", 64.0, 3.0))


def test_sizes_have_no_effect_with_weights_and_are_refused(folder):
    with pytest.raises(UsageError, match="Option dim of target 'clap' has no effect with weights: got 64"):
        ClapTarget.build(SPEECH, weights=str(folder), dim=64)


def test_an_impossible_width_is_refused():
    with pytest.raises(UsageError, match="Option hidden of CLAP is impossible: got 7, expected a multiple of 2"):
        ClapTarget.build(SPEECH, hidden=7)


# --- encoder of text -------------------------------------------------------------------------------------------


def test_tokens_are_bytes_between_start_and_end():
    tokens = byte_tokens(("ab", "", "é"), max_tokens=8)
    assert tokens["input_ids"].tolist() == [[0, 100, 101, 2], [0, 2, 1, 1], [0, 3 + 0xC3, 3 + 0xA9, 2]]
    assert tokens["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1]]


def test_long_texts_are_cut_with_their_end_token():
    assert byte_tokens(("abcdef",), max_tokens=4)["input_ids"].tolist() == [[0, 100, 101, 2]]


def test_the_small_tower_gives_one_token_of_the_targets_width():
    encoder = ClapText.build(SIGNAL, OTHER_SPACE, hidden=8, depth=1)
    conditioning = encoder(batch_of(TEXTS))
    assert check_conditioning("clap-text", conditioning, 3, OTHER_SPACE).embeddings.shape == (3, 1, 10)


def test_a_text_means_the_same_beside_longer_ones():
    encoder = ClapText.build(SIGNAL, OTHER_SPACE, hidden=8, depth=2).eval()
    alone, beside = encoder(batch_of(("hello",))), encoder(batch_of(("hello", "a much longer text " * 20)))
    torch.testing.assert_close(beside.embeddings[:1], alone.embeddings)


def test_a_data_set_without_transcript_is_refused():
    with pytest.raises(DataError, match="Encoder 'clap-text' needs a transcript: got segments without text"):
        ClapText.build(SIGNAL, OTHER_SPACE, hidden=8)(batch_of(sound=noise(1, 4)))


def test_pretrained_text_in_claps_own_space_has_nothing_to_train(clap, folder):
    target = ClapTarget.build(SPEECH, weights=str(folder))
    encoder = ClapText.build(SIGNAL, target.info, weights=str(folder)).train()
    assert encoder.closed_form
    assert encoder.fit([], []) == {"n_trained": 0.0}
    assert not list(encoder.parameters())
    embeddings = encoder(batch_of(TEXTS)).embeddings
    assert embeddings.shape == (3, 1, 24)
    torch.testing.assert_close(embeddings.norm(dim=2), torch.ones(3, 1))


def test_pretrained_text_is_claps_own_embedding(clap, folder):
    from transformers import AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)(list(TEXTS), padding=True, return_tensors="pt")
    with torch.no_grad():
        theirs = clap.get_text_features(tokens["input_ids"], tokens["attention_mask"]).pooler_output
    target = ClapTarget.build(SPEECH, weights=str(folder)).info
    repeated = batch_of((*TEXTS, TEXTS[0]))
    ours = ClapText.build(SIGNAL, target, weights=str(folder))(repeated).embeddings[:, 0]
    torch.testing.assert_close(ours, torch.cat([theirs, theirs[:1]]))


def test_pretrained_text_learns_only_the_way_into_another_space(folder):
    encoder = ClapText.build(SIGNAL, OTHER_SPACE, weights=str(folder))
    assert not encoder.closed_form
    assert {name: tuple(w.shape) for name, w in encoder.named_parameters()} == {
        "project.weight": (10, 24),
        "project.bias": (10,),
    }
    encoder(batch_of(TEXTS)).embeddings.sum().backward()
    assert encoder.project.weight.grad.abs().sum() > 0


def test_a_checkpoint_of_laion_is_read_with_a_tokenizer_of_choice(clap, folder, tmp_path):
    path = saved(tmp_path, original_layout(clap))
    space = TargetInfo(24, 1, 1.0)
    by_file = ClapText.build(SIGNAL, space, weights=path, tokenizer=str(folder))(batch_of(TEXTS))
    by_folder = ClapText.build(SIGNAL, space, weights=str(folder))(batch_of(TEXTS))
    torch.testing.assert_close(by_file.embeddings, by_folder.embeddings)


def test_a_tokenizer_that_is_nowhere_is_an_error(clap, folder):
    with pytest.raises(BenchError, match="cannot load its tokenizer: got 'nobody/no-such-tokenizer'"):
        ClapText.build(SIGNAL, OTHER_SPACE, weights=str(folder), tokenizer="nobody/no-such-tokenizer")


def test_a_tokenizer_has_no_effect_without_weights_and_is_refused():
    with pytest.raises(UsageError, match="Option tokenizer of encoder 'clap-text' has no effect without weights"):
        ClapText.build(SIGNAL, OTHER_SPACE, tokenizer="roberta-base")


@pytest.mark.parametrize("name", ["ClapText", "ClapAudio"])
def test_an_unknown_option_is_answered_with_the_known_ones(name):
    spec = EncoderSpec("clap", f"eeg2speech_bench.plugins.encoders.clap:{name}")
    spec.check_options(["weights", "hidden"])
    with pytest.raises(UnknownNameError, match="Did you mean 'weights'"):
        spec.check_options(["weight"])


def test_an_unknown_option_of_the_target_is_answered_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="mel_scale"):
        TargetSpec("clap", "eeg2speech_bench.plugins.targets.clap:ClapTarget").check_options(["mel"])


# --- encoder of sound ------------------------------------------------------------------------------------------


def test_sound_becomes_one_token_of_the_targets_width():
    encoder = ClapAudio.build(SIGNAL, OTHER_SPACE, hidden=8)
    conditioning = encoder(batch_of(sound=noise(3, 46_080)))
    assert check_conditioning("clap-audio", conditioning, 3, OTHER_SPACE).embeddings.shape == (3, 1, 10)
    assert encoder.adaptations == {"sound": "16000 Hz resampled to 48000 Hz"}


def test_pretrained_sound_is_what_the_target_hears(folder):
    target = ClapTarget.build(SPEECH, weights=str(folder))
    encoder = ClapAudio.build(SIGNAL, target.info, weights=str(folder))
    sound = noise(2, 46_080)
    frames = torch.stack([target.features(wave)[:288] for wave in sound])
    assert encoder.closed_form
    torch.testing.assert_close(encoder(batch_of(sound=sound)).embeddings, target(frames))


def test_a_data_set_without_audio_is_refused():
    silent = SignalInfo(n_chans=2, n_times=4, sfreq=10.0, chs_info=({}, {}), n_subjects=1)
    with pytest.raises(DataError, match="Encoder 'clap-audio' needs audio: got a data set without audio"):
        ClapAudio.build(silent, OTHER_SPACE)


def test_segments_without_sound_are_refused():
    with pytest.raises(DataError, match="Encoder 'clap-audio' needs audio: got segments without sound"):
        ClapAudio.build(SIGNAL, OTHER_SPACE, hidden=8)(batch_of(TEXTS))


# --- both towers together --------------------------------------------------------------------------------------

TONES = {"low": 300.0, "middle": 900.0, "high": 2700.0, "piercing": 6000.0}
CHORDS = [[name for i, name in enumerate(TONES) if number >> i & 1] for number in range(1, 16)]
TEXTS_OF_CHORDS = tuple(" ".join(chord) for chord in CHORDS)


def frames_of_chords(mel_scale):
    time = torch.arange(24_000) / 48_000
    sounds = [sum(torch.sin(2 * torch.pi * TONES[name] * time) for name in chord) for chord in CHORDS]
    return log_mel(torch.stack(sounds), 48_000, mel_scale)[:, :50]


@pytest.fixture(scope="module")
def trained():
    """A target and a text encoder that were trained on chords and the names of their tones."""
    torch.manual_seed(0)
    target = ClapTarget.build(SPEECH, dim=16, hidden=8)
    encoder = ClapText.build(SIGNAL, target.info, hidden=16)
    optimiser = torch.optim.AdamW([*encoder.parameters(), *target.parameters()], 5e-3)
    loss, batch, frames = ClipLoss(), batch_of(TEXTS_OF_CHORDS), frames_of_chords("slaney")
    for _ in range(90):
        optimiser.zero_grad()
        loss(encoder(batch).embeddings, target(frames)).backward()
        optimiser.step()
    return target.eval(), encoder.eval()


@torch.no_grad()
def identified(trained, frames):
    target, encoder = trained
    scores = clip_scores(encoder(batch_of(TEXTS_OF_CHORDS)).embeddings, target(frames))
    return (scores.argmax(1) == torch.arange(len(CHORDS))).float().mean().item()


def test_text_and_sound_of_a_data_set_find_each_other(trained):
    assert identified(trained, frames_of_chords("slaney")) > 0.9


def test_sound_in_the_wrong_convention_is_not_found(trained):
    assert identified(trained, frames_of_chords("htk")) < 0.5


@torch.no_grad()
def test_embeddings_of_the_two_conventions_are_nearly_unrelated(trained):
    right, wrong = (trained[0](frames_of_chords(mel_scale))[:, 0] for mel_scale in ("slaney", "htk"))
    assert cosine_similarity(right, wrong).mean() < 0.5

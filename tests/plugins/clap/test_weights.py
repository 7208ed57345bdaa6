"""CLAP's weights in both layouts, and what is said of those that are not whole."""

from __future__ import annotations

import copy
import pickle
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.segments.segment_store import TargetInfo
from eeg2speech_bench.plugins.clap.front_end import front_end
from eeg2speech_bench.plugins.clap.weights import load_clap
from eeg2speech_bench.plugins.encoders.clap import ClapText


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
    frames = 20 * torch.randn(2, 1, 1001, 64, generator=torch.Generator().manual_seed(0)) - 40
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


def test_a_folder_in_half_precision_embeds_in_float32(clap, tmp_path):
    copy.deepcopy(clap).half().save_pretrained(tmp_path)
    for ours, theirs in zip(outputs(load_clap(str(tmp_path))), outputs(clap), strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, theirs, atol=2e-2, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_checkpoint_of_laion_in_half_precision_has_our_filter_bank(clap, tmp_path, dtype):
    half = {k: v.to(dtype) if v.is_floating_point() else v for k, v in original_layout(clap).items()}
    assert outputs(load_clap(saved(tmp_path, half)))[0].dtype == torch.float32


def test_audioldms_conditioner_is_taken_before_the_clap_of_its_metrics(clap, tmp_path):
    state = original_layout(clap)
    both = {f"cond_stage_models.0.model.{k}": v for k, v in state.items()}
    both |= {f"clap.model.{k}": torch.zeros_like(v) for k, v in state.items()}
    for ours, theirs in zip(outputs(load_clap(saved(tmp_path, both, ""))), outputs(clap), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_file_with_two_claps_is_refused_by_both(clap, tmp_path):
    state = {f"{side}.{k}": v for side in ("a", "b") for k, v in original_layout(clap).items()}
    with pytest.raises(BenchError, match=r"holds several CLAPs: got weights under a\. and under b\."):
        load_clap(saved(tmp_path, state, ""))


def test_two_loads_give_equal_embeddings(clap, folder, tmp_path):
    first = outputs(load_clap(str(folder)))
    load_clap(saved(tmp_path, original_layout(clap)))  # the one loaded last is kept, so that the folder is read anew
    for one, other in zip(first, outputs(load_clap(str(folder))), strict=True):
        assert torch.equal(one, other)


def test_a_folder_without_a_tower_is_refused_by_the_setting_that_named_it(clap, folder, tmp_path, signal):
    shutil.copytree(folder, tmp_path / "half")
    state = {key: value for key, value in clap.state_dict().items() if not key.startswith("text_model")}
    save_file(state, tmp_path / "half" / "model.safetensors", {"format": "pt"})
    said = r"is incomplete: got no text_model\..*Set encoder\.clap-text\.weights to"
    with pytest.raises(BenchError, match=said):
        ClapText.build(signal, TargetInfo(24, 1, 1.0), weights=str(tmp_path / "half"))


def test_what_is_loaded_is_frozen(clap, folder):
    network = load_clap(str(folder))
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())


def test_a_missing_weight_is_named(clap, tmp_path):
    state = original_layout(clap)
    del state["text_branch.encoder.layer.1.output.dense.weight"]
    with pytest.raises(BenchError, match=r"no text_model.encoder.layer.1.output.dense.weight \(1 missing and 0 "):
        load_clap(saved(tmp_path, state))


def test_a_missing_tower_is_named(clap, tmp_path):
    state = {key: value for key, value in original_layout(clap).items() if not key.startswith("audio_branch")}
    with pytest.raises(BenchError, match=r"no audio_model.audio_encoder.patch_embed.proj.weight"):
        load_clap(saved(tmp_path, state))


def test_a_weight_too_many_is_named(clap, tmp_path):
    state = original_layout(clap) | {"audio_branch.absolute_pos_embed": torch.zeros(1)}
    with pytest.raises(
        BenchError, match=r"also audio_model.audio_encoder.absolute_pos_embed \(0 missing and 1 unexpected"
    ):
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
    with pytest.raises(BenchError, match="CLAP nobody/no-such-clap@v1 cannot be loaded: got 'nobody/no-such-clap@v1'"):
        load_clap("nobody/no-such-clap@v1")


def test_a_checkpoint_of_laion_is_read_with_a_tokenizer_of_choice(clap, folder, tmp_path, signal, texts, batch_of):
    path = saved(tmp_path, original_layout(clap))
    space = TargetInfo(24, 1, 1.0)
    by_file = ClapText.build(signal, space, weights=path, tokenizer=str(folder))(batch_of(texts))
    by_folder = ClapText.build(signal, space, weights=str(folder))(batch_of(texts))
    torch.testing.assert_close(by_file.embeddings, by_folder.embeddings)

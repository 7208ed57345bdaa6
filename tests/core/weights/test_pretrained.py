"""Networks of transformers are filled wholly from folders as people have them, or the folder is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2ForPreTraining

from eeg2speech_bench.core.errors import BenchError, DataError
from eeg2speech_bench.core.weights.filling import Origin
from eeg2speech_bench.core.weights.pretrained import load_config, load_network, load_pretrained

State = dict[str, torch.Tensor]
ORIGIN = Origin(
    "The net", "some.option", "wav2vec 2.0", optional="^masked_spec_embed$", leftovers="^(lm_head|quantizer|project)"
)
SOUND = torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def folder(tiny_wav2vec2: str, tmp_path: Path) -> Path:
    """Copy of the folder of a tiny wav2vec 2.0, to be changed."""
    return Path(shutil.copytree(tiny_wav2vec2, tmp_path / "net"))


def replace_weights(folder: Path, state: State, name: str = "model.safetensors") -> None:
    (folder / "model.safetensors").unlink()
    state = {key: value.clone() for key, value in state.items()}
    save_file(state, folder / name) if name.endswith(".safetensors") else torch.save(state, folder / name)


def load(folder: Path | str) -> torch.nn.Module:
    return load_network(AutoModel, load_config(AutoConfig, str(folder), ORIGIN), str(folder), ORIGIN)


@torch.no_grad()
def embedded(network: torch.nn.Module) -> torch.Tensor:
    return network(SOUND).last_hidden_state


def test_two_loads_give_equal_outputs(tiny_wav2vec2: str) -> None:
    assert torch.equal(embedded(load(tiny_wav2vec2)), embedded(load(tiny_wav2vec2)))


def test_the_outputs_are_those_of_transformers(tiny_wav2vec2: str) -> None:
    theirs = AutoModel.from_pretrained(tiny_wav2vec2).eval()
    assert torch.equal(embedded(load(tiny_wav2vec2)), embedded(theirs))


def old_names(state: State) -> State:
    pairs = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    renamed = {}
    for key, value in state.items():
        for new, old in pairs.items():
            key = key.replace(new, old)
        renamed[key] = value
    return renamed


CHANGES = {
    "as it was": lambda state: state,
    "wrapped for several devices": lambda state: {f"module.{k}": v for k, v in state.items()},
    "compiled": lambda state: {f"_orig_mod.{k}": v for k, v in state.items()},
    "inside a module of Lightning": lambda state: {f"model.wav2vec2.{k}": v for k, v in state.items()},
    "old names of weight norm": old_names,
    "without the vector of masked moments": lambda state: {k: v for k, v in state.items() if "masked" not in k},
    "with a head": lambda state: state | {"lm_head.weight": torch.ones(3, 16)},
}


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "last.ckpt"])
@pytest.mark.parametrize("change", CHANGES)
def test_weights_in_another_form_give_the_same_outputs(
    folder: Path, tiny_wav2vec2: str, change: str, name: str
) -> None:
    replace_weights(folder, CHANGES[change](load_file(folder / "model.safetensors")), name)
    torch.testing.assert_close(embedded(load(folder)), embedded(load(tiny_wav2vec2)))


@pytest.mark.parametrize("kind", [Wav2Vec2ForCTC, Wav2Vec2ForPreTraining])
def test_a_network_with_a_head_lends_its_body(tmp_path: Path, kind: type) -> None:
    config = Wav2Vec2Config(
        **{"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16},
        **{"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2},
        **{"codevector_dim": 16, "proj_codevector_dim": 8, "num_codevectors_per_group": 4},
    )
    whole = kind(config).eval()
    whole.save_pretrained(tmp_path)
    assert torch.equal(embedded(load(tmp_path)), embedded(whole.wav2vec2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_loaded_as_float32(folder: Path, dtype: torch.dtype) -> None:
    AutoModel.from_pretrained(folder).to(dtype).save_pretrained(folder)
    network = load(folder)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert embedded(network).dtype == torch.float32


def test_weights_in_several_files_are_loaded(folder: Path, tiny_wav2vec2: str) -> None:
    (folder / "model.safetensors").unlink()
    AutoModel.from_pretrained(tiny_wav2vec2).save_pretrained(folder, max_shard_size="5KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    assert torch.equal(embedded(load(folder)), embedded(load(tiny_wav2vec2)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: {k: v for k, v in s.items() if ".layers.3." not in k}, r"The net is incomplete: got no encoder\.la"),
        (lambda s: {f"teacher.{k}": v for k, v in s.items()}, "The net is not a checkpoint of this wav2vec 2.0"),
        (lambda s: s | {"encoder.layers.4.a": torch.ones(1)}, r"does not: got also encoder\.layers\.4\.a \(0 missing"),
        (
            lambda s: s | {"feature_projection.projection.bias": torch.ones(3)},
            r"of another size: got feature_projection\.projection\.bias of shape \(3,\), expected \(16,\)",
        ),
        (
            lambda s: {k: v.to(torch.int8) if v.ndim == 2 else v for k, v in s.items()},
            "holds quantised weights: got .* of type int8",
        ),
    ],
)
def test_weights_that_do_not_fill_the_network_are_refused(folder: Path, change, said: str) -> None:
    replace_weights(folder, change(load_file(folder / "model.safetensors")))
    with pytest.raises(DataError, match=said) as caught:
        load(folder)
    assert "Set some.option to" in caught.value.then


def test_a_folder_without_a_configuration_is_refused(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(BenchError, match=r"The net cannot be loaded: got no config\.json.*set some\.option"):
        load(folder)


def test_a_network_of_transformers_that_is_nowhere_says_which_setting_to_mend(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"The net cannot be loaded: got '.*absent'.*set some\.option to that folder"):
        load(tmp_path / "absent")


def test_a_part_of_transformers_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "wav2vec2", "hidden_size": 16}))
    found = load_pretrained(AutoConfig, str(tmp_path), what="The net", option="some.option")
    assert found.hidden_size == 16

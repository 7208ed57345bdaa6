"""Pretrained weights: loaded all but the head, or refused with what does not fit."""

from __future__ import annotations

import braindecode.models
import pytest
import torch
from hub_server import commit_of
from safetensors.torch import save_file

from eeg2speech_bench.core.errors import BenchError, DataError, UsageError
from eeg2speech_bench.core.weights.checkpoint_file import read_checkpoint
from eeg2speech_bench.plugins.encoders.braindecode.cards import catalogue

pytestmark = pytest.mark.filterwarnings("ignore")


def saved(tmp_path, network):
    network.save_pretrained(tmp_path / "weights")
    return tmp_path / "weights"


@pytest.fixture
def eegnet_folder(tmp_path):
    return saved(tmp_path, braindecode.models.EEGNet(n_chans=19, n_outputs=2, n_times=346, F1=4, F2=8))


def test_a_folder_of_braindecode_loads_all_but_the_head_with_its_settings(build, eegnet_folder):
    theirs = read_checkpoint(eegnet_folder)
    encoder = build("eegnet", weights=str(eegnet_folder))
    ours = encoder.network.state_dict()
    backbone = [key for key in theirs if not key.startswith("final_layer")]
    assert encoder.network.F1 == 4
    assert all(torch.equal(ours[key], theirs[key]) for key in backbone)
    assert encoder.adaptations["weights"] == f"{len(backbone)} tensors of {eegnet_folder}; new: final_layer"


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_bare_state_dictionary_loads(eegnet_folder, tmp_path, build, suffix):
    state = read_checkpoint(eegnet_folder)
    path = tmp_path / f"state{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save({"state_dict": state}, path)
    encoder = build("eegnet", weights=str(path), F1=4, F2=8)
    key = "conv_temporal.weight"
    assert torch.equal(encoder.network.state_dict()[key], state[key])


@pytest.mark.parametrize("prefix", ["module.", "model.", "model.module."])
def test_weights_of_a_trainer_load_without_its_prefix(eegnet_folder, tmp_path, build, prefix):
    state = read_checkpoint(eegnet_folder)
    wrapped = {prefix + key: value for key, value in state.items()} | {"criterion.weight": torch.ones(2)}
    torch.save({"state_dict": wrapped, "hyper_parameters": {"folder": tmp_path}}, tmp_path / "last.ckpt")
    encoder = build("eegnet", weights=str(tmp_path / "last.ckpt"), F1=4, F2=8)
    key = "conv_temporal.weight"
    assert torch.equal(encoder.network.state_dict()[key], state[key])


def test_weights_of_another_width_are_refused(build, eegnet_folder):
    with pytest.raises(DataError, match=r"do not fit this network: got size mismatch for conv_temporal\.weight"):
        build("eegnet", weights=str(eegnet_folder), F1=8, F2=16)


def test_weights_of_another_network_are_refused_by_what_is_missing(build, eegnet_folder):
    with pytest.raises(
        DataError, match=r"do not fit .*: got \d+ of \d+ tensors; \d+ missing: conv_time.*; \d+ unexpected"
    ):
        build("shallow", weights=str(eegnet_folder))


def test_weights_of_which_none_fits_are_refused_by_how_many(build, eegnet_folder, tmp_path):
    state = {f"other.{key}": value for key, value in read_checkpoint(eegnet_folder).items()}
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(DataError, match=r"got 0 of 16 tensors; 16 missing: .*, \.\.\.; 21 unexpected: other\."):
        build("eegnet", weights=str(tmp_path / "other.pt"), F1=4, F2=8)


def test_weights_on_the_hub_are_named_with_their_commit_and_the_data_that_their_card_states(
    eegnet_folder, build, serve_hub
):
    (eegnet_folder / "README.md").write_text("---\ndatasets: [sleep, rest]\n---\n# EEGNet\n")
    hub = serve_hub("owner/eegnet")
    hub.take(eegnet_folder)
    found = build("eegnet", weights="owner/eegnet", strategy="probe").pretraining
    assert found["revision"] == commit_of(hub.files)
    assert (found["weights"], found["trained_on"]) == ("owner/eegnet", "sleep, rest")


def test_labram_takes_the_first_rows_of_its_embedding_of_time_and_scales_the_signal(tmp_path, build):
    theirs = braindecode.models.Labram(n_times=1600, n_chans=19, n_outputs=2, num_layers=1)
    encoder = build("labram", weights=str(saved(tmp_path, theirs)))
    rows = theirs.temporal_embedding[:, :2]
    assert torch.equal(encoder.network.temporal_embedding, rows)
    assert encoder.adaptations["weights"].endswith("first 2 of 9 rows of temporal_embedding")
    assert "100 uV" in encoder.adaptations["scale"]
    assert encoder.adaptation.scale == 0.1


def test_biots_weights_get_bipolar_derivations(tmp_path, batch_of, build):
    theirs = braindecode.models.BIOT(n_chans=16, n_outputs=2, n_times=600, num_layers=1)
    encoder = build("biot", weights=str(saved(tmp_path, theirs)))
    assert encoder.network.n_chans == 16
    assert encoder.adaptations["channels"].startswith("16 bipolar derivations (FP1-F7")
    assert encoder(batch_of()).embeddings.shape == (4, 6, 4)


def test_bendrs_weights_are_refused_with_the_reason(build):
    with pytest.raises(UsageError, match="Weights of 'bendr' cannot be used: got their 20th channel is the amplitude"):
        build("bendr", weights="braindecode/braindecode-bendr")
    assert catalogue()["bendr"].spec.pretrained.startswith("not usable: their 20th channel")


def test_eegpts_projection_of_channels_is_new_and_said(tmp_path, build):
    theirs = braindecode.models.EEGPT(n_chans=58, n_outputs=2, n_times=1024, depth=1, embed_dim=64)
    encoder = build("eegpt", weights=str(saved(tmp_path, theirs)))
    assert encoder.adaptations["weights"].endswith("new: final_layer, chan_proj")


def test_weights_that_find_channels_by_a_list_on_the_hub_are_refused_without_it(tmp_path, build):
    theirs = braindecode.models.STEEGFormer(
        n_chans=19, n_outputs=2, n_times=368, depth=1, embed_dim=64, chan_pos_idx=list(range(19))
    )
    folder = saved(tmp_path, theirs)
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"chan_pos_idx"', '"unknown"'))
    with pytest.raises(BenchError, match="Weights of 'steegformer' do not know the channels"):
        build("steegformer", weights=str(folder))

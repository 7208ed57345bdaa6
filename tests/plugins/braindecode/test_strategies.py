"""Strategies for pretrained weights: what is trained, what stays, and what a twin with random weights shares."""

from __future__ import annotations

import braindecode.models
import pytest
import torch

from eeg2speech_bench.core.errors import DataError, UnknownNameError, UsageError
from eeg2speech_bench.core.weights.low_rank import RANK

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def eegnet_weights(tmp_path_factory):
    """Weights with batch norm and dropout."""
    folder = tmp_path_factory.mktemp("eegnet")
    braindecode.models.EEGNet(n_chans=19, n_outputs=2, n_times=346, F1=4, F2=8).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def labram_weights(tmp_path_factory):
    """Weights of a transformer whose attention reads the weights of its layers itself."""
    folder = tmp_path_factory.mktemp("labram")
    network = braindecode.models.Labram(n_times=1600, n_chans=19, n_outputs=2, num_layers=1)
    network.save_pretrained(folder)
    return str(folder)


def train(encoder, batches):
    """Train some steps and return the state before and after; the changes are merged."""
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder.begin_training()
    encoder.train()
    trained = [weight for weight in encoder.parameters() if weight.requires_grad]
    optimiser = torch.optim.Adam(trained, 1e-2)
    for batch in batches:
        optimiser.zero_grad()
        encoder(batch).embeddings.square().mean().backward()
        optimiser.step()
    return before, optimiser


def moved(encoder, before):
    after = encoder.state_dict()
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_a_probe_trains_the_head_and_leaves_all_else_as_it_is(build, eegnet_weights, batch_of):
    encoder = build("eegnet", weights=eegnet_weights, strategy="probe")
    before, optimiser = train(encoder, [batch_of(seed=0), batch_of(seed=1)])
    head = {name for name in before if ".final_layer." in name}
    assert moved(encoder, before) == head
    assert sum(len(group["params"]) for group in optimiser.param_groups) == len(optimiser.state) == len(head)


def test_a_frozen_body_is_in_evaluation_mode_while_its_head_is_trained(build, eegnet_weights, batch_of):
    encoder = build("eegnet", weights=eegnet_weights, strategy="probe").train()
    one, other = encoder(batch_of()).embeddings, encoder(batch_of()).embeddings
    assert torch.equal(one, other)  # no dropout
    modes = {name: layer.training for name, layer in encoder.network.named_modules() if name}
    assert {name.partition(".")[0] for name, training in modes.items() if training} == {"final_layer"}


def test_full_trains_everything(build, eegnet_weights, batch_of):
    encoder = build("eegnet", weights=eegnet_weights, strategy="full")
    before, _ = train(encoder, [batch_of(seed=0), batch_of(seed=1)])
    assert moved(encoder, before) >= {name for name, _ in encoder.named_parameters()}


def test_lora_changes_the_layers_of_the_body_and_is_merged_into_them(build, labram_weights, batch_of):
    encoder = build("labram", weights=labram_weights, strategy="lora")
    before, _ = train(encoder, [batch_of(seed=0), batch_of(seed=1)])
    with torch.no_grad():
        adapted = encoder.eval()(batch_of()).embeddings
        encoder.end_training()
        merged = encoder(batch_of()).embeddings
    assert torch.allclose(adapted, merged, atol=1e-5)
    assert encoder.state_dict().keys() == before.keys()
    layers = {f"network.{name}" for name in encoder.body.layers}
    heads = {name for name in before if ".final_layer." in name}
    assert any(name.endswith("qkv.weight") for name in layers)  # which LaBraM reads past the layer's forward
    assert moved(encoder, before) == layers | heads
    change = encoder.state_dict()[name := sorted(layers)[0]] - before[name]
    assert torch.linalg.matrix_rank(change) <= RANK


def test_a_twin_shares_all_but_the_values_of_the_body(build, labram_weights):
    encoder = build("labram", weights=labram_weights, strategy="probe")
    twin = build("labram", weights=labram_weights, strategy="probe", random_weights=True)
    ours, theirs = encoder.state_dict(), twin.state_dict()
    assert {name: value.shape for name, value in ours.items()} == {name: value.shape for name, value in theirs.items()}
    assert all(torch.equal(ours[name], theirs[name]) for name in ours if ".final_layer." in name)
    assert not torch.equal(ours["network.blocks.0.attn.qkv.weight"], theirs["network.blocks.0.attn.qkv.weight"])
    assert twin.adaptation.scale == encoder.adaptation.scale
    assert [p.requires_grad for p in twin.parameters()] == [p.requires_grad for p in encoder.parameters()]


def test_what_a_row_says_of_its_weights(build, labram_weights):
    found = dict(build("labram", weights=labram_weights, strategy="probe").pretraining)
    assert found.pop("revision").startswith("sha256:")
    assert found == {
        "strategy": "probe",
        "weights": labram_weights,
        "trained_on": "not stated",
        "initial": "pretrained",
    }
    assert build("labram", weights=labram_weights, strategy="scratch").pretraining["initial"] == "random"


def test_a_strategy_without_weights_and_an_unknown_one_are_refused(build, labram_weights):
    with pytest.raises(UsageError, match="Strategy 'probe' needs pretrained weights"):
        build("labram", strategy="probe")
    with pytest.raises(UnknownNameError, match="Did you mean 'probe'"):
        build("labram", weights=labram_weights, strategy="prob")


def test_lora_on_a_network_of_convolutions_alone_is_refused_with_what_to_choose(build, eegnet_weights):
    with pytest.raises(DataError, match=r"'lora' has nothing to change in EEGNet: .*Choose strategy 'probe'"):
        build("eegnet", weights=eegnet_weights, strategy="lora")

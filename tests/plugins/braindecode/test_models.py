"""Every model that trains: one tiny step, extreme values, what it sees, the same answer twice."""

from __future__ import annotations

import functools

import pytest
import torch

from eeg2speech_bench.core.conditioning import check_conditioning
from eeg2speech_bench.core.contrastive.loss import ClipLoss
from eeg2speech_bench.plugins.encoders.braindecode.cards import catalogue
from eeg2speech_bench.plugins.encoders.braindecode.network import model_parameters

pytestmark = pytest.mark.filterwarnings("ignore")

FREE = [c.name for c in catalogue().values() if not c.refused and not c.licence.startswith("CC-BY-NC")]
#: settings that make networks of tens of millions of parameters small; they also show that options arrive
SMALL = {
    "bendr": {"transformer_layers": 1, "contextualizer_hidden": 64},
    "cbramod": {"n_layer": 1, "dim_feedforward": 32},
    "codebrain": {"num_res_layers": 2, "codebook_size_t": 8, "codebook_size_f": 8},
    "dance": {"conv_hidden": 16, "conv_depth": 2, "perceiver_depth": 1, "num_latents": 16, "decoder_depth": 1},
    "deepsleepnet": {"bilstm_hidden_size": 8},
    "eeginception_mi": {"n_convs": 2, "n_filters": 8},
    "eegpt": {"depth": 1, "embed_dim": 64},
    "labram": {"num_layers": 1},
    "reve": {"depth": 1},
    "steegformer": {"depth": 1, "embed_dim": 64},
    "zuna": {"n_layers": 1, "dim": 64, "n_heads": 1},
}


@pytest.fixture(scope="module")
def built(build):
    """Return a model by its name, built once."""
    return functools.cache(lambda name: build(name, **SMALL.get(name, {})))


def test_at_least_fifty_models_train_and_carry_the_names_of_the_field():
    assert len(FREE) >= 50
    assert {"eegnet", "deep4", "shallow", "eegconformer", "atcnet", "ctnet", "bdtcn", "tidnet", "eegnex"} <= set(FREE)
    assert {"labram", "biot", "cbramod", "reve", "bendr", "signaljepa_contextual", "luna", "eegpt"} <= set(FREE)


@pytest.mark.parametrize("name", FREE)
def test_a_training_step_reaches_every_parameter_that_is_to_be_trained(target_info, batch_of, built, name):
    encoder = built(name).train()
    weights = {key: weight for key, weight in encoder.named_parameters() if weight.requires_grad}
    optimiser = torch.optim.Adam(weights.values(), 1e-3)
    reached = set()
    for seed in range(3):  # the first step of some reaches the last layer alone
        optimiser.zero_grad()
        found = check_conditioning(name, encoder(batch_of(seed=seed)), 4, target_info).embeddings
        target = torch.randn(4, found.shape[1], 4, generator=torch.Generator().manual_seed(9))
        loss = ClipLoss()(found, target)
        loss.backward()
        optimiser.step()
        assert loss.isfinite()
        reached |= {key for key, weight in weights.items() if weight.grad is not None and weight.grad.any()}
        if set(weights) == reached:
            break
    assert set(weights) == reached


@pytest.mark.parametrize("name", FREE)
def test_one_segment_of_extreme_values_gives_finite_tokens_in_eval(batch_of, built, name):
    encoder = built(name).eval()
    for value in (0.0, 20.0):
        batch = batch_of(size=1)
        batch.eeg = value * batch.eeg.sign()
        with torch.no_grad():
            found = encoder(batch).embeddings
        assert found.isfinite().all()
        assert found.shape == (1, 6, 4)


@pytest.mark.parametrize("name", FREE)
def test_every_channel_and_nearly_every_sample_has_a_part_in_the_answer(batch_of, built, name):
    # In training mode: before training, normalisation in eval knows no statistics, and small units can be dead. A few
    # passes: what is dropped out in one, a channel too, has its part in another.
    encoder, batch = built(name).train(), batch_of(size=8)
    torch.manual_seed(0)
    batch.eeg.requires_grad_()
    for _ in range(3):
        encoder(batch).embeddings.square().sum().backward()
        seen = batch.eeg.grad.abs().sum(0) > 0
        n_channels, share = int(seen.any(1).sum()), float(seen.any(0).float().mean())
        if n_channels == len(seen) and share > 0.94:
            break
    assert n_channels == len(seen)
    assert share > 0.94


@pytest.mark.parametrize("name", FREE)
def test_the_answer_is_the_same_twice_and_the_batch_untouched(batch_of, built, name):
    encoder, batch = built(name).eval(), batch_of()
    with torch.no_grad():
        one, other = encoder(batch).embeddings, encoder(batch).embeddings
    assert torch.equal(one, other)
    assert torch.equal(batch.eeg, batch_of().eeg)


def test_the_same_seed_builds_the_same_encoder_and_leaves_the_global_seed_alone(build):
    one, other = build("eegnet", seed=3).state_dict(), build("eegnet", seed=3).state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)
    build("eegnet", seed=1)
    first = torch.rand(1)
    build("eegnet", seed=2)
    assert first != torch.rand(1)


def test_building_without_gradients_freezes_the_same_parameters(build, built):
    with torch.no_grad():
        encoder = build("msvtnet")
    frozen = {key for key, weight in encoder.named_parameters() if not weight.requires_grad}
    assert frozen == {key for key, weight in built("msvtnet").named_parameters() if not weight.requires_grad}


def test_what_the_output_does_not_depend_on_is_frozen_and_said(built):
    encoder = built("msvtnet")
    assert encoder.adaptations["frozen"].startswith("branch_head.0, branch_head.1")
    frozen = {key for key, weight in encoder.network.named_parameters() if not weight.requires_grad}
    assert frozen
    assert all(key.startswith("branch_head") for key in frozen)


@pytest.mark.parametrize("name", [n for n in FREE if n != "reve"])
def test_no_option_of_a_class_hides_one_of_the_encoder(name):
    of_the_class = model_parameters(catalogue()[name].spec.load().network_class)
    assert not {"weights", "n_tokens", "n_slices", "slice_s"} & set(of_the_class)

"""The names in a file are brought to those of a network, and two answers are no answer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.weights.key_names import match_weight_norm, select

NETWORK = nn.Sequential(nn.Conv1d(2, 3, 3), nn.Linear(3, 1))
STATE = NETWORK.state_dict()


def prefixed(prefix: str, factor: float = 1.0) -> dict[str, torch.Tensor]:
    return {prefix + key: factor * value for key, value in STATE.items()}


PREFIXES = ["", "module.", "model.", "net.", "generator.", "first_stage_model.", "model.module.", "_forward_module."]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_prefix_of_wrappers_is_taken_off(prefix: str) -> None:
    assert select(prefixed(prefix), STATE, "x.pt").state.keys() == STATE.keys()


def test_a_prefix_that_is_none_of_wrappers_stays() -> None:
    assert select(prefixed("teacher."), STATE, "x.pt").state.keys() == prefixed("teacher.").keys()


def test_keys_outside_the_prefix_are_reported() -> None:
    state = prefixed("generator.") | {"discriminator.weight": torch.ones(1)}
    assert select(state, STATE, "x.pt").ignored == ["discriminator.weight"]


def test_two_networks_of_one_kind_are_refused_by_both_prefixes() -> None:
    with pytest.raises(DataError, match=r"x\.pt holds several networks.*all 4 weights under model\. and under net\."):
        select(prefixed("model.") | prefixed("net."), STATE, "x.pt")


def test_names_without_a_prefix_come_first() -> None:
    state = prefixed("") | prefixed("model.", factor=0.0)
    assert torch.equal(select(state, STATE, "x.pt").state["1.weight"], STATE["1.weight"])


@pytest.mark.parametrize("average", ["ema_model.", "model_ema.", "ema.", "ema.module."])
def test_an_average_of_the_weights_is_not_taken_for_them(average: str) -> None:
    found = select(prefixed("model.") | prefixed(average, factor=0.0), STATE, "x.pt")
    assert torch.equal(found.state["1.weight"], STATE["1.weight"])
    assert found.ignored == list(prefixed(average))


def test_where_no_prefix_fits_wholly_the_nearest_is_taken() -> None:
    state = prefixed("module.")
    del state["module.1.bias"]
    assert select(state, STATE, "x.pt").state.keys() == STATE.keys() - {"1.bias"}


def old_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    pairs = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    renamed = {}
    for key, value in state.items():
        stem, dot, end = key.partition("parametrizations")
        renamed[stem + pairs[dot + end] if dot else key] = value
    return renamed


@pytest.mark.parametrize("axis", [0, 2, None])
@pytest.mark.parametrize("old", [True, False])
def test_weight_norm_is_multiplied_out_for_a_network_without_it(axis: int | None, old: bool) -> None:
    layer = parametrizations.weight_norm(nn.Conv1d(2, 3, 4), dim=axis)
    state = {key: 2 * value for key, value in layer.state_dict().items()}
    layer.load_state_dict(state)
    found = match_weight_norm(old_names(state) if old else state, nn.Conv1d(2, 3, 4).state_dict())
    assert found.keys() == {"weight", "bias"}
    torch.testing.assert_close(found["weight"], layer.weight.detach())


@pytest.mark.parametrize("axis", [0, 2])
def test_a_plain_weight_is_split_for_a_network_with_weight_norm(axis: int) -> None:
    plain = nn.Conv1d(2, 3, 4)
    layer = parametrizations.weight_norm(nn.Conv1d(2, 3, 4), dim=axis)
    layer.load_state_dict(match_weight_norm(plain.state_dict(), layer.state_dict()))
    torch.testing.assert_close(layer.weight, plain.weight)


@pytest.mark.parametrize("axis", [0, 2])
def test_old_names_of_weight_norm_become_new_ones_without_a_change(axis: int, tmp_path: Path) -> None:
    layer = parametrizations.weight_norm(nn.Conv1d(2, 3, 4), dim=axis)
    again = parametrizations.weight_norm(nn.Conv1d(2, 3, 4), dim=axis)
    again.load_state_dict(match_weight_norm(old_names(layer.state_dict()), again.state_dict()))
    torch.testing.assert_close(again.weight, layer.weight)

"""A network is filled wholly, or the message says what does not fit and which setting to mend."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.weights.filling import Origin, fill

ORIGIN = Origin("x.pt", "some.option", "stack", optional=r"^mask$", leftovers=r"^head\.", sizes="some.sizes")


class Stack(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(2, 3), nn.BatchNorm1d(3)
        self.mask = nn.Parameter(torch.zeros(2))


def whole() -> dict[str, torch.Tensor]:
    return {key: torch.ones_like(value) for key, value in Stack().state_dict().items()}


def without(*keys: str) -> dict[str, torch.Tensor]:
    return {key: value for key, value in whole().items() if key not in keys}


def test_every_weight_and_every_statistic_is_copied() -> None:
    stack = Stack()
    fill(stack, whole(), ORIGIN)
    assert all(bool((value == 1).all()) for value in stack.state_dict().values())


def test_half_precision_is_copied_into_float32() -> None:
    stack = Stack()
    fill(stack, {key: value.half() if value.is_floating_point() else value for key, value in whole().items()}, ORIGIN)
    assert stack.first.weight.dtype == torch.float32


def test_what_outputs_do_not_depend_on_may_be_absent() -> None:
    stack = Stack()
    fill(stack, without("mask", "norm.num_batches_tracked"), ORIGIN)
    assert stack.mask.tolist() == [0, 0]


def test_known_heads_may_be_left_over() -> None:
    fill(Stack(), whole() | {"head.weight": torch.ones(2)}, ORIGIN)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (without("first.bias"), "x.pt is incomplete: got no first.bias (1 missing and 0 unexpected keys)"),
        (without("norm.running_mean"), "x.pt is incomplete: got no norm.running_mean"),
        ({"a.b": torch.ones(1)}, "x.pt is not a checkpoint of this stack: got no first.bias, no first.weight"),
        (whole() | {"more": torch.ones(1)}, "x.pt has weights that this stack does not: got also more (0 missing"),
        (
            whole() | {"first.bias": torch.ones(4), "first.weight": torch.ones(3, 4)},
            "x.pt was made by a stack of another size: got first.bias of shape (4,) (and 1 others), expected (3,)",
        ),
        (
            whole() | {"first.weight": torch.ones(3, 2, dtype=torch.int8)},
            "x.pt holds quantised weights: got first.weight of type int8",
        ),
    ],
)
def test_weights_that_are_not_the_networks_are_refused(state: dict[str, torch.Tensor], said: str) -> None:
    with pytest.raises(DataError, match=re.escape(said)) as caught:
        fill(Stack(), state, ORIGIN)
    assert caught.value.then.startswith("Set some.option to the whole weights of this network, or set some.sizes")


def test_a_refused_file_leaves_the_network_as_it_was() -> None:
    stack = Stack()
    before = {key: value.clone() for key, value in stack.state_dict().items()}
    with pytest.raises(DataError):
        fill(stack, without("first.bias"), ORIGIN)
    assert all(torch.equal(value, before[key]) for key, value in stack.state_dict().items())

"""Networks are compiled for as long as they are trained, for fixed shapes, and keep the names of their weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from eeg2speech_bench.core.training.compilation import compiled


@pytest.fixture
def asked(monkeypatch):
    """Return what torch.compile was asked for; it compiles nothing."""
    asked = []

    def compile_nothing(call, **options):
        asked.append(options)
        return lambda *inputs: call(*inputs) + 1

    monkeypatch.setattr(torch, "compile", compile_nothing)
    return asked


def test_the_compiled_call_is_used_in_the_block_alone(asked):
    network, zero = nn.Identity(), torch.zeros(())
    with compiled(network, wanted=True):
        assert network(zero) == 1
    assert network(zero) == 0
    assert asked == [{"dynamic": False}]


def test_weights_keep_their_names(asked):
    network = nn.Sequential(nn.Linear(1, 1))
    with compiled(network, network[0], wanted=True):
        assert list(network.state_dict()) == ["0.weight", "0.bias"]


def test_nothing_is_compiled_unless_it_is_wanted(asked):
    network = nn.Linear(1, 1)
    with compiled(network, wanted=False):
        network(torch.zeros(1))
    assert not asked

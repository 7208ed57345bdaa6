"""The check of strategies: what is frozen stays, what is merged keeps its names, and each fault is told."""

from __future__ import annotations

import pytest
from torch import nn

from eeg2speech_bench.core.conformance import check_encoder
from eeg2speech_bench.core.weights.body import Body

from .conftest import Sound

HIDDEN = 24


class Pretrained(Sound):
    """A body with batch norm and a head, as an encoder with weights has them."""

    def __init__(self, signal, target, *, weights=None, strategy=None, random_weights=False):
        super().__init__(signal, target)
        self.inner = nn.Sequential(nn.Linear(target.dim, HIDDEN), nn.GELU())
        self.norm = nn.BatchNorm1d(HIDDEN)
        self.head = nn.Linear(HIDDEN, target.dim)
        self.body = Body(self, ["head"], strategy or "full")

    def tokens(self, batch):
        hidden = self.inner(super().tokens(batch))
        return self.head(self.norm(hidden.transpose(1, 2)).transpose(1, 2))

    def train(self, mode=True):
        super().train(mode)
        if mode and hasattr(self, "body"):
            self.body.set_modes()
        return self

    def begin_training(self):
        self.body.begin_training()

    def end_training(self):
        self.body.end_training()


class Thaws(Pretrained):
    def train(self, mode=True):
        return Sound.train(self, mode)


class KeepsItsAdapters(Pretrained):
    def end_training(self):
        pass


class NeverAdapts(Pretrained):
    def begin_training(self):
        pass


class FreezesAll(Pretrained):
    def begin_training(self):
        super().begin_training()
        self.head.requires_grad_(False)
        self.inner.requires_grad_(True)


def verdict(spec_of, encoder):
    declared = spec_of(encoder, pretrained="nowhere: nothing")
    (found,) = check_encoder(declared, only=["strategies"])
    return found.outcome, found.reason


def test_what_each_strategy_trains_is_counted(spec_of):
    outcome, reason = verdict(spec_of, Pretrained)
    assert outcome == "pass", reason
    assert reason.startswith(f"probe trains {HIDDEN * 40 + 40:,}; lora trains ")


@pytest.mark.parametrize(
    ("encoder", "said"),
    [
        (
            Thaws,
            "strategy 'probe': norm.num_batches_tracked is frozen and moves: keep it in evaluation mode",
        ),
        (KeepsItsAdapters, "strategy 'lora': names in its state differ after end_training"),
        (NeverAdapts, "strategy 'lora': nothing of the body changes"),
        (FreezesAll, "strategy 'probe': inner.0.bias is frozen and moves"),
    ],
)
def test_a_fault_is_told_with_what_to_change(spec_of, encoder, said):
    outcome, reason = verdict(spec_of, encoder)
    assert outcome == "fail"
    assert reason.startswith(said)


def test_without_known_weights_it_is_said_how_to_check(spec_of):
    (found,) = check_encoder(spec_of(Pretrained), only=["strategies"])
    assert found.outcome == "skip"
    assert found.reason.endswith("give --set weights=PATH")

"""Bodies: changes of low rank reach every layer, in evaluation too, equal those of peft, and are merged."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.weights.body import Body
from eeg2speech_bench.core.weights.low_rank import ALPHA, RANK, LowRank

WIDTH = 16


class Attends(nn.MultiheadAttention):
    """Attention of a sequence to itself."""

    def forward(self, x):
        return super().forward(x, x, x)[0]


class ReadsItsWeights(nn.Linear):
    """Hands its weight to somebody else, as LaBraM's attention does."""

    def forward(self, x):
        return nn.functional.linear(x, self.weight, self.bias)


LAYERS = {
    "attention": lambda: Attends(WIDTH, 2, batch_first=True),
    "transformer": lambda: nn.TransformerEncoderLayer(WIDTH, 2, WIDTH, batch_first=True),
    "reads": lambda: ReadsItsWeights(WIDTH, WIDTH),
}


def network(layer: str = "reads") -> nn.Module:
    torch.manual_seed(0)
    return nn.ModuleDict({"inner": LAYERS[layer](), "head": nn.Linear(WIDTH, 2)})


def run(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return net["head"](net["inner"](x))


@pytest.mark.parametrize("layer", LAYERS)
def test_every_change_is_used_with_and_without_gradients_and_merged_as_it_was(layer):
    net, x = network(layer), torch.randn(2, 5, WIDTH)
    names, before = set(net.state_dict()), run(net.eval(), x)
    body = Body(net, ["head"], "lora")
    body.begin_training()
    body.begin_training()  # the second time does nothing
    changes = [module for module in net.modules() if isinstance(module, LowRank)]
    assert len(changes) == len(body.layers) == {"attention": 2, "transformer": 4, "reads": 1}[layer]
    assert torch.allclose(run(net, x), before, atol=1e-6)  # nothing is changed at first
    for change in changes:
        nn.init.normal_(change.up)
    trained = run(net, x)
    weights = [weight for change in changes for weight in change.parameters()]
    assert all(slope.any() for slope in torch.autograd.grad(trained.sum(), weights))
    with torch.no_grad():
        evaluated = run(net, x)  # where torch takes a fast path that reads the weights of transformers
        body.end_training()
        merged = run(net, x)
    assert not torch.allclose(trained, before, atol=1e-2)
    assert torch.allclose(trained, evaluated, atol=1e-4)
    assert torch.allclose(trained, merged, atol=1e-4)
    assert set(net.state_dict()) == names
    assert [name for name, weight in net.named_parameters() if weight.requires_grad] == ["head.weight", "head.bias"]


def test_the_changes_of_a_linear_layer_are_those_of_peft():
    peft = pytest.importorskip("peft")
    ours, x = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 2)), torch.randn(3, WIDTH)
    theirs = copy.deepcopy(ours)
    peft.LoraModel(theirs, peft.LoraConfig(target_modules=["0"]), "default")
    assert (peft.LoraConfig().r, peft.LoraConfig().lora_alpha) == (RANK, ALPHA)
    Body(ours, ["1"], "lora").begin_training()
    (change,) = (module for module in ours.modules() if isinstance(module, LowRank))
    down, up = theirs[0].lora_A["default"].weight, theirs[0].lora_B["default"].weight
    with torch.no_grad():
        nn.init.normal_(up)
        change.down.copy_(down)
        change.up.copy_(up)
    found, expected = ours(x), theirs(x)
    assert torch.allclose(found, expected, atol=1e-5)
    slopes = torch.autograd.grad(found.square().sum(), [change.down, change.up])
    wanted = torch.autograd.grad(expected.square().sum(), [down, up])
    assert all(torch.allclose(one, other, rtol=1e-4, atol=1e-4) for one, other in zip(slopes, wanted, strict=True))


def test_layers_that_are_frozen_already_are_not_changed():
    net = nn.ModuleDict(
        {"used": nn.Linear(WIDTH, WIDTH), "unused": nn.Linear(WIDTH, WIDTH), "head": nn.Linear(WIDTH, 2)}
    )
    net["unused"].requires_grad_(False)
    assert set(Body(net, ["head"], "lora").layers) == {"used.weight"}


def test_a_strategy_that_trains_nothing_is_refused():
    with pytest.raises(DataError, match="Strategy 'probe' would train nothing of Linear"):
        Body(nn.Linear(2, 2), ["head"], "probe")

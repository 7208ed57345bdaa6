"""Changes of low rank to frozen weights: added before training, trained, and added to the weights behind it."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

#: rank of the changes, and their factor as a multiple of it: what peft takes by default
RANK, ALPHA = 8, 8
#: the weights of an attention layer beside those of its linear layer
_ATTENTION = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")


class LowRank(nn.Module):
    """Adds a product of two narrow matrices to a weight (Hu et al. 2022, arXiv 2106.09685); zero at first.

    The weight itself is changed and not what a layer's ``forward`` returns, as peft does it: LaBraM's and EEGDINO's
    attention and torch's fast path for transformers read the weights of their layers past ``forward``, so that changes
    there are trained in vain or lost in evaluation, without a word.

    Parameters
    ----------
    weight : Tensor, shape (n_out, n_in)
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        n_out, n_in = weight.shape
        self.down = nn.Parameter(weight.new_empty(RANK, n_in))
        self.up = nn.Parameter(weight.new_zeros(n_out, RANK))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the changed weight."""
        changed: Tensor = weight + ALPHA / RANK * (self.up @ self.down)
        return changed


def changeable(network: nn.Module, names: Container[str]) -> dict[str, tuple[nn.Module, str]]:
    """Return those weights of linear and attention layers, each with its layer and what it is called there."""
    return {name: place for name, place in _weights(network) if name in names}


def _weights(network: nn.Module) -> Iterator[tuple[str, tuple[nn.Module, str]]]:
    for path, layer in network.named_modules():
        inner: tuple[str, ...] = ("weight",) if isinstance(layer, nn.Linear) else ()
        if isinstance(layer, nn.MultiheadAttention):
            inner = tuple(name for name in _ATTENTION if getattr(layer, name) is not None)
        for name in inner:
            yield f"{path}.{name}".removeprefix("."), (layer, name)


def add_changes(places: dict[str, tuple[nn.Module, str]]) -> None:
    """Add a change to each weight, which stays as it is."""
    for layer, name in places.values():
        parametrize.register_parametrization(layer, name, LowRank(getattr(layer, name)))


def merge_changes(places: dict[str, tuple[nn.Module, str]]) -> None:
    """Add what was learned to the weights, and leave nothing else behind."""
    with torch.no_grad():
        for layer, name in places.values():
            parametrize.remove_parametrizations(layer, name, leave_parametrized=True)

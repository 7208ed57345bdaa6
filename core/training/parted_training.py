"""Trains on the parts of a batch side by side, one part per core."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor

from eeg2speech_bench.core.machine.core_threads import on_cores
from eeg2speech_bench.core.machine.ranks import this_rank
from eeg2speech_bench.core.machine.threads import count_cores


class PartedTraining(L.LightningModule):
    """Sums loss and gradient over the parts of a batch, which is exact where items do not see each other.

    A subclass draws all random numbers of a batch, so that they do not depend on the number of parts, and gives what
    it made to `parted_loss`. On a GPU, and where several processes train together, the batch is one part.
    """

    _gradients: list[Tensor | None] | None = None

    def part_loss(self, *tensors: Tensor) -> Tensor:
        """Return the sum of the losses of the items that the tensors hold, shape ()."""
        raise NotImplementedError

    def parted_loss(self, *tensors: Tensor) -> Tensor:
        """Return the mean loss of all items, shape (); every tensor holds one row per item."""
        n = len(tensors[0])
        n_parts = 1 if self.device.type != "cpu" or this_rank().count > 1 else min(count_cores(), n)
        if n_parts == 1 or not torch.is_grad_enabled():
            self._gradients = None
            return self.part_loss(*tensors) / n
        weights = [p for p in self.parameters() if p.requires_grad]

        def loss_and_gradients(part: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor | None, ...]]:
            loss = self.part_loss(*part) / n
            return loss.detach(), torch.autograd.grad(loss, weights, allow_unused=True)

        parts = list(zip(*(tensor.chunk(n_parts) for tensor in tensors), strict=True))
        losses, gradients = zip(*on_cores(loss_and_gradients, parts), strict=True)
        self._gradients = [_sum(of_one) for of_one in zip(*gradients, strict=True)]
        return torch.stack(losses).sum()

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Put the gradients in place that came with the loss."""
        if self._gradients is None:
            return super().backward(loss, *args, **kwargs)
        for weight, gradient in zip((p for p in self.parameters() if p.requires_grad), self._gradients, strict=True):
            weight.grad = None if gradient is None else _laid_out_like(weight, gradient)
        self._gradients = None
        return None


def _sum(parts: tuple[Tensor | None, ...]) -> Tensor | None:
    """Add the gradients of one weight in the order of the parts, so that the sum is always the same."""
    total: Tensor | None = None
    for part in parts:
        if part is not None:
            total = part if total is None else total.add_(part)
    return total


def _laid_out_like(weight: Tensor, gradient: Tensor) -> Tensor:
    """Return a gradient in its weight's memory layout, as backward passes do.

    Convolutions give others; AdamW in its fused form then takes each number for that of another place.
    """
    return gradient if gradient.stride() == weight.stride() else torch.empty_like(weight).copy_(gradient)

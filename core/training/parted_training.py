"""Trains on the parts of a batch side by side, one part per core."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor

from eeg2speech_bench.core.machine.ranks import this_rank
from eeg2speech_bench.core.machine.threads import count_cores
from eeg2speech_bench.core.training.part_process import PartProcess, loss_and_gradients, shared_like


class PartedTraining(L.LightningModule):
    """Sums loss and gradient over the parts of a batch, which is exact where items do not see each other.

    Each part but the first is computed in a copy of this process. Threads of one operation wait for each other after
    every operation, and threads with parts of their own for the memory that they share (benchmarks/speed).

    A subclass draws all random numbers of a batch, so that they do not depend on the number of parts, and gives what
    it made to `parted_loss`. On a GPU, where several processes train together, and where no copy of this process could
    train (not Linux, or a GPU that is not used), the batch is one part.
    """

    _gradients: list[Tensor | None] | None = None
    _others: tuple[PartProcess, ...] = ()

    def part_loss(self, *tensors: Tensor) -> Tensor:
        """Return the sum of the losses of the items that the tensors hold, shape ()."""
        raise NotImplementedError

    def parted_loss(self, *tensors: Tensor) -> Tensor:
        """Return the mean loss of all items, shape (); every tensor holds one row per item."""
        n = len(tensors[0])
        n_parts = min(count_cores(), n) if torch.is_grad_enabled() and self._may_part() else 1
        if n_parts == 1:
            self._gradients = None
            return self.part_loss(*tensors) / n
        first, *others = zip(*(tensor.chunk(n_parts) for tensor in tensors), strict=True)
        weights = [p for p in self.parameters() if p.requires_grad]
        n_threads = torch.get_num_threads()
        try:
            self._begin(others, weights, 1 / n)
            torch.set_num_threads(1)
            made = [loss_and_gradients(self.part_loss, weights, first, 1 / n)]
            made += [other.finish() for other in self._others]
        except BaseException:
            self._end_others()  # who knows how far they are
            raise
        finally:
            torch.set_num_threads(n_threads)
        losses, gradients = zip(*made, strict=True)
        self._gradients = [_sum(of_one, w) for w, *of_one in zip(weights, *gradients, strict=True)]
        return torch.stack(losses).sum()

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Put the gradients in place that came with the loss."""
        if self._gradients is None:
            return super().backward(loss, *args, **kwargs)
        for weight, gradient in zip((p for p in self.parameters() if p.requires_grad), self._gradients, strict=True):
            weight.grad = gradient
        self._gradients = None
        return None

    def teardown(self, stage: str) -> None:
        """End the processes that computed parts."""
        self._end_others()

    def _may_part(self) -> bool:
        is_here = self.device.type == "cpu" and this_rank().count == 1
        return is_here and sys.platform.startswith("linux") and not torch.cuda.is_available()

    def _begin(self, parts: Sequence[Sequence[Tensor]], weights: Sequence[Tensor], scale: float) -> None:
        """Let the others begin, which are started where there are none that take such parts."""
        takes = [other.takes(part) for other, part in zip(self._others, parts, strict=False)]
        if len(takes) != len(parts) or not all(takes):
            self._end_others()
            for weight, shared in zip(weights, shared_like(weights), strict=True):
                weight.data = shared.copy_(weight.data)
            self._others = tuple(PartProcess(self.part_loss, weights, part) for part in parts)
        for other, part in zip(self._others, parts, strict=True):
            other.begin(part, scale)

    def _end_others(self) -> None:
        """End the other processes and take the weights out of the memory that was shared with them."""
        if not self._others:
            return
        for other in self._others:
            other.close()
        self._others = ()
        for weight in (p for p in self.parameters() if p.requires_grad):
            weight.data = weight.data.clone()


def _sum(parts: Sequence[Tensor | None], weight: Tensor) -> Tensor | None:
    """Add the gradients of one weight in the order of the parts, so that the sum is always the same.

    The sum lies in memory as the weight does, as after a backward pass. The first part's gradient is ours to change,
    but that of a convolution may lie otherwise; AdamW in its fused form then takes each number for that of another
    place.
    """
    total: Tensor | None = None
    for part in parts:
        if part is not None and total is None:
            is_ours = part is parts[0] and part.stride() == weight.stride()
            total = part if is_ours else torch.empty_like(weight).copy_(part)
        elif part is not None:
            total.add_(part)  # type: ignore[union-attr]  # set above
    return total

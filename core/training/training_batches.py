"""Gives training its batches in an order that can be taken up anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch


class TrainingBatches(torch.utils.data.IterableDataset):
    """Yields batches whose content depends on a seed, the epoch and the place in it alone.

    A subclass gives `batches`. It draws nothing from global generators, which belong to the training steps.
    """

    #: whether batches are made on the device that trains, and need not be copied there
    on_device = False

    _epoch = 0
    _first = 0

    def start_at(self, epoch: int, batch: int) -> None:
        """Begin the next pass at a batch of an epoch; the passes after it are whole."""
        self._epoch, self._first = epoch, batch

    def __iter__(self) -> Iterator[Any]:
        epoch, first = self._epoch, self._first
        self._epoch, self._first = epoch + 1, 0
        yield from self.batches(epoch, first)

    def batches(self, epoch: int, first: int) -> Iterator[Any]:
        """Yield the batches of an epoch from the given one on."""
        raise NotImplementedError

"""Notices values that are not finite, without waiting for the device in every step."""

from __future__ import annotations

import torch
from torch import Tensor

from eeg2speech_bench.core.errors import ContractError

#: notes after which they are looked at, where a look waits
NOTES_PER_LOOK = 100


def reading_waits(device: torch.device) -> bool:
    """Whether whoever reads a number of this device waits until all is done that the device was given."""
    return device.type != "cpu"


class FiniteValues:
    """Raises the error of values that are not finite: at once on the CPU, on a GPU when it looks.

    It looks after `NOTES_PER_LOOK` notes, and when it is told to, as it has to be before weights are kept.
    """

    def __init__(self) -> None:
        self._noted: list[tuple[Tensor, ContractError]] = []

    def __call__(self, finite: Tensor, error: ContractError) -> None:
        """Note whether values are finite (a boolean of shape ()), and what to raise if they are not."""
        self._noted.append((finite, error))
        if not reading_waits(finite.device) or len(self._noted) == NOTES_PER_LOOK:
            self.look()

    def look(self) -> None:
        """Raise the error of the first note whose values were not finite."""
        noted, self._noted = self._noted, []
        if noted and not bool(torch.stack([finite for finite, _ in noted]).all()):
            raise next(error for finite, error in noted if not finite)

"""The learning rate rises, stays, and falls to zero."""

from __future__ import annotations

import pytest
import torch

from eeg2speech_bench.core.training.learning_rate import rising_and_falling


def rates(n_steps: int, warmup_steps: int, decay: float) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = rising_and_falling(optimizer, n_steps, warmup_steps, decay)["lr_scheduler"]["scheduler"]
    seen = []
    for _ in range(n_steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def test_it_rises_stays_and_falls() -> None:
    assert rates(10, 2, 0.4) == pytest.approx([1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.5, 1.0, 0.5])


def test_without_either_it_is_constant() -> None:
    assert rates(3, 0, 0.0) == [2.0, 2.0, 2.0]

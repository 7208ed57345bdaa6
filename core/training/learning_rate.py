"""Lets the learning rate of a training rise at its beginning and fall at its end."""

from __future__ import annotations

from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def rising_and_falling(
    optimizer: Optimizer, n_steps: int, warmup_steps: int, decay: float
) -> OptimizerLRSchedulerConfig:
    """Return an optimiser whose rate rises linearly, stays, and falls linearly to zero, for Lightning.

    A constant rate leaves weights that jump about their best place; most of what is gained by averaging them or by many
    more steps is gained by the fall (Hu et al. 2024, arXiv 2404.06395, who call it warmup-stable-decay).

    Parameters
    ----------
    optimizer : Optimizer
    n_steps : int
        Steps of the whole training.
    warmup_steps : int
        Steps until the full rate.
    decay : float
        Share of the steps, at the end, in which it falls.
    """

    def share(step: int) -> float:
        rise = min(1.0, (step + 1) / max(warmup_steps, 1))
        left = 1 - step / max(n_steps, 1)
        return rise * min(1.0, max(left, 0.0) / decay) if decay else rise

    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": LambdaLR(optimizer, share), "interval": "step"}}

"""Derives the seed of every stage and item from the base seed of a cell."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import numpy as np


def derive_seed(base: int, *axes: object) -> int:
    """Return a 31-bit seed that depends on ``base`` and on what it is for alone.

    Hashing keeps the streams of stages apart, so that adding a stage or an item changes no other one.
    """
    text = "\x1f".join(str(part) for part in (base, *axes))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch."""
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def random_states() -> dict[str, Any]:
    """Return the states of all global generators as tensors and plain values, those of GPUs in use included."""
    import torch

    numpy_state = dict(np.random.get_state(legacy=False))
    twister = dict(numpy_state["state"])
    numpy_state["state"] = twister | {"key": twister["key"].tolist()}
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return {"python": random.getstate(), "numpy": numpy_state, "torch": torch.get_rng_state(), "cuda": cuda}


def restore_random_states(states: dict[str, Any]) -> None:
    """Put all global generators into the states that `random_states` returned."""
    import torch

    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"][: torch.cuda.device_count()])  # a run may go on with fewer GPUs

"""Derives the seed of every stage and item from the base seed of a cell."""

from __future__ import annotations

import hashlib
import random

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

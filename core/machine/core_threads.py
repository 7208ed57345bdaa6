"""Runs torch code side by side: each thread works on one item with one core."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

from eeg2speech_bench.core.machine.threads import count_cores

Item = TypeVar("Item")
Result = TypeVar("Result")


def on_cores(compute: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return ``compute(item)`` of every item, in their order, computed on all cores.

    Threads inside an operation wait for each other after every operation, those that work on items of their own only
    at the end: on two cores a training step of small convolutions takes half the time (benchmarks/speed).
    ``compute`` runs under the caller's autocast and gradient mode.
    """
    if count_cores() < 2 or len(items) < 2:
        return [compute(item) for item in items]
    n_threads, with_gradient = torch.get_num_threads(), torch.is_grad_enabled()
    dtype, is_half = torch.get_autocast_dtype("cpu"), torch.is_autocast_enabled("cpu")

    def alone(item: Item) -> Result:
        torch.set_num_threads(1)
        with torch.set_grad_enabled(with_gradient), torch.autocast("cpu", dtype, enabled=is_half):
            return compute(item)

    try:
        return list(_threads(count_cores()).map(alone, items))
    finally:
        torch.set_num_threads(n_threads)  # of the matrix library there is one number for all threads


@cache
def _threads(n: int) -> ThreadPoolExecutor:
    """Return threads that stay, with the memory that they have asked for: new ones would ask for it at each step."""
    return ThreadPoolExecutor(n, thread_name_prefix="core")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # a copy of this process has no threads but its own

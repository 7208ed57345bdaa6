"""Compiles networks for as long as they are trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def compiled(*networks: nn.Module, wanted: bool) -> Iterator[None]:
    """Let networks compute by compiled code while a block runs, each shape of input by code of its own.

    Only the call is compiled: ``torch.compile(network)`` would put ``_orig_mod.`` before the names of all weights.

    Parameters
    ----------
    networks : nn.Module
    wanted : bool
        False changes nothing.
    """
    if not wanted:
        yield
        return
    for network in networks:
        network.compile(dynamic=False)
    try:
        yield
    finally:
        for network in networks:
            network._compiled_call_impl = None  # torch has no word for going back

"""Lets processes of this machine, one for each device, train one model together."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from eeg2speech_bench.core.errors import BenchError, UsageError


@dataclass(frozen=True)
class Rank:
    """Says which of the processes that train together this one is.

    Attributes
    ----------
    number : int
        0 is the one that writes results.
    count : int
    """

    number: int = 0
    count: int = 1

    def share(self, batch: np.ndarray) -> np.ndarray:
        """Return this process's rows of a batch; those of all, in the order of their numbers, are the batch.

        Raises
        ------
        UsageError
            If they cannot be shared out evenly, as what is gathered from all of them must be.
        """
        if len(batch) % self.count:
            raise UsageError(
                f"A batch cannot be shared out among {self.count} devices",
                got=f"{len(batch)} rows",
                expected=f"a multiple of {self.count}",
                then="Change the batch_size of alignment, autoencoder and diffusion with --set, or --devices.",
            )
        size = len(batch) // self.count
        return batch[self.number * size : (self.number + 1) * size]


_here = Rank()


def this_rank() -> Rank:
    """Return which of the processes that train together this one is; 0 of 1 where nobody else does."""
    return _here


@contextmanager
def others_beside(count: int, follow: Callable[[], None]) -> Iterator[None]:
    """Let ``count - 1`` further processes call ``follow`` while this one, as the first of them, runs a block.

    Every process has to train alike: what one gathers from all others, all others have to give.

    Parameters
    ----------
    count : int
        Processes with this one; 1 starts none, nor does one of several.
    follow : callable
        What the others do; it can be pickled.

    Raises
    ------
    BenchError
        If one of the others ended early; what this one met then is the cause.
    """
    if count == 1 or _here.count > 1:
        yield
        return
    from lightning.fabric.plugins.environments.lightning import find_free_network_port

    port = find_free_network_port()
    start = multiprocessing.get_context("spawn").Process
    others = [start(target=_follow, args=(Rank(n, count), port, follow), daemon=True) for n in range(1, count)]
    for other in others:
        other.start()
    try:
        with _as_rank(Rank(0, count), port), _ending_before(others):
            yield
        for other in others:
            other.join()
        _refuse_ended_early(others)
    finally:
        _end(others)


@contextmanager
def _ending_before(others: list[multiprocessing.context.SpawnProcess]) -> Iterator[None]:
    """End the others where this one stops early, before it leaves their group: that waits for what they still owe."""
    try:
        yield
    except BaseException as error:
        try:
            if isinstance(error, Exception) and not isinstance(error, BenchError):  # ours is wrong in all of them
                _refuse_ended_early(others, error)
        finally:
            _end(others)
        raise


def _end(others: list[multiprocessing.context.SpawnProcess]) -> None:
    for other in others:
        other.kill()
        other.join()


def _follow(rank: Rank, port: int, follow: Callable[[], None]) -> None:
    with _as_rank(rank, port):
        follow()


@contextmanager
def _as_rank(rank: Rank, port: int) -> Iterator[None]:
    """Be one of several processes for as long as a block runs, and tell Lightning so."""
    global _here
    told = {"LOCAL_RANK": str(rank.number), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    before = {name: os.environ.get(name) for name in told}
    _here = rank
    os.environ.update(told)
    try:
        yield
    finally:
        _leave_group()
        _here = Rank()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _leave_group() -> None:
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def _refuse_ended_early(others: list[multiprocessing.context.SpawnProcess], error: Exception | None = None) -> None:
    """Blame the process that ended first, and not the one that missed it."""
    for number, other in enumerate(others, start=1):
        if error is not None:
            other.join(timeout=5)  # its own error is on its way, or it waits for this process
        if other.exitcode:
            raise BenchError(
                f"The training process of device {number} ended",
                got=f"exit code {other.exitcode}",
                then="What it met is printed above; --devices 1 trains on one device.",
            ) from error

"""A process that joins the group of those that train together and then gives nothing more."""

from __future__ import annotations

import time

from torch import distributed

from eeg2speech_bench.core.machine.ranks import this_rank


def join_group() -> None:
    """Meet the others once."""
    rank = this_rank()
    distributed.init_process_group("gloo", rank=rank.number, world_size=rank.count)
    distributed.barrier()


def join_group_and_stay() -> None:
    """Meet the others once, and let them wait from then on."""
    join_group()
    time.sleep(600)

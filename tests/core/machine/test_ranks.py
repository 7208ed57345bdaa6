"""Several processes that train together learn what one learns from the whole batch."""

from __future__ import annotations

import multiprocessing

import numpy as np
import pytest
import torch
from silent_rank import join_group, join_group_and_stay
from torch import distributed
from train_together import train_together

from eeg2speech_bench.core.errors import BenchError, UsageError
from eeg2speech_bench.core.machine.ranks import Rank, others_beside, this_rank


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What one process and two learned, by their number and the form of the loss."""
    found = {}
    for n_devices in (1, 2):
        folder = tmp_path_factory.mktemp("trained")
        train_together(n_devices, folder)
        for symmetric in (False, True):
            found[n_devices, symmetric] = torch.load(folder / f"{symmetric}.pt", weights_only=True)
    return found


@pytest.mark.parametrize("symmetric", [False, True])
def test_two_processes_learn_what_one_learns_from_the_whole_batch(trained, symmetric):
    one, two = (trained[n, symmetric] for n in (1, 2))
    for name, weights in one["weights"].items():
        torch.testing.assert_close(two["weights"][name], weights, rtol=1e-5, atol=1e-6)
    assert [row["train_loss"] for row in two["history"]] == pytest.approx([row["train_loss"] for row in one["history"]])
    assert [row["valid_mrr"] for row in two["history"]] == pytest.approx([row["valid_mrr"] for row in one["history"]])
    assert two["best"] == pytest.approx(one["best"])


def test_one_that_is_killed_ends_the_training_and_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("KILLED_IN_EPOCH", "1")
    with pytest.raises(BenchError, match=r"The training process of device 1 ended: got exit code -9"):
        train_together(2, tmp_path)
    assert this_rank() == Rank(0, 1)


def test_a_stop_ends_all_of_them_although_one_still_waits_for_another():
    with pytest.raises(KeyboardInterrupt), others_beside(2, join_group_and_stay):
        join_group()
        distributed.all_reduce(torch.ones(1), async_op=True)  # what the other never gives
        raise KeyboardInterrupt
    assert (this_rank(), multiprocessing.active_children()) == (Rank(0, 1), [])


def test_the_shares_of_all_are_the_batch():
    rows = np.arange(6)
    assert np.concatenate([Rank(n, 3).share(rows) for n in range(3)]).tolist() == rows.tolist()


def test_a_batch_that_cannot_be_shared_out_evenly_is_refused():
    with pytest.raises(UsageError, match=r"among 4 devices: got 6 rows, expected a multiple of 4"):
        Rank(1, 4).share(np.arange(6))


def test_a_process_that_trains_alone_is_the_only_one():
    assert this_rank() == Rank(0, 1)

"""Batches that a thread reads ahead are those of the source, in order, and no thread outlives its use."""

from __future__ import annotations

import threading
from itertools import count

import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset

from eeg2speech_bench.core.training.read_ahead import ReadAhead


def readers():
    return [thread for thread in threading.enumerate() if thread.name == "read-ahead"]


def failing():
    yield 0
    raise ZeroDivisionError("the second batch")


class Numbers(IterableDataset):
    """Has an end, and counts how often it was begun."""

    def __iter__(self):
        return iter(range(5))


def test_batches_come_in_order_and_again_in_every_pass():
    ahead = ReadAhead(DataLoader(Numbers(), batch_size=None))
    assert [list(ahead), list(ahead)] == [[0, 1, 2, 3, 4]] * 2


def test_an_error_is_raised_where_its_batch_would_come():
    batches = iter(ReadAhead(failing()))
    assert next(batches) == 0
    with pytest.raises(ZeroDivisionError, match="the second batch"):
        next(batches)


@pytest.mark.parametrize("source", [range(3), count()])
def test_no_thread_is_left_when_nobody_reads_any_more(source):
    batches = iter(ReadAhead(source))
    next(batches)
    assert readers()
    batches.close()
    assert not readers()


def test_its_length_is_that_of_the_source():
    assert len(ReadAhead(range(3))) == 3
    with pytest.raises(TypeError):
        len(ReadAhead(count()))


def test_the_global_generator_gives_the_numbers_that_it_gives_without_a_thread():
    drawn = []
    for wrapped in (lambda loader: loader, ReadAhead):
        torch.manual_seed(0)
        list(wrapped(DataLoader(Numbers(), batch_size=None)))
        drawn.append(torch.rand(()))
    assert drawn[0] == drawn[1]

"""The name of a cell tells it from every other, and is a file name anywhere."""

from __future__ import annotations

import dataclasses

import pytest

from eeg2speech_bench.benchmarks.cells import Cell
from eeg2speech_bench.core.presets.config import load_config

CELL = Cell("ridge", "data/bids", "bids", "1f3a", 0, load_config("quick"))


@pytest.mark.parametrize(
    "changes",
    [
        {"encoder": "ridgé"},
        {"dataset": "other/bids"},
        {"dataset_name": "bids2"},
        {"revision": "1f3b"},
        {"seed": 1},
        {"config": load_config("quick", overrides=["data.stride_s=0.7"])},
    ],
)
def test_a_cell_that_differs_in_anything_has_another_name(changes):
    assert dataclasses.replace(CELL, **changes).id != CELL.id


def test_a_name_says_what_the_cell_is():
    assert CELL.id.startswith("ridge__bids__quick__seed0__")


@pytest.mark.parametrize("letter", ["x", "ü", "語"])
def test_long_names_are_shortened_to_what_a_file_system_takes(letter):
    long = dataclasses.replace(CELL, encoder=99 * letter, dataset_name=199 * letter, seed=2**32)
    assert len(long.id.encode()) <= 150
    assert long.id.endswith(f"__quick__seed{2**32}__{long.id[-8:]}")


def test_long_names_that_differ_in_their_end_are_two():
    one, other = (dataclasses.replace(CELL, dataset_name=199 * "x" + end) for end in "ab")
    assert one.id != other.id

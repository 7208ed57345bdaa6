"""The measurement for GPUs runs whole on a CPU, with networks of no use."""

from __future__ import annotations

import json

import pytest

from eeg2speech_bench.benchmarks.speed import gpu


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Return the pairs as the script writes them."""
    out = tmp_path_factory.mktemp("gpu") / "gpu.json"
    gpu.main(["--small", "--device", "cpu", "--rounds", "1", "--out", str(out)])
    return json.loads(out.read_text())["pairs"]


def test_both_sides_of_all_pairs_are_measured(measured):
    parts = ["denoiser's step", "denoiser's step", "sampling", "alignment's step"]
    assert [pair["name"].split(",")[0] for pair in measured] == parts
    assert all(len(seconds) == 1 for pair in measured for seconds in pair["seconds"].values())


def test_arithmetic_of_every_pair_is_counted(measured):
    assert min(pair["flop"] for pair in measured) > 1e5

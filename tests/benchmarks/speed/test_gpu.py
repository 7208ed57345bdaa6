"""The measurement for GPUs runs whole on a CPU, with networks of no use."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "speed" / "gpu.py"


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Return the pairs as the script writes them."""
    spec = importlib.util.spec_from_file_location("gpu", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    out = tmp_path_factory.mktemp("gpu") / "gpu.json"
    script.main(["--small", "--device", "cpu", "--rounds", "2", "--out", str(out)])
    return json.loads(out.read_text())["pairs"]


def test_all_pairs_are_measured_in_every_round(measured):
    assert [pair["name"].split(",")[0] for pair in measured] == [
        "denoiser's step",
        "denoiser's step",
        "sampling",
        "alignment's step",
    ]
    assert {len(values) for pair in measured for values in pair["seconds"].values()} == {2}


def test_arithmetic_of_every_pair_is_counted(measured):
    assert min(pair["flop"] for pair in measured) > 1e5

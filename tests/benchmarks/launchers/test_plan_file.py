from __future__ import annotations

import json
from pathlib import Path

import pytest

from eeg2speech_bench.benchmarks.cells import Cell
from eeg2speech_bench.benchmarks.launchers.plan_file import PlanFile
from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.presets.config import load_config
from eeg2speech_bench.core.registry.discovery import PluginChoice


@pytest.fixture
def cells():
    twin = load_config("quick", None, ["alignment.train_on=surrogate"])
    configs = [load_config("quick"), twin]
    return [Cell("ridge", "bids:/data/x", "x", "r1", seed, config) for seed, config in enumerate(configs)]


@pytest.fixture
def plan(cells, tmp_path):
    choice = PluginChoice((Path("mine.py"),), ("slow",), (), ("mine",))
    return PlanFile.of(cells, tmp_path / "results", tmp_path / "cache", "cpu", choice)


def test_a_plan_that_is_read_gives_the_same_cells(plan, cells, tmp_path):
    plan.write(tmp_path / "plan.json")
    read = PlanFile.read(tmp_path / "plan.json")
    assert read == plan
    assert [read.cell(number) for number in range(2)] == cells
    assert [run.id for run in read.cells] == [cell.id for cell in cells]
    assert read.plugins == PluginChoice((Path("mine.py"),), ("slow",), (), ("mine",))


@pytest.mark.parametrize("change", [{"version": 2}, {"extra": 1}, {"cells": [{"id": "x"}]}])
def test_a_plan_of_another_version_or_shape_is_refused(plan, tmp_path, change):
    tree = json.loads(plan.model_dump_json()) | change
    (tmp_path / "plan.json").write_text(json.dumps(tree))
    with pytest.raises(StorageError, match=r"Plan .*plan\.json cannot be read.*Make it again"):
        PlanFile.read(tmp_path / "plan.json")


def test_a_plan_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"absent\.json cannot be read"):
        PlanFile.read(tmp_path / "absent.json")

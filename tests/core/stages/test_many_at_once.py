"""Many processes on one cache and one results folder, with locks, without them, and with kills in between."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import random
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from eeg2speech_bench.core.records import record_store
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.stages import stage_store
from eeg2speech_bench.core.stages.keys import KeyParts
from eeg2speech_bench.core.stages.stage_store import Stage, StageStore, damage
from eeg2speech_bench.core.terminal.progress import StageProgress

FIXTURE = Path(__file__).parents[1] / "records" / "fixtures" / "ridge__dtu__quick__seed0__a45619c6.json"
SHARED = ("prepare", "features", "clips")
#: the cell that all processes write beside one of their own
CONTESTED = "contested"
FORK = multiprocessing.get_context("fork")
COUNTS = [8, pytest.param(50, marks=pytest.mark.slow)]


@contextmanager
def no_lock(path):
    yield


def publish(results: Path, tree: dict, cell: str, value: int) -> None:
    """Write a record of a cell, with a number that its file has too."""
    tree["cell"]["id"], tree["provenance"]["attempts"] = cell, value
    tree["files"] = {"segments": f"cells/{cell}/segments.parquet"}
    store = RecordStore(results)
    with store.draft(cell) as files:
        (files / "segments.parquet").write_text(str(value))
        store.publish(Record.from_json(json.dumps(tree).encode(), cell), files)


def work(root: Path, number: int, *, locks: bool) -> None:
    """Make stages that all share, one of its own, and two records."""
    if not locks:
        stage_store.file_lock = record_store.file_lock = no_lock
    stage_store.DEAD_S = -1.0
    store, progress = StageStore(root / "cache"), StageProgress(Console(file=io.StringIO()))
    for name in (*SHARED, f"own{number}"):

        def run(out, report, name=name):
            (root / "ran" / f"{name}-{os.getpid()}").touch()
            for part in "ab":
                (out / part).write_text(str(number))
                time.sleep(0.01)

        store.ensure(Stage(name, KeyParts({}, {}, {}, {}, {}), run), progress)
    tree = json.loads(FIXTURE.read_text())
    for cell in (f"own{number}", CONTESTED):
        publish(root / "results", tree, cell, number + 1)


def start(root: Path, count: int, *, locks: bool) -> list:
    """Start so many processes at once."""
    (root / "ran").mkdir(exist_ok=True)
    runs = [FORK.Process(target=work, args=(root, number), kwargs={"locks": locks}) for number in range(count)]
    for run in runs:
        run.start()
    return runs


def ends(runs: list) -> set[int]:
    """Wait for processes and return their exit codes."""
    for run in runs:
        run.join(200)
    return {run.exitcode for run in runs}


def require_whole(root: Path, count: int) -> None:
    """Check that stages and records are there, whole and once, and that nothing else is left."""
    stages = [path for path in (root / "cache").iterdir() if path.is_dir()]
    assert sorted(path.name.rpartition("-")[0] for path in stages) == sorted((*SHARED, *_own(count)))
    assert [damage(path) for path in stages] == [""] * len(stages)
    assert all((path / "a").read_text() == (path / "b").read_text() for path in stages)
    records = {record.cell.id: record.provenance.attempts for record in RecordStore(root / "results").read_all()}
    cells = root / "results" / "cells"
    assert {cell: int((cells / cell / "segments.parquet").read_text()) for cell in records} == records
    assert sorted(records) == sorted((CONTESTED, *_own(count)))
    assert {path.suffix for path in root.rglob(".*")} <= {".lock"}


def _own(count: int) -> list[str]:
    return [f"own{number}" for number in range(count)]


@pytest.mark.parametrize("count", COUNTS)
def test_with_locks_shared_stages_run_once(tmp_path, count):
    assert ends(start(tmp_path, count, locks=True)) == {0}
    require_whole(tmp_path, count)
    assert len(list((tmp_path / "ran").iterdir())) == len(SHARED) + count


@pytest.mark.parametrize("count", COUNTS)
def test_without_locks_whoever_loses_discards_its_own(tmp_path, count):
    assert ends(start(tmp_path, count, locks=False)) == {0}
    require_whole(tmp_path, count)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("locks", [True, False])
def test_after_kills_the_rest_finishes_and_a_second_round_heals(tmp_path, count, locks):
    runs = start(tmp_path, count, locks=locks)
    chance = random.Random(0)
    killed = runs[::-3]  # those that started last are still at it
    for run in killed:
        time.sleep(chance.uniform(0, 0.05))
        run.kill()
    ends(killed)
    assert ends([run for run in runs if run not in killed]) == {0}
    for left in tmp_path.rglob(".*.tmp"):
        os.utime(left, (0, 0))
    assert ends(start(tmp_path, count, locks=locks)) == {0}
    require_whole(tmp_path, count)

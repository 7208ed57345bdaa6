from __future__ import annotations

import os
import time

import pytest

from eeg2speech_bench.core.records import running
from eeg2speech_bench.core.records.provenance import ErrorReport
from eeg2speech_bench.core.records.running import ALIVE_S, RunningCell, living_signs, remove_dead_signs


def test_a_sign_of_life_says_where_and_how_far(tmp_path):
    path = tmp_path / "running" / "cell.json"
    error = ErrorReport(phase="start", type="KeyError", message="x")
    sign = RunningCell.here().model_copy(update={"phase": "align", "error": error})
    sign.write(path)
    assert RunningCell.read(path) == sign
    assert sign.pid == os.getpid()


def test_no_sign_or_a_torn_one_is_none(tmp_path):
    (tmp_path / "torn.json").write_text('{"host": "a')
    assert RunningCell.read(tmp_path / "torn.json") is None
    assert RunningCell.read(tmp_path / "absent.json") is None


def test_a_disk_that_takes_no_sign_stops_nothing(tmp_path):
    (tmp_path / "running").write_text("a file")
    RunningCell.here().write(tmp_path / "running" / "cell.json")
    assert RunningCell.read(tmp_path / "running" / "cell.json") is None


def test_a_sign_is_given_again_while_a_cell_runs_and_no_longer(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "TOUCH_S", 0.01)
    path = tmp_path / "running" / "cell.json"
    with RunningCell.here().renewed(path):
        os.utime(path, (0, 0))
        while not path.stat().st_mtime:
            time.sleep(0.01)
    time.sleep(0.1)
    os.utime(path, (0, 0))
    time.sleep(0.1)
    assert path.stat().st_mtime == 0


@pytest.fixture
def foreign(tmp_path):
    """A sign that a process of another machine gave, some seconds ago."""

    def leave(cell, age_s):
        path = tmp_path / "running" / f"{cell}.node7.12.json"
        RunningCell(host="node7", pid=12, started="2026-01-01T00:00:00+00:00", phase="align").write(path)
        os.utime(path, (time.time() - age_s,) * 2)
        return path

    return leave


def test_signs_of_other_machines_count_by_their_age(tmp_path, foreign):
    foreign("old__seed0", ALIVE_S + 10)
    foreign("new__seed0", ALIVE_S - 100)
    assert [cell for cell, _ in living_signs(tmp_path)] == ["new__seed0"]


def test_a_cell_that_never_began_gives_no_sign(tmp_path):
    error = ErrorReport(phase="start", type="KeyError", message="x")
    sign = RunningCell.here().model_copy(update={"error": error})
    sign.write(tmp_path / "running" / f"cell.{sign.host}.{sign.pid}.json")
    assert list(living_signs(tmp_path)) == []


def test_only_dead_signs_of_the_same_cell_are_removed(tmp_path, foreign):
    dead, alive, other = (foreign(*what) for what in (("a", ALIVE_S + 10), ("b", 1), ("c", ALIVE_S + 10)))
    for cell in ("a", "b"):
        remove_dead_signs(tmp_path, cell)
    assert [path.exists() for path in (dead, alive, other)] == [False, True, True]

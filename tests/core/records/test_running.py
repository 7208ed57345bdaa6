from __future__ import annotations

import os

from eeg2speech_bench.core.records.provenance import ErrorReport
from eeg2speech_bench.core.records.running import RunningCell


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

"""An attempt that did not finish lies beside a finished record, and no reader of a results folder minds it."""

from __future__ import annotations

import pytest

from eeg2speech_bench.core.records.provenance import ErrorReport
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.leaderboard.results.merging import plan_merge
from eeg2speech_bench.leaderboard.results.validation import foreign_files, read_results


@pytest.fixture
def attempted(cell, tmp_path):
    """Return a results folder with one finished record and a failed attempt at the same cell."""
    path = cell(tmp_path)
    failed = Record.read(path)
    failed.status, failed.error = "failed", ErrorReport(phase="align", type="E", message="no")
    assert RecordStore(tmp_path).write(failed).parent == tmp_path / "attempts"
    return tmp_path


def test_the_finished_record_alone_is_read(attempted):
    records, refusals = read_results(attempted)
    assert ([record.status for record in records], refusals) == (["done"], [])


def test_an_attempt_is_no_foreign_file(attempted):
    assert foreign_files(attempted) == []


def test_an_attempt_does_not_travel(attempted, tmp_path):
    (record,), _ = read_results(attempted)
    merge = plan_merge([(RecordStore(attempted).path(record.cell.id), record)], tmp_path / "all")
    assert [path.parent.name for path in merge.new] == ["records"]

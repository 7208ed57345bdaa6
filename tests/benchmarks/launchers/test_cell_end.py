"""A cell whose worker ended has a record, whatever the worker ended by."""

from __future__ import annotations

import io
import signal
from functools import partial

import pytest
from rich.console import Console

from eeg2speech_bench.benchmarks.launchers.cell_end import give_up_planned, settle_end
from eeg2speech_bench.benchmarks.launchers.worker import DONE, FAILED, NEVER_BEGAN, STOPPED
from eeg2speech_bench.benchmarks.launchers.workers import WorkerEnd
from eeg2speech_bench.core.records.provenance import ErrorReport
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.records.running import RunningCell


@pytest.fixture
def settle(room):
    """Settle the end of the first cell, whose data set cannot be opened here."""

    def end(code, pid=7):
        give_up = partial(give_up_planned, room.plan, 0, Console(file=io.StringIO()))
        return settle_end(RecordStore(room.results), room.plan.cells[0].id, WorkerEnd(pid, code, "", 0.1), give_up)

    return end


@pytest.mark.parametrize("code", [STOPPED, -signal.SIGTERM])
def test_a_worker_that_was_asked_to_stop_is_interrupted(room, settle, code):
    assert settle(code) == "interrupted"
    assert not (room.results / "records").exists()


@pytest.mark.parametrize(("code", "status"), [(DONE, "done"), (FAILED, "failed")])
def test_the_record_of_a_worker_says_how_it_ended(room, settle, code, status):
    room.record(0, status)
    assert settle(code) == status


def test_a_worker_that_vanished_leaves_a_record_made_of_the_plan(room, settle):
    assert settle(9) == "failed"
    record = RecordStore(room.results).latest(room.plan.cells[0].id)
    assert (record.status, record.cell.encoder, record.dataset.revision) == ("failed", "ridge", "r1")
    assert record.error.message.startswith("its process ended with exit code 9 and no record")
    assert settle(9) == "failed"
    assert RecordStore(room.results).latest(room.plan.cells[0].id).provenance.attempts == 2


def test_a_cell_that_never_began_says_why(room, settle):
    cell = room.plan.cells[0].id
    sign = RunningCell.here()
    path = RecordStore(room.results).running_path(cell, sign.pid)
    error = ErrorReport(phase="start", type="UsageError", message="no such device")
    sign.model_copy(update={"error": error}).write(path)
    assert settle(NEVER_BEGAN, sign.pid) == "failed"
    assert RecordStore(room.results).latest(cell).error == error
    assert not path.exists()

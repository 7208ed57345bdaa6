"""Workers are asked to stop, and hear it whatever they are just doing."""

from __future__ import annotations

import os
import signal

import pytest

from eeg2speech_bench.benchmarks.launchers import workers
from eeg2speech_bench.benchmarks.launchers.workers import Limits, Workers


@pytest.fixture
def endless(tmp_path):
    """A plan that nobody comes to the end of reading."""
    os.mkfifo(tmp_path / "plan.json")
    return tmp_path / "plan.json"


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_stop_that_comes_while_a_worker_starts_is_heard(endless, monkeypatch, at_once):
    def look(*_):
        raise KeyboardInterrupt

    sent = []
    send = workers._signal
    monkeypatch.setattr(workers, "LOOK_S", 0.01)
    monkeypatch.setattr(workers, "_signal", lambda pid, number: (sent.append(number), send(pid, number)))
    monkeypatch.setattr(Workers, "_look", look)
    with pytest.raises(KeyboardInterrupt), Workers(Limits(), at_once, preload="nothing") as server:
        list(server.run(endless, range(at_once), {}))
    assert sent == [signal.SIGTERM] * at_once


def test_what_a_worker_prints_goes_where_it_is_told(tmp_path):
    output = tmp_path / "cell.log"
    with Workers(Limits(), preload="nothing") as server:
        ((number, end),) = server.run(tmp_path / "absent.json", [4], {}, lambda number: output)
    assert (number, end.code) == (4, 3)
    assert "absent.json cannot be read" in output.read_text()

"""Requests to stop: once is enough, twice is no more than once, and what must be whole is whole."""

from __future__ import annotations

import signal
import threading

import pytest

from eeg2speech_bench.core.terminal import interruption
from eeg2speech_bench.core.terminal.interruption import SIGNALS, stoppable, uninterrupted


@pytest.mark.parametrize("sent", SIGNALS)
def test_both_signals_stop_alike_and_the_handlers_are_given_back(sent):
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(KeyboardInterrupt), stoppable():
        signal.raise_signal(sent)
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_second_signal_does_not_disturb_what_the_first_set_off():
    written = []
    with pytest.raises(KeyboardInterrupt), stoppable():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            signal.raise_signal(signal.SIGINT)
            written.append("record")
            raise
    assert written == ["record"]


def test_whoever_still_waits_can_ask_again(monkeypatch):
    monkeypatch.setattr(interruption, "GRACE_S", 0.0)
    asked = []
    with stoppable():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            asked.append("stopped")
    assert asked == ["stopped", "stopped"]


def test_a_signal_is_heard_after_what_must_end():
    ended = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGTERM)
        ended.append("rename")
    assert ended == ["rename"]


def test_a_thread_that_gets_no_signals_does_its_work_all_the_same():
    ended = []

    def work() -> None:
        with stoppable(), uninterrupted():
            ended.append("work")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == ["work"]

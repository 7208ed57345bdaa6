"""Items are computed on threads of their own, and come back in order."""

from __future__ import annotations

import sys
import threading
import time

import pytest
import torch

from eeg2speech_bench.core.machine import core_threads, forks
from eeg2speech_bench.core.machine.core_threads import on_cores
from eeg2speech_bench.core.machine.forks import each_in_a_fork


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_threads, "count_cores", lambda: 2)


def test_results_come_in_order_from_threads_with_one_core_each() -> None:
    meeting = threading.Barrier(2, timeout=20)  # passes only if both run at the same time

    def compute(number: int) -> tuple[int, int, str]:
        meeting.wait()
        return number, torch.get_num_threads(), threading.current_thread().name

    found = on_cores(compute, [3, 1])
    assert [(number, n_threads) for number, n_threads, _ in found] == [(3, 1), (1, 1)]
    assert threading.current_thread().name not in {name for _, _, name in found}


def test_one_item_is_computed_here() -> None:
    assert on_cores(lambda _: threading.current_thread(), [0]) == [threading.current_thread()]


def test_gradients_are_wanted_where_the_caller_wants_them() -> None:
    def wanted(_: int) -> bool:
        return torch.is_grad_enabled()

    assert on_cores(wanted, [0, 1]) == [True, True]
    with torch.no_grad():
        assert on_cores(wanted, [0, 1]) == [False, False]


def test_what_an_item_raises_is_raised_and_the_next_call_works() -> None:
    def fail(number: int) -> float:
        return 1 / number

    with pytest.raises(ZeroDivisionError):
        on_cores(fail, [1, 0])
    assert on_cores(fail, [1, 2]) == [1.0, 0.5]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="copies are made on Linux")
@pytest.mark.timeout(60)
def test_a_copy_of_the_process_has_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "count_cores", lambda: 2)
    meeting = threading.Barrier(2, timeout=20)
    on_cores(lambda _: meeting.wait(), [0, 1])  # two threads, which a copy does not have
    time.sleep(0.2)  # until both wait for work
    assert list(each_in_a_fork(lambda number: on_cores(abs, [number, -number]), [1, 2])) == [[1, 1], [2, 2]]

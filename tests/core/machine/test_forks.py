"""What is computed in copies of this process comes back in order, and so do its errors."""

from __future__ import annotations

import os
import sys
import time

import pytest

from eeg2speech_bench.core.errors import BenchError, DataError
from eeg2speech_bench.core.machine import forks
from eeg2speech_bench.core.machine.forks import each_in_a_fork

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="copies are made on Linux")


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "count_cores", lambda: 2)


def children() -> set[int]:
    import psutil

    return {child.pid for child in psutil.Process().children()}


def test_results_come_in_order_from_other_processes() -> None:
    def slow_first(number: int) -> tuple[int, int]:
        time.sleep(0.2 if number == 0 else 0)
        return number * number, os.getpid()

    found = list(each_in_a_fork(slow_first, range(5)))
    assert [square for square, _ in found] == [0, 1, 4, 9, 16]
    assert os.getpid() not in {pid for _, pid in found}


def test_one_item_is_computed_here() -> None:
    assert list(each_in_a_fork(lambda _: os.getpid(), [0])) == [os.getpid()]


def test_large_results_come_whole() -> None:
    assert [len(part) for part in each_in_a_fork(lambda n: bytes(n), [10_000_000, 20_000_000])] == [10**7, 2 * 10**7]


def test_an_error_is_raised_as_it_is_and_ends_the_others() -> None:
    before = children()

    def fail(number: int) -> int:
        if number == 1:
            raise DataError("Recording 1 cannot be read", got="nothing", then="Look.")
        time.sleep(0 if number == 0 else 60)
        return number

    results = each_in_a_fork(fail, range(4))
    assert next(results) == 0
    with pytest.raises(DataError, match=r"Recording 1 cannot be read: got nothing\. Look\."):
        next(results)
    assert children() == before


def test_an_error_of_any_kind_keeps_its_kind() -> None:
    def fail(number: int) -> int:
        raise ZeroDivisionError(number)

    with pytest.raises(ZeroDivisionError):
        list(each_in_a_fork(fail, range(2)))


def test_a_process_that_is_killed_is_an_error_that_says_so() -> None:
    def vanish(number: int) -> int:
        os.kill(os.getpid(), 9)
        return number

    with pytest.raises(BenchError, match="ended from outside: got exit code -9"):
        list(each_in_a_fork(vanish, range(3)))


def test_what_cannot_be_sent_is_an_error_that_says_so() -> None:
    with pytest.raises(BenchError, match="cannot be sent"):
        list(each_in_a_fork(lambda number: lambda: number, range(2)))


def test_closing_early_ends_the_processes() -> None:
    before = children()
    results = each_in_a_fork(lambda number: time.sleep(60 * number), range(3))
    next(results)
    assert children() > before
    results.close()
    assert children() == before


def test_users_number_of_threads_bounds_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert forks.count_cores() == 1

"""Computes results side by side, each in a copy of this process."""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TypeVar

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.machine.threads import count_cores

Item = TypeVar("Item")
Result = TypeVar("Result")

#: of Linux's prctl: the signal that a process gets when its parent ends
PR_SET_PDEATHSIG = 1


def each_in_a_fork(
    compute: Callable[[Item], Result], items: Sequence[Item], n_at_once: int | None = None
) -> Generator[Result, None, None]:
    """Yield ``compute(item)`` of every item, in their order, computed side by side.

    Each is computed in a copy of this process with one thread, so nothing has to be imported or sent there, what it
    changes stays there, and its memory is given back. Where there is one core, one item or no such copy (not on
    Linux), they are computed here.

    Parameters
    ----------
    compute : callable
    items : sequence
    n_at_once : int, optional
        At most so many at the same time; by default one per core.

    Raises
    ------
    BenchError
        If a process was ended from outside, for example for want of memory.
    Exception
        What ``compute`` raises.
    """
    n_at_once = min(n_at_once or count_cores(), count_cores(), len(items))
    if n_at_once < 2 or not sys.platform.startswith("linux"):
        yield from map(compute, items)
        return
    waiting, running = deque(items), deque[tuple[BaseProcess, Connection]]()
    try:
        while waiting or running:
            while waiting and len(running) < n_at_once:
                running.append(_start(compute, waiting.popleft()))
            yield _result(*running.popleft())
    finally:
        for process, connection in running:
            process.kill()
            process.join()
            connection.close()


def _start(compute: Callable[[Item], Result], item: Item) -> tuple[BaseProcess, Connection]:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send_result, args=(theirs, compute, item), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _send_result(connection: Connection, compute: Callable[[Item], Result], item: Item) -> None:
    """Compute in the copy, and send what came of it."""
    for number in (signal.SIGINT, signal.SIGTERM):  # who started it ends it
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _use_one_thread()
    try:
        answer: tuple[bool, object] = (True, compute(item))
    except BaseException as error:
        error.add_note(traceback.format_exc())
        answer = (False, error)
    try:
        connection.send(answer)
    except Exception as error:  # what cannot be sent; a reader that is gone ends this process anyway
        connection.send((False, BenchError(f"What a process computed cannot be sent: {error}", got=repr(answer[1]))))


def _use_one_thread() -> None:
    """Keep numeric libraries from asking for threads that only the original process has."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _result(process: BaseProcess, connection: Connection) -> Result:  # type: ignore[type-var]  # of `compute`
    """Wait for what a copy sends, and return or raise it."""
    try:
        is_done, answer = connection.recv()
    except EOFError:
        process.join()
        raise BenchError(
            "A process that computed beside others was ended from outside",
            got=f"exit code {process.exitcode}",
            expected="its result",
            then="It may have wanted more memory than there is: use --jobs 1, or a machine with more.",
        ) from None
    finally:
        process.join()
        connection.close()
    if is_done:
        return answer  # type: ignore[no-any-return]
    raise answer

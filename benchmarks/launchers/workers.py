"""Lets workers run cells, one process each, and says how each of them ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any, Literal, Self

import psutil

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.records.provenance import ErrorReport

#: seconds between looks at a worker
LOOK_S = 0.5
#: seconds that a worker has to write its record when it is asked to stop
STOP_S = 60.0
GIGABYTE = 1e9
#: what the server imports first
Preload = Literal["all", "nothing"]


@dataclass(frozen=True)
class Limits:
    """Says how much one cell may use; None for as much as there is.

    Attributes
    ----------
    seconds : float, optional
    memory_gb : float, optional
        Resident memory of the worker and of what it starts.
    """

    seconds: float | None = None
    memory_gb: float | None = None


@dataclass(frozen=True)
class WorkerEnd:
    """How a worker ended.

    Attributes
    ----------
    pid : int
    code : int
        Its exit code; negative for a signal.
    reason : str
        Why it was ended from outside; empty if it was not.
    memory_gb : float
        What it used when it was last looked at.
    """

    pid: int
    code: int
    reason: str
    memory_gb: float

    def report(self, phase: str) -> ErrorReport:
        """Describe the end of a worker that left no record."""
        if self.reason:
            return ErrorReport(phase=phase, type="LimitExceeded", message=self.reason)
        if self.code >= 0:
            message = f"its process ended with exit code {self.code} and no record; a plugin may have called os._exit"
            return ErrorReport(phase=phase, type="ProcessEnded", message=message)
        name = signal.Signals(-self.code).name
        message = f"its process was ended by {name}"
        if -self.code == signal.SIGKILL:
            total_gb = psutil.virtual_memory().total / GIGABYTE
            message += f", most likely for want of memory: it last used {self.memory_gb:.1f} of {total_gb:.1f} GB"
        elif -self.code == signal.SIGBUS:
            message += ": a file that it reads from memory was cut short, or its disk is full or gone"
        elif -self.code in (signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGFPE):
            message += ", a crash in native code"
        return ErrorReport(phase=phase, type=name, message=message)


@dataclass
class _Worker:
    """A worker that runs: its place in the plan, and what was seen of it."""

    number: int
    started: float = field(default_factory=time.monotonic)
    reason: str = ""
    used_gb: float = 0.0


class Workers:
    """Starts workers from a server that has imported what they need, and ends it at the end of a block.

    What workers print appears where this process prints, also where that is no file but a notebook or a test.

    Parameters
    ----------
    limits : Limits
    at_once : int
        Cells that may run at the same time; they share the cores.
    preload : str
        What the server imports first: ``"all"`` that cells need, or ``"nothing"``.
    """

    def __init__(
        self, limits: Limits, at_once: int = 1, *, preload: Literal["all", "torch", "nothing"] = "all"
    ) -> None:
        self.limits, self.at_once, self.preload = limits, at_once, preload
        self._ended: deque[dict[str, Any]] = deque()

    def __enter__(self) -> Self:
        ours, theirs = socket.socketpair()
        caught = not _prints_to_descriptor()
        server = [sys.executable, "-P", "-c", "from eeg2speech_bench.benchmarks.launchers.server import serve; serve()"]
        with theirs:
            self._server = subprocess.Popen(
                [*server, str(theirs.fileno()), json.dumps(sys.path), self.preload],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if caught else None,
                text=True,
                env=self._environment(),
                process_group=0,  # Ctrl-C is for this process, which asks the worker to stop
            )
        self._connection = Connection(ours.detach())
        self._printing = threading.Thread(target=_print_all, args=(self._server.stdout,), daemon=True)
        if caught:
            self._printing.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._server.kill()  # it may still be importing, and no worker is left
        self._server.wait()
        if self._server.stdout is not None:
            self._printing.join()
            self._server.stdout.close()

    def _environment(self) -> dict[str, str]:
        """Return environment variables for workers: those of this process, and threads for their share of the cores."""
        if self.at_once == 1:
            return dict(os.environ)
        n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return {"OMP_NUM_THREADS": str(max(1, n_cores // self.at_once)), **os.environ}

    def run(
        self,
        plan: Path,
        numbers: Iterable[int],
        failed: Mapping[str, ErrorReport],
        begins: Callable[[int], Path | None] = lambda number: None,
    ) -> Generator[tuple[int, WorkerEnd], None, None]:
        """Let workers run cells of a plan, as many at once as may, and yield each with its end.

        ``failed`` is read whenever a worker starts, and ``begins`` called, which may name a file for what that worker
        prints.

        Raises
        ------
        KeyboardInterrupt
            If the user stopped it; the workers have written their records.
        BenchError
            If the server ended.
        """
        waiting, running = deque(numbers), dict[int, _Worker]()
        try:
            while waiting or running:
                while waiting and len(running) < self.at_once:
                    number = waiting.popleft()
                    running[self._start(plan, number, failed, begins(number))] = _Worker(number)
                answer = self._ended.popleft() if self._ended else self._receive(LOOK_S)
                if answer and (ended := running.pop(answer["ended"], None)):
                    yield ended.number, WorkerEnd(answer["ended"], answer["code"], ended.reason, ended.used_gb)
                for pid, worker in running.items():
                    self._look(pid, worker)
        except (KeyboardInterrupt, GeneratorExit):
            self._stop(set(running))
            raise

    def _start(self, plan: Path, number: int, failed: Mapping[str, ErrorReport], output: Path | None) -> int:
        reports = {key: report.model_dump(mode="json") for key, report in failed.items()}
        self._send({"plan": str(plan), "number": number, "failed": reports, "output": output and str(output)})
        while "started" not in (answer := self._receive(None)):
            self._ended.append(answer)
        return int(answer["started"])

    def _look(self, pid: int, worker: _Worker) -> None:
        worker.used_gb = _memory_gb(pid) or worker.used_gb
        if not worker.reason:
            worker.reason = self._exceeded(time.monotonic() - worker.started, worker.used_gb)
            if worker.reason:
                _signal(pid, signal.SIGKILL)

    def _exceeded(self, seconds: float, memory_gb: float) -> str:
        limits = self.limits
        if limits.seconds is not None and seconds > limits.seconds:
            return f"it took longer than {limits.seconds / 60:g} min (--time-limit)"
        if limits.memory_gb is not None and memory_gb > limits.memory_gb:
            return f"it used {memory_gb:.1f} GB, more than {limits.memory_gb:g} GB (--memory-limit)"
        return ""

    def _stop(self, pids: set[int]) -> None:
        """Ask workers to stop and wait until their records are written; an impatient user ends them at once."""
        pids -= {answer["ended"] for answer in self._ended}
        for pid in pids:
            _signal(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        with suppress(BenchError):
            try:
                while pids and time.monotonic() < deadline:
                    pids.discard(self._receive(LOOK_S).get("ended", 0))
            finally:
                for pid in pids:
                    _signal(pid, signal.SIGKILL)

    def _send(self, order: dict[str, Any]) -> None:
        try:
            self._connection.send_bytes(json.dumps(order).encode())
        except OSError as error:
            raise self._lost() from error

    def _receive(self, timeout_s: float | None) -> dict[str, Any]:
        """Return the next answer of the server; empty if there is none in time."""
        try:
            if not self._connection.poll(timeout_s):
                return {}
            answer: dict[str, Any] = json.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as error:
            raise self._lost() from error
        return answer

    def _lost(self) -> BenchError:
        code = self._server.wait()
        return BenchError("The process that starts workers ended", got=f"exit code {code}", then="Type it again.")


def _prints_to_descriptor() -> bool:
    """Whether what this process prints goes where its children print too."""
    try:
        return sys.stdout.fileno() == 1
    except (AttributeError, OSError, ValueError):
        return False


def _print_all(stream: IO[str]) -> None:
    for line in stream:
        sys.stdout.write(line)


def _memory_gb(pid: int) -> float:
    """Return the resident memory of a worker and of what it has started; 0 if it is gone."""
    try:
        worker = psutil.Process(pid)
        family = [worker, *worker.children(recursive=True)]
        return sum(float(one.memory_info().rss) for one in family) / GIGABYTE
    except psutil.Error:
        return 0.0


def _signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a worker; what ends it for good also ends what it has started."""
    with suppress(ProcessLookupError, PermissionError):
        if number == signal.SIGKILL and os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)

"""Starts workers from a process that has imported everything once and has run nothing.

A worker is a copy of it: no plugin of an earlier cell has touched its state, and nothing has to be imported again.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from eeg2speech_bench.core.machine.threads import share_cores

#: what is imported once, before anything of a plugin runs: all that cells need pays from the second cell on
PRELOADED: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "all": (
        "torch", "torchaudio", "lightning", "diffusers", "transformers", "mne", "scipy.signal", "sklearn.linear_model",
        "pyarrow.parquet",
        "eeg2speech_bench.benchmarks.launchers.worker",
        "eeg2speech_bench.benchmarks.stages.align", "eeg2speech_bench.benchmarks.stages.autoencoder",
        "eeg2speech_bench.benchmarks.stages.diffuse", "eeg2speech_bench.benchmarks.stages.embed",
        "eeg2speech_bench.benchmarks.stages.generate", "eeg2speech_bench.benchmarks.stages.score",
    ),
}  # fmt: skip
#: what asks a worker to stop
STOPS = (signal.SIGINT, signal.SIGTERM)
#: seconds between looks at whether the server is still there
PARENT_CHECK_S = 2.0
#: of Linux's prctl: the signal that a process gets when its parent ends
PR_SET_PDEATHSIG = 1


def serve() -> None:
    """Start a worker for every order that comes, and report how each ends, until nobody orders any more.

    The arguments of the command are the file descriptor of a two-way connection, the module search path as JSON, and
    which of `PRELOADED` to import first, by its name.
    Orders are ``{"plan", "number", "failed", "output"}``; answers are ``{"started": pid}`` and
    ``{"ended": pid, "code": exit code, negative for a signal}``.
    """
    channel, sys.path[:] = int(sys.argv[1]), json.loads(sys.argv[2])
    # whoever ordered the workers stops them, and this one ends with him; Slurm signals every process of a job
    for number in (*STOPS, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    share_cores()
    for module in PRELOADED[sys.argv[3]]:
        with suppress(ImportError):
            importlib.import_module(module)
    gc.freeze()  # a collection in a worker would write to, and so copy, what it shares with this process
    connection = Connection(channel)
    wakeup = _wake_when_children_end()
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        selector.register(wakeup, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if wakeup in ready:
                os.read(wakeup, 4096)
                _report_ended(connection)
            if connection in ready:
                try:
                    order = json.loads(connection.recv_bytes())
                except (EOFError, OSError):
                    os._exit(0)  # at once, so that workers learn of it: to tidy up after all imports takes seconds
                _start(order, connection)


def _wake_when_children_end() -> int:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler, nothing is written
    return reading


def _report_ended(connection: Connection) -> None:
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            _send(connection, {"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def _send(connection: Connection, answer: dict[str, Any]) -> None:
    with suppress(BrokenPipeError):  # whoever ordered is gone; the next reading says so
        connection.send_bytes(json.dumps(answer).encode())


def _start(order: dict[str, Any], connection: Connection) -> None:
    server = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # a stop that comes while a worker still ignores it would be lost
    pid = os.fork()
    if pid == 0:
        connection.close()
        _become_worker(order, server)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    _send(connection, {"started": pid})


def _become_worker(order: dict[str, Any], server: int) -> NoReturn:
    """Run a cell in this copy of the server and end with it, whatever threads a plugin has left behind."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the cell begins, a stop just ends it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    from eeg2speech_bench.benchmarks.launchers.worker import NEVER_BEGAN, UNHEARD, work

    code = NEVER_BEGAN
    try:
        os.setpgid(0, 0)  # so that what a plugin starts can be ended with it
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _ask_to_end_with_parent()
        threading.Thread(target=_end_with, args=(server,), daemon=True).start()
        if order["output"]:
            _print_into(Path(order["output"]))
        code = work(Path(order["plan"]), order["number"], order["failed"])
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except BrokenPipeError:
        code = UNHEARD
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _print_into(path: Path) -> None:
    with path.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _ask_to_end_with_parent() -> None:
    """Let Linux stop this process at once when its parent ends; elsewhere `_end_with` notices within seconds."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _end_with(server: int) -> None:
    """Stop this worker in order if the server is gone, since then nobody waits for it."""
    while os.getppid() == server:
        time.sleep(PARENT_CHECK_S)
    os.kill(os.getpid(), signal.SIGTERM)

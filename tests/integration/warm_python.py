"""Stands in for the Python of a command: runs it in a copy of a process that has imported everything once.

The imports of a training take longer than the training of a test. What a command does is the same but for those: it has
its own process, environment, folder and output, and starts its workers in the same way. A signal that ends a process at
once reaches the stand-in alone, so the number of the copy lies beside it for tests that kill, in ``NUMBER.pid``.

``keep SOCKET`` is the process that has imported; ``ask SOCKET PYTHON ARGUMENTS`` is the stand-in.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

COMMAND = ["-m", "eeg2speech_bench.core"]
SERVER = "serve()"
FORWARDED = (signal.SIGINT, signal.SIGTERM)
MOST_BYTES = 1 << 20


def write_stand_in(folder: Path, place: Path) -> Path:
    """Write an executable that can be typed in place of Python, which asks the process that listens at a socket."""
    stand_in = folder / "python"
    script, real = Path(__file__).resolve(), sys.executable
    stand_in.write_text(f'#!/bin/sh\nexec "{real}" -S -E "{script}" ask "{place}" "$0" "$@"\n')
    stand_in.chmod(0o755)
    return stand_in


def keep(place: str) -> None:
    """Import everything, then run in copies what is asked for, until standard input ends."""
    from eeg2speech_bench.benchmarks.launchers.server import PRELOADED
    from eeg2speech_bench.core.machine.threads import share_cores

    share_cores()
    commands = (f"eeg2speech_bench.benchmarks.{name}" for name in ("session", "generate_command", "listen_command"))
    trained = (f"eeg2speech_bench.benchmarks.trained.{name}" for name in ("continuous_speech", "listening"))
    pictures = ("matplotlib.figure", "matplotlib.backends.backend_agg", "mne_bids")
    for module in (*PRELOADED["all"], "eeg2speech_bench.core.cli", *commands, *trained, *pictures):
        with suppress(ImportError):
            importlib.import_module(module)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(place)
        listening.listen()
        while sys.stdin not in (ready := select.select([listening, sys.stdin], [], [])[0]):
            assert ready
            asking, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _wait_for_copy(asking)
            asking.close()


def _wait_for_copy(asking: socket.socket) -> NoReturn:
    """Run what is asked for in a copy, and tell its number and then how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    order, given, _, _ = socket.recv_fds(asking, MOST_BYTES, 8)
    pid = os.fork()
    if pid == 0:
        asking.close()
        _become(json.loads(order), given)
    for descriptor in given:
        os.close(descriptor)
    code = 1
    with suppress(OSError):
        asking.sendall(f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        asking.sendall(f"{code}\n".encode())
    os._exit(0)


def _become(order: dict, given: list[int]) -> NoReturn:
    """Be the Python that was asked for, as far as a command can tell."""
    for number in FORWARDED:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    for descriptor, number in zip(given, order["descriptors"], strict=True):
        os.dup2(descriptor, number)
        os.set_inheritable(number, True)
    sys.executable, arguments = order["python"], order["arguments"]
    code: object = 1
    try:
        if arguments[:2] == COMMAND:
            listed = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
            sys.path[:] = [order["cwd"], *listed, *sys.path[1:]]
            sys.argv[:] = ["eeg2speech-bench", *arguments[2:]]
            main = importlib.import_module("eeg2speech_bench.core.cli").main
        else:
            sys.argv[:] = ["-c", *arguments[3:]]
            main = importlib.import_module("eeg2speech_bench.benchmarks.launchers.server").serve
        importlib.invalidate_caches()
        code = main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        atexit._run_exitfuncs()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def ask(place: str, python: str, arguments: list[str]) -> int:
    """Let a copy run a command with what this process was given, and end as it ends."""
    if arguments[:2] != COMMAND and not any(SERVER in argument for argument in arguments):
        os.execv(sys.executable, [sys.executable, *arguments])
    descriptors = [0, 1, 2]
    if arguments[:2] != COMMAND:
        descriptors.append(int(arguments[3]))
    order = {"python": python, "arguments": arguments, "cwd": str(Path.cwd()), "env": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(place)
        socket.send_fds(asking, [json.dumps(order | {"descriptors": descriptors}).encode()], descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        answers = asking.makefile()
        pid = int(answers.readline())
        Path(python).with_name(f"{os.getpid()}.pid").write_text(str(pid))
        for number in FORWARDED:
            signal.signal(number, lambda sent, _: os.kill(pid, sent))
        code = int(answers.readline() or 1)
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    if sys.argv[1] == "keep":
        keep(sys.argv[2])
    else:
        sys.exit(ask(sys.argv[2], sys.argv[3], sys.argv[4:]))

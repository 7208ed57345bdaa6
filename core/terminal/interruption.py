"""Ctrl-C and SIGTERM: one request to stop is one `KeyboardInterrupt`, and never in the middle of what must be whole."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

#: what asks a command to stop: Ctrl-C, and the polite end that schedulers send
SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: somebody who presses Ctrl-C twice within this many seconds asks once
GRACE_S = 2.0


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM leave the same state as Ctrl-C, and take an impatient second signal as a part of the first.

    The second would else hit what the first one set off: a record that is just being written.
    """
    asked_s = -GRACE_S

    def stop(*_: object) -> None:
        nonlocal asked_s
        if time.monotonic() - asked_s >= GRACE_S:
            asked_s = time.monotonic()
            raise KeyboardInterrupt

    with _handled_by(stop):
        yield


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let a few renames end before a request to stop is heard.

    Raises
    ------
    KeyboardInterrupt
        At the end, if one came meanwhile.
    """
    asked: list[object] = []
    try:
        with _handled_by(lambda *signalled: asked.append(signalled)):
            yield
    finally:
        if asked:
            raise KeyboardInterrupt


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # Python delivers signals to the main thread alone
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, one in before.items():
            signal.signal(number, one)

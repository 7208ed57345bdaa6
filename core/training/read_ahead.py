"""Reads batches ahead in a thread, while the device computes with the ones before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import Any

#: batches that lie ready
N_AHEAD = 2
#: seconds after which a thread that nobody reads from looks whether it is still wanted
LOOK_S = 0.1


class ReadAhead:
    """Yields what an iterable yields, gathered ahead by a thread; an error of that thread is raised in its place.

    Parameters
    ----------
    batches : iterable
        Draws from no global generator while it yields, since a thread would draw at any moment.
    """

    def __init__(self, batches: Iterable[Any]) -> None:
        self.batches = batches
        self._unwanted = Event()

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]  # one without end has none, and says so by TypeError

    def __iter__(self) -> Iterator[Any]:
        self.close()
        source = iter(self.batches)  # not in the thread: a loader draws a seed here, from the global generator
        ready: Queue[tuple[Any, BaseException | None]] = Queue(N_AHEAD)
        self._unwanted = unwanted = Event()
        reader = Thread(target=_read, args=(source, ready, unwanted), name="read-ahead", daemon=True)
        reader.start()
        try:
            while True:
                batch, error = ready.get()
                if isinstance(error, StopIteration):
                    return
                if error is not None:
                    raise error
                yield batch
        finally:
            unwanted.set()
            reader.join()

    def close(self) -> None:
        """Let the thread end, wherever it is."""
        self._unwanted.set()


def _read(source: Iterator[Any], ready: Queue[tuple[Any, BaseException | None]], unwanted: Event) -> None:
    error: BaseException | None = None
    while error is None:
        batch = None
        try:
            batch = next(source)
        except BaseException as met:  # whatever a plugin raises is raised where the batch is used
            error = met
        _put(ready, (batch, error), unwanted)
        if unwanted.is_set():
            return


def _put(ready: Queue[tuple[Any, BaseException | None]], item: Any, unwanted: Event) -> None:
    while not unwanted.is_set():
        try:
            ready.put(item, timeout=LOOK_S)
        except Full:
            continue
        return

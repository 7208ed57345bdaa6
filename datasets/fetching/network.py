"""Tells trouble of the network that may pass from trouble that stays, and from that of this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from eeg2speech_bench.core.errors import BenchError, StorageError
from eeg2speech_bench.core.terminal.progress import OutputClosed

#: answers that may be another one a moment later
TRANSIENT_STATUS = (408, 425, 429, 500, 502, 503, 504)
#: seconds without a byte after which a connection counts as lost
TIMEOUT_S = 10.0


def is_transient(error: Exception) -> bool:
    """Whether the same question may be answered a moment later: a lost connection, a busy server."""
    if is_of_this_machine(error):
        return False
    status = status_of(error)
    return status is None or status in TRANSIENT_STATUS


def is_of_this_machine(error: BaseException) -> bool:
    """Whether we or the system raised it, and not the other side; the HTTP client's errors have no number."""
    return isinstance(error, BenchError | OutputClosed) or (isinstance(error, OSError) and error.errno is not None)


def status_of(error: BaseException) -> int | None:
    """Return the status that a server answered, None where it did not answer."""
    return getattr(getattr(error, "response", None), "status_code", None)


@contextmanager
def explained_network(address: str) -> Iterator[None]:
    """Say that a place could not be reached, whatever its library raises (`StorageError`); the cause is kept."""
    try:
        yield
    except Exception as error:  # every HTTP client has errors of its own
        if is_of_this_machine(error):
            raise
        first = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        said = re.sub(r"\?\S+", "", first)  # signatures of addresses are nobody's business
        then = "Check the network, then type the same command again: what has arrived is kept."
        raise StorageError(f"{address} could not be reached", got=said, then=then) from error

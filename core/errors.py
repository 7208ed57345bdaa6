"""Defines the errors that users meet: what is wrong, what was got, what was expected, what to type next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class BenchError(Exception):
    """Base of every error that is shown to the user without a traceback.

    Parameters
    ----------
    problem : str
        What is wrong with which thing, named as the user named it.
    got, expected : object, optional
        The value met and what would have been accepted.
    then : str, optional
        What to type or change next.
    """

    #: process exit code of a command that ends with this error
    exit_code = 1

    def __init__(self, problem: str, *, got: object = None, expected: object = None, then: str = "") -> None:
        self.problem, self.got, self.expected, self.then = problem, got, expected, then
        super().__init__(self._text())

    def _text(self) -> str:
        parts = [f"got {self.got}"] if self.got is not None else []
        parts += [f"expected {self.expected}"] if self.expected is not None else []
        sentence = self.problem + (": " + ", ".join(parts) if parts else "")
        return f"{sentence.rstrip('.')}." + (f" {self.then}" if self.then else "")


class UsageError(BenchError):
    """The command line or the configuration asks for something that does not exist."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that is not registered, with the nearest ones that are."""

    def __init__(self, kind: str, name: str, known: Iterable[str], then: str = "") -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(repr(n) for n in near)}? " if near else ""
        shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
        expected = f"one of: {shown}" if known else "nothing, since there is none"
        super().__init__(f"Unknown {kind}", got=repr(name), expected=expected, then=(hint + then).strip())


class DataError(BenchError):
    """A recording, stimulus, event table or prepared array cannot be used as it is."""


class LeakageError(DataError):
    """A split in which train and test share stimulus audio; carries the proof."""


class ContractError(BenchError):
    """A plugin returned something other than its contract promises."""


@contextmanager
def naming_plugin(what: str) -> Iterator[None]:
    """Say whose code failed when a plugin raises, or calls sys.exit, in the code inside.

    Parameters
    ----------
    what : str
        The plugin, such as ``"Target 'mel'"``.

    Raises
    ------
    ContractError
        With the plugin's own error as its cause. Our own errors and a lack of memory pass as they are.
    """
    try:
        yield
    except (BenchError, MemoryError):
        raise
    except SystemExit as stop:
        raise ContractError(f"{what} called sys.exit", got=stop.code, then="Raise an error instead.") from stop
    except Exception as error:  # a plugin can raise anything
        raise ContractError(f"{what} failed", got=f"{type(error).__name__}: {error}") from error


class StorageError(BenchError):
    """A file could not be written or read back: full disk, no permission, corrupt cache."""


class InterruptedRun(BenchError):  # noqa: N818  a state, not a fault
    """The user stopped the run; finished stages are kept."""

    exit_code = 130

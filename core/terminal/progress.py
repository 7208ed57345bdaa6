"""Shows how far a stage is: a progress bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar

#: tells how far a stage is: a short text and the share done, 0 to 1
Progress = Callable[[str, float], None]


def harmless(text: str) -> str:
    """Return text without what moves or colours a terminal: it may quote a plugin, a file or a library."""
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)


def say(console: Console, text: str) -> None:
    """Print text as it is: brackets are not markup, numbers get no colour, and no character controls the terminal."""
    console.print(harmless(text), markup=False, highlight=False)


class StageProgress:
    """Shows how far a stage is.

    Parameters
    ----------
    console : Console
        Where to write; a bar is drawn only if it is a terminal.
    """

    #: seconds between plain lines, so that a log stays short
    plain_interval_s = 10.0

    def __init__(self, console: Console) -> None:
        self.console = console
        self._label = ""
        self._last_line_s = 0.0
        self._bar: ProgressBar | None = None

    @contextmanager
    def stage(self, label: str) -> Iterator[StageProgress]:
        """Show a stage from here to the end of the block."""
        self._label, self._last_line_s = label, time.monotonic()
        if not self.console.is_terminal:
            say(self.console, f"{label} ...")
            yield self
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with ProgressBar(*columns, TextColumn("{task.fields[note]}"), console=self.console, transient=True) as bar:
            self._bar, self._task = bar, bar.add_task(label, total=1.0, note="")
            try:
                yield self
            finally:
                self._bar = None

    def __call__(self, note: str, share: float) -> None:
        """Report a short note and the share done (0 to 1)."""
        if self._bar is not None:
            self._bar.update(self._task, completed=share, note=note)
        elif time.monotonic() - self._last_line_s >= self.plain_interval_s:
            self._last_line_s = time.monotonic()
            say(self.console, f"  {self._label}: {share:4.0%} {note}")

    def watched(self, sign: Callable[[], None], every_s: float) -> Callable[[str, float], None]:
        """Return a reporter that also gives a sign of life, at most once in ``every_s`` seconds."""
        last_s = time.monotonic()

        def report(note: str, share: float) -> None:
            nonlocal last_s
            self(note, share)
            if time.monotonic() - last_s >= every_s:
                last_s = time.monotonic()
                sign()

        return report


class OutputClosed(BrokenPipeError):  # noqa: N818  a state, not a fault
    """Says that the reader of a command's output (head, less) went away."""


class _PipedConsole(Console):
    """Leaves it to the command what the end of a pipe means."""

    def on_broken_pipe(self) -> None:
        """Raise an error that no broken pipe of a plugin is taken for.

        rich would end the program as failed.
        """
        raise OutputClosed


def make_console() -> Console:
    """Return the console for what a command says to its user (standard output)."""
    out = sys.stdout or io.StringIO()  # None where the command was started with its output closed
    width = None if out.isatty() else 250  # tables in a log or a pipe are not cut
    return _PipedConsole(file=out, width=width, soft_wrap=not out.isatty())

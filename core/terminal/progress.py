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

from eeg2speech_bench.core.terminal.harmless_text import harmless

#: tells how far a stage is: a short text and the share done, 0 to 1
Progress = Callable[[str, float], None]
#: share of a stage, and seconds, from which on its time left is said
LEARNED_SHARE, LEARNED_S = 0.02, 3.0


def describe_seconds(seconds: float) -> str:
    """Return a duration in the largest units that it has: ``40 s``, ``3 min``, ``2 h 5 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def say(console: Console, text: str) -> None:
    """Print text as it is: brackets are not markup, numbers get no colour, and no character controls the terminal."""
    console.print(harmless(text), markup=False, highlight=False)


class StageProgress:
    """Shows how far a stage is.

    Parameters
    ----------
    console : Console
        Where to write; a bar is drawn only if it is a terminal.

    Attributes
    ----------
    usage : object
        What is said, as a text, of what the stage uses of the machine.
    """

    #: seconds between plain lines, so that a log stays short
    plain_interval_s = 10.0

    def __init__(self, console: Console) -> None:
        self.console = console
        self.usage: object = ""
        self._label = ""
        self._last_line_s = 0.0
        self._first: tuple[float, float] | None = None
        self._bar: ProgressBar | None = None

    @contextmanager
    def stage(self, label: str) -> Iterator[StageProgress]:
        """Show a stage from here to the end of the block."""
        self._label, self._last_line_s, self._first = label, time.monotonic(), None
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
        now = time.monotonic()
        if self._first is None or share < self._first[1]:  # what went on from a checkpoint does not begin at 0
            self._first = (now, share)
        is_due = now - self._last_line_s >= self.plain_interval_s
        if self._bar is None and not is_due:
            return
        said = "; ".join(part for part in (note, self._time_left(now, share), str(self.usage)) if part)
        if self._bar is not None:
            self._bar.update(self._task, completed=share, note=said)
        else:
            self._last_line_s = now
            say(self.console, f"  {self._label}: {share:4.0%} {said}")

    def _time_left(self, now: float, share: float) -> str:
        """Say how long the rest takes if it goes on as it did; empty while that is a guess."""
        assert self._first is not None
        began, first = self._first
        if share - first < LEARNED_SHARE or now - began < LEARNED_S or share >= 1:
            return ""
        return f"{describe_seconds((now - began) * (1 - share) / (share - first))} left"

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

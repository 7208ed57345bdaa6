"""What a command says, to whoever listens."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from eeg2speech_bench.core.terminal import progress as progress_module
from eeg2speech_bench.core.terminal.progress import OutputClosed, StageProgress, describe_seconds, make_console, say


def test_a_command_whose_output_is_closed_says_nothing_and_goes_on(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    progress = StageProgress(make_console())
    with progress.stage("align"):
        progress("epoch 1", 0.5)


def test_a_reader_that_went_away_has_a_name_of_its_own(monkeypatch):
    class Pipe:
        encoding = "utf-8"

        def isatty(self) -> bool:
            return False

        def write(self, text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Pipe())
    with pytest.raises(OutputClosed):
        make_console().print("Plan")


@pytest.fixture
def lines(monkeypatch):
    """Give a function that reports at a given second, and what was printed so far."""
    clock = [0.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: clock[0])
    printed = io.StringIO()
    progress = StageProgress(Console(file=printed, width=200))
    progress.plain_interval_s = 0.0

    def at(second: float, share: float) -> str:
        clock[0] = second
        printed.truncate(0)
        printed.seek(0)
        progress("step", share)
        return printed.getvalue().strip()

    with progress.stage("align"):
        yield at, progress


def test_time_left_is_learnt_from_what_is_done(lines):
    at, _ = lines
    assert at(0, 0.0) == "align:   0% step"
    assert at(10, 0.2) == "align:  20% step; 40 s left"
    assert at(20, 0.25) == "align:  25% step; 60 s left"


def test_time_left_is_not_said_while_it_is_a_guess(lines):
    at, _ = lines
    at(0, 0.0)
    assert at(1, 0.5) == "align:  50% step"
    assert at(60, 0.01) == "align:   1% step"


def test_what_went_on_from_a_checkpoint_counts_from_there(lines):
    at, _ = lines
    at(0, 0.5)
    assert at(10, 0.75) == "align:  75% step; 10 s left"


def test_what_is_used_is_said_too(lines):
    at, progress = lines
    progress.usage = "1.4 GB"
    assert at(0, 0.0) == "align:   0% step; 1.4 GB"


@pytest.mark.parametrize(
    ("seconds", "said"), [(40.4, "40 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (7500, "2 h 5 min")]
)
def test_durations_are_said_in_their_largest_units(seconds, said):
    assert describe_seconds(seconds) == said


def test_what_is_said_cannot_move_or_colour_the_terminal(capsys):
    say(make_console(), "a\x1b[31mb\x07\x9bc\rd\n\te")
    assert capsys.readouterr().out.splitlines() == ["a [31mb  c d", "        e"]

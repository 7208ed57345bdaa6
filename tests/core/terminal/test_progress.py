"""What a command says, to whoever listens."""

from __future__ import annotations

import sys

import pytest

from eeg2speech_bench.core.terminal.progress import OutputClosed, StageProgress, make_console, say


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


def test_what_is_said_cannot_move_or_colour_the_terminal(capsys):
    say(make_console(), "a\x1b[31mb\x07\x9bc\rd\n\te")
    assert capsys.readouterr().out.splitlines() == ["a [31mb  c d", "        e"]

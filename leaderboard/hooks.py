"""Registers the verb of this room."""

from __future__ import annotations

from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.specs import CommandSpec

_COMMANDS = "eeg2speech_bench.leaderboard.commands"


@hookimpl
def register_commands() -> list[CommandSpec]:
    """Return the verb ``leaderboard``."""
    return [
        CommandSpec(
            "leaderboard",
            f"{_COMMANDS}:leaderboard",
            "show the table of all records",
            configure=f"{_COMMANDS}:configure",
            loads_plugins=False,
        )
    ]

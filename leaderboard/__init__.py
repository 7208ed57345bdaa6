"""Turns records into tables and pages; opens without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eeg2speech_bench.leaderboard.frames import Results, read_results

__all__ = ["Results", "read_results"]


def __getattr__(name: str) -> Any:
    """Import what notebooks use when it is asked for, so that the verbs start fast."""
    if name in __all__:
        from eeg2speech_bench.leaderboard import frames

        return getattr(frames, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

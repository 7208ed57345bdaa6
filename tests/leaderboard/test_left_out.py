"""Records that cannot be read are told by reason, and not one by one."""

from __future__ import annotations

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.leaderboard.commands import left_out


def unreadable(name: str, got: str) -> DataError:
    return DataError(f"Record {name} is of another version", got=got, then="Run that cell again.")


def test_records_of_one_reason_take_one_line():
    lines = list(left_out([unreadable("a", "x"), unreadable("b", "y"), unreadable("c", "x"), unreadable("d", "x")]))
    assert lines == [
        "left out: Record a is of another version: got x. Run that cell again. 2 more for the same reason.",
        "left out: Record b is of another version: got y. Run that cell again.",
    ]

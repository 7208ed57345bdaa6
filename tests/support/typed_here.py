"""Runs the verb ``run`` in this process, which has imported what cells need."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from eeg2speech_bench.benchmarks import session
from eeg2speech_bench.benchmarks.launchers.worker import work
from eeg2speech_bench.benchmarks.launchers.workers import WorkerEnd
from eeg2speech_bench.core.cli import main
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.leaderboard.results.validation import validate_record

#: what makes a run of short sounds reach a record within seconds: one cheap encoder, small windows, few steps
SMALL = {
    "data.fractions": [0.4, 0.2, 0.4],
    "data.guard_s": 0.2,
    "data.window_s": 1.2,
    "encoder.ridge.token_rate_hz": 10.0,
    "alignment.max_epochs": 1,
    "alignment.steps_per_epoch": 2,
    "scores.block_s": 2.0,
    "scores.n_bootstrap": 100,
    "scores.n_permutations": 200,
}


@dataclass
class Ran:
    """What a command ended with: its record, and what stood on the terminal."""

    record: Record
    printed: str

    def speaks_of_meg(self) -> bool:
        """Whether the terminal called the recording MEG, and nowhere EEG."""
        return "MEG and controls" in self.printed and "EEG" not in self.printed


class WorkersHere:
    """Stands for `Workers`."""

    at_once = 1

    def __init__(self, *limits: object, **preload: object) -> None:
        pass

    def __enter__(self) -> WorkersHere:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def run(
        self, plan: Path, numbers: list[int], failed: dict[str, object], begins: Callable[[int], object]
    ) -> Iterator[tuple[int, WorkerEnd]]:
        for number in numbers:
            begins(number)
            yield number, WorkerEnd(os.getpid(), work(plan, number, failed), "", 0.0)


def run_here(dataset: str, options: tuple[str, ...], folder: Path, printed: Callable[[], str]) -> Ran:
    """Run ridge on a data set, retrieval alone; ``printed`` returns what stands on the terminal."""
    small = [text for key, value in SMALL.items() for text in ("--set", f"{key}={value}")]
    small += ["--encoder", "ridge", "--target", "mel", "--scores", "retrieval", "--no-model"]
    places = ["--cache", str(folder / "cache"), "--results", str(folder / "results")]
    with patch.object(session, "Workers", WorkersHere), patch("sys.argv", ["eeg2speech-bench"]):
        code = main(["run", "--dataset", dataset, *small, *options, *places])
    shown = printed()
    assert code == 0, shown
    (path,) = (folder / "results" / "records").glob("*.json")
    return Ran(validate_record(path), shown)

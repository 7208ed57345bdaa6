"""Runs the verb ``status``, which shows how cells that were submitted stand, from files alone."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from eeg2speech_bench.benchmarks.commands import absolute
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.terminal.progress import make_console, say

if TYPE_CHECKING:
    from eeg2speech_bench.benchmarks.launchers.cell_states import CellState


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``status``."""
    parser.add_argument("--results", type=absolute, default="results", metavar="DIR", help="default: ./results")


def run(arguments: argparse.Namespace, registry: Registry) -> int:
    """Print a row per cell, how many stand how, and what to type next."""
    from rich.table import Table
    from rich.text import Text

    from eeg2speech_bench.benchmarks.launchers.cell_states import read_states

    console = make_console()
    states = read_states(arguments.results)
    if not states:
        say(console, f"Nothing was submitted to {arguments.results}. Type eeg2speech-bench submit --encoder NAME.")
        return 0
    table = Table("cell", "data set", "seed", "tries", "state", "", box=None, pad_edge=False)
    for state in states:
        row = (state.label, state.dataset, str(state.seed), str(state.tries), state.state, state.detail)
        table.add_row(*map(Text, row))
    console.print(table)
    counts = Counter[str](state.state for state in states)
    say(console, f"{len(states)} cells: " + ", ".join(f"{n} {name}" for name, n in counts.most_common()))
    say(console, _next(states, arguments.results))
    return 0


def _next(states: list[CellState], results: Path) -> str:
    left = [state for state in states if state.state != "done"]
    if not left:
        return f"Next: eeg2speech-bench leaderboard --results {results}"
    if all(state.state == "running" or (state.state == "waiting" and state.job) for state in left):
        return f"Next: wait; logs are in {results / 'jobs' / 'logs'}"
    return "Next: the same 'eeg2speech-bench submit ...' again sends what is lost, failed, interrupted or in no job"

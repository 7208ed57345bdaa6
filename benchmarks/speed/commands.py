"""Times the command itself: cold runs, further encoders, beside a busy core, cells side by side, and light verbs.

Each SIDE is the path of an installed ``eeg2speech-bench``; sides take turns, so that a slow hour hits both.

    python benchmarks/speed/commands.py first SIDE [SIDE] --seeds 3   first and further encoder, cold, in turn
    python benchmarks/speed/commands.py busy SIDE                     quiet, and beside a process that only computes
    python benchmarks/speed/commands.py jobs SIDE                     twelve encoders one after another, and two at once
    python benchmarks/speed/commands.py verbs SIDE [SIDE]             what plans and prints

What follows ``--`` goes to ``run``.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: scores of the signal that a change of speed must not cost
SCORES = ("top1", "identification")
#: and of the ceilings: how well speech is painted where the condition tells everything
CEILINGS = ("mel_correlation", "estoi")
#: the encoder that a newcomer runs first, and one that comes after
FIRST, FURTHER = "brainmagick", "eegnet"
#: what is trained side by side: from a closed form to a network
TWELVE = (
    *("mean", "ridge", "ridge-cv", "pls", "cca", "random-weights"),
    *("time-only", "subject-id", "signaljepa_prelocal", "dgcnn", "eegnet", "brainmagick"),
)
VERBS = ("--help", "encoders", "datasets", "leaderboard --help", "run --encoder brainmagick --dry-run")
#: times that a verb is called by each side
CALLS = 7


@dataclass(frozen=True)
class Timed:
    """Holds what a command took, in seconds of the clock and of all processors, and the records that it made."""

    wall_s: float
    processor_s: float
    records: dict[str, dict[str, Any]]

    def stage_s(self, encoder: str) -> dict[str, float]:
        """Return seconds of the stages that an encoder's cell ran itself."""
        stages = self.records[encoder]["provenance"]["stages"]
        return {stage["name"]: stage["seconds"] for stage in stages if not stage["reused"]}

    def memory_gb(self, encoder: str) -> float:
        """Return the most memory of a stage."""
        return max(stage["peak_memory_mb"] for stage in self.records[encoder]["provenance"]["stages"]) / 1000

    def value(self, encoder: str, name: str, condition: str) -> float:
        """Return a metric of an encoder's record."""
        found = [m for m in self.records[encoder]["metrics"] if (m["name"], m["condition"]) == (name, condition)]
        return found[0]["value"] if found else float("nan")


def timed(command: list[str], folder: Path, **environment: str) -> Timed:
    """Run a command in a folder to its end."""
    before, started = os.times(), time.perf_counter()
    with (folder / "log").open("ab") as log:
        done = subprocess.run(command, cwd=folder, stdout=log, stderr=log, env=os.environ | environment, check=False)
    wall_s, after = time.perf_counter() - started, os.times()
    if done.returncode:
        sys.exit(f"{shlex.join(command)} ended with {done.returncode}; see {folder / 'log'}")
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    paths = (folder / "results" / "records").glob("*.json")
    records = {r["cell"]["encoder"]: r for r in (json.loads(path.read_text(encoding="utf8")) for path in paths)}
    return Timed(wall_s, spent, records)


def run(side: str, folder: Path, *options: str) -> Timed:
    """Run cells with cache and results in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [side, "run", "--cache", str(folder / "cache"), "--results", str(folder / "results"), *options]
    return timed(command, folder)


@contextmanager
def beside_a_busy_core() -> Iterator[None]:
    """Keep one core busy."""
    busy = subprocess.Popen([sys.executable, "-c", "while True: sum(range(10_000))"])
    try:
        yield
    finally:
        busy.kill()
        busy.wait()


def row(name: str, *cells: object) -> None:
    """Print a row of a Markdown table at once."""
    shown = (f"{cell:.3g}" if isinstance(cell, float) and abs(cell) < 1 else cell for cell in cells)
    texts = (f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in shown)
    print(f"| {name} | {' | '.join(texts)} |", flush=True)


def heads(*names: str) -> None:
    """Print the head of a table."""
    row(*names)
    row(*["---"] * len(names))


def _describe(name: str, run: Timed, encoder: str) -> None:
    stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in run.stage_s(encoder).items())
    scores = [run.value(encoder, score, "eeg") for score in SCORES]
    scores += [run.value(encoder, score, "audio") for score in CEILINGS]
    row(name, run.wall_s, run.processor_s, run.memory_gb(encoder), *scores, stages)


def first(sides: list[str], out: Path, seeds: int, options: list[str]) -> None:
    """Time the first encoder, cold, and one more with its cache, seed by seed and side by side."""
    ceilings = (f"{name}, ceiling" for name in CEILINGS)
    heads("run", "wall, s", "processor, s", "GB", *SCORES, *ceilings, "stages, s")
    ratios, shares = [], []
    for seed in range(seeds):
        walls = []
        for number, side in enumerate(sides):
            folder = out / f"seed{seed}-side{number}"
            of_seed = ["--seeds", f"{seed},{seed}", *options]
            one = run(side, folder, "--encoder", FIRST, *of_seed)
            _describe(f"{side}, {FIRST}, seed {seed}", one, FIRST)
            walls.append(one.wall_s)
            if side == sides[0]:
                two = run(side, folder, "--encoder", FURTHER, *of_seed)
                _describe(f"{side}, {FURTHER} after it", two, FURTHER)
                shares.append(two.wall_s / one.wall_s)
        ratios.append(walls[-1] / walls[0])
    if len(sides) > 1:
        print(f"\ntimes as fast: {_spread(ratios)}")
    print(f"\nfurther encoder, as a share of the first: {_spread(shares)}")


def busy(side: str, out: Path, options: list[str]) -> None:
    """Time the first command on a quiet machine, and beside a busy core."""
    quiet = run(side, out / "quiet", "--encoder", FIRST, *options)
    with beside_a_busy_core():
        loaded = run(side, out / "busy", "--encoder", FIRST, *options)
    heads("stage", "quiet, s", "busy, s", "ratio")
    for stage, seconds in quiet.stage_s(FIRST).items():
        row(stage, seconds, (then := loaded.stage_s(FIRST)[stage]), f"{then / seconds:.2f}")
    row("all", quiet.wall_s, loaded.wall_s, f"{loaded.wall_s / quiet.wall_s:.2f}")


def jobs(side: str, out: Path, options: list[str]) -> None:
    """Time retrieval of twelve encoders one after another, and two at once, and compare every number."""
    encoders = [part for name in TWELVE for part in ("--encoder", name)]
    asked = [*encoders, "--scores", "retrieval", *options]
    one, two = (run(side, out / f"jobs{n}", *asked, "--jobs", n) for n in ("1", "2"))
    same = all(one.records[name]["metrics"] == two.records[name]["metrics"] for name in TWELVE)
    heads("jobs", "wall, s", "processor, s")
    row("1", one.wall_s, one.processor_s)
    row("2", two.wall_s, two.processor_s)
    print(f"\n{one.wall_s / two.wall_s:.2f} times as fast; numbers are {'the same' if same else 'NOT the same'}")


def verbs(sides: list[str]) -> None:
    """Time what needs no training, each side in turn."""
    heads("verb", *(f"{side}, s" for side in sides))
    with tempfile.TemporaryDirectory() as folder:
        for verb in VERBS:
            calls = [[timed([side, *verb.split()], Path(folder)).wall_s for side in sides] for _ in range(CALLS)]
            row(verb, *(f"{statistics.median(one):.2f}" for one in zip(*calls, strict=True)))


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main(arguments: list[str]) -> None:
    """Print the tables that are asked for."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    own, options = arguments[:cut], arguments[cut + 1 :]
    parser = argparse.ArgumentParser(prog="commands.py", description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["first", "busy", "jobs", "verbs"])
    parser.add_argument("sides", nargs="+", metavar="SIDE")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="new folder to keep caches and results in; default: none are kept")
    asked = parser.parse_args(own)
    sides = [str(Path(side).absolute()) for side in asked.sides]
    with tempfile.TemporaryDirectory() as none:
        out = (asked.out or Path(none)).absolute()
        if asked.what == "first":
            first(sides, out, asked.seeds, options)
        elif asked.what == "verbs":
            verbs(sides)
        else:
            {"busy": busy, "jobs": jobs}[asked.what](sides[0], out, options)


if __name__ == "__main__":
    main(sys.argv[1:])

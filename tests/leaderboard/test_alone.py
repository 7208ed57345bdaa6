"""The board can be installed alone: every action works where torch, MNE and what builds on them are not there."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest

PYPROJECT = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf8"))
#: packages that are imported by another name
MODULES = {"mne-bids": "mne_bids", "pillow": "PIL"}


def bounds(requirements: list[str]) -> dict[str, str]:
    """Return the version bound of each requirement by its package."""
    parts = (re.match(r"([\w-]+)(.*)", requirement) for requirement in requirements)
    return {part[1]: part[2] for part in parts if part}


ALL = bounds(PYPROJECT["project"]["dependencies"])
BOARD = bounds(PYPROJECT["dependency-groups"]["board"])
ABSENT = sorted(MODULES.get(name, name) for name in ALL.keys() - BOARD.keys())

#: code after which these cannot be imported; scipy asks `sys.modules` for torch, so they must not be there as None
NOT_FOUND = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""


@pytest.fixture
def alone(tmp_path):
    """Run a command in a folder and process of its own, in which packages beyond the group ``board`` are not found."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        script = f"{NOT_FOUND}\nfrom eeg2speech_bench.core.cli import main; sys.exit(main({list(arguments)!r}))"
        return subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


def test_the_group_board_has_the_bounds_of_the_whole_suite():
    assert {name: ALL.get(name) for name in BOARD} == BOARD


def test_the_group_board_brings_no_library_that_trains():
    assert {"torch", "torchaudio", "lightning", "mne", "braindecode", "diffusers", "transformers"} <= set(ABSENT)


@pytest.fixture
def results(tmp_path, cell):
    """Write two cells whose segments say where they were heard, so that they can be paired."""
    for encoder, shift in (("net", 0.0), ("ridge", 0.1)):
        folder = cell(tmp_path / "results", encoder, shift=shift).parents[1] / "cells"
        (file,) = folder.glob(f"{encoder}*/segments.parquet")
        table = pd.read_parquet(file)
        turn = table.groupby(["metric", "condition", "subject"]).cumcount()
        table.assign(recording=table["subject"], stimulus=0, start_s=3.0 * turn, block=turn).to_parquet(file)


@pytest.mark.parametrize(
    "arguments",
    [
        "leaderboard --pictures",
        "leaderboard build",
        "leaderboard compare net ridge --picture deltas.svg",
        "leaderboard validate results",
        "leaderboard merge results --results joined",
        "encoders",
    ],
)
def test_an_action_works_without_the_libraries_that_train(results, alone, arguments):
    done = alone(*arguments.split())
    assert (done.returncode, done.stderr) == (0, "")


def test_a_pulled_record_is_checked_without_the_libraries_that_train(tmp_path, cell, alone):
    cell(tmp_path / "results", "net")
    alone("leaderboard", "push", f"file://{tmp_path}/bucket")
    done = alone("leaderboard", "pull", f"file://{tmp_path}/bucket", "--results", "pulled")
    assert done.stdout.splitlines()[-1].startswith("1 new, 0 there already")


def test_where_the_board_is_alone_a_run_is_refused_with_what_to_install(alone):
    done = alone("run", "--encoder", "ridge")
    assert done.returncode == 2
    assert "Install the whole suite: pip install eeg2speech-bench" in done.stderr

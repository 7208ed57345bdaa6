"""The examples of the docs are short, and run as they stand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("plot_*.py"))


def run(example: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run an example as a reader would, in a folder of its own and without a window."""
    (path,) = (file for file in EXAMPLES if file.name.startswith(f"plot_{example}"))
    environment = os.environ | {"MPLBACKEND": "agg"}
    command = [sys.executable, str(path)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_there_are_four_examples():
    assert [path.name[:6] for path in EXAMPLES] == ["plot_1", "plot_2", "plot_3", "plot_4"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_has_at_most_forty_lines(path):
    assert len(path.read_text(encoding="utf8").splitlines()) <= 40


def test_the_example_that_reads_a_board_runs_on_any_board(tmp_path, cell):
    cell(tmp_path / "results", "net")
    cell(tmp_path / "results", "ridge", shift=0.1)
    done = run("3", tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("example", ["1", "2", "4"])
def test_an_example_that_trains_leaves_records_that_are_done(example, tmp_path):
    done = run(example, tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "results" / "records").glob("*.json"))) == {"1": 2, "2": 1, "4": 1}[example]

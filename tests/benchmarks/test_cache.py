"""The verb ``cache`` says what is kept and removes what is old."""

from __future__ import annotations

import argparse
import io
import os

import pytest
from rich.console import Console

from eeg2speech_bench.benchmarks.cache import size
from eeg2speech_bench.core.cli import main
from eeg2speech_bench.core.stages.checkpoints import StageCheckpoints
from eeg2speech_bench.core.stages.keys import KeyParts
from eeg2speech_bench.core.stages.stage_store import Stage, StageStore
from eeg2speech_bench.core.terminal.progress import StageProgress


@pytest.fixture
def cache(tmp_path):
    """Return a cache with one stage of 3 MB that was last used in 1970."""
    store = StageStore(tmp_path / "stages")
    stage = Stage(
        "align",
        KeyParts({}, {}, {}, {}, {}),
        lambda out, report: (out / "weights.pt").write_bytes(b"0" * 3_000_000),
        (),
        {"dataset": "made-up", "encoder": "ridge"},
    )
    path = store.ensure(stage, StageProgress(Console(file=io.StringIO()))).path
    os.utime(path / "stage.json", (0, 0))
    return tmp_path


def test_the_cache_is_shown_per_data_set_and_stage(cache, capsys):
    assert main(["cache", "--cache", str(cache)]) == 0
    shown = capsys.readouterr().out
    assert "made-up" in shown
    assert "3.0 MB" in shown
    assert "1 stages" in shown


def test_a_dry_run_removes_nothing(cache, capsys):
    assert main(["cache", "prune", "--older-than", "1", "--dry-run", "--cache", str(cache)]) == 0
    assert "Would remove align of ridge on made-up: 3.0 MB" in capsys.readouterr().out
    assert len(list((cache / "stages").glob("align-*/weights.pt"))) == 1


def test_old_stages_are_pruned(cache, capsys):
    assert main(["cache", "prune", "--older-than", "1", "--cache", str(cache)]) == 0
    assert "Removed 1 of 1 stages; the rest takes 0.0 MB" in capsys.readouterr().out
    assert not list((cache / "stages").glob("align-*/weights.pt"))


def test_checkpoints_of_stages_that_were_stopped_are_shown_and_pruned(cache, capsys):
    kept = cache / "stages" / ".checkpoints" / "diffuse-1"
    StageCheckpoints(kept, {"name": "diffuse", "subject": {"dataset": "made-up"}}, print).make_folder()
    (kept / "denoiser.pt").write_bytes(b"0" * 5_000_000)
    os.utime(kept, (0, 0))
    assert main(["cache", "--cache", str(cache)]) == 0
    assert "diffuse (unfinished)" in capsys.readouterr().out
    assert main(["cache", "prune", "--older-than", "1", "--cache", str(cache)]) == 0
    assert "Removed diffuse (unfinished) on made-up: 5.0 MB" in capsys.readouterr().out
    assert not kept.exists()


def test_pruning_without_a_limit_is_refused(cache, capsys):
    assert main(["cache", "prune", "--cache", str(cache)]) == 2
    assert "Add --older-than DAYS, --keep SIZE or both" in capsys.readouterr().err


def test_a_cache_that_is_not_there_is_said(tmp_path, capsys):
    assert main(["cache", "--cache", str(tmp_path / "none")]) == 0
    assert "No stages are kept" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "n_bytes"), [("500M", 500_000_000), ("1.5g", 1_500_000_000), ("7 kB", 7000), ("9", 9)]
)
def test_sizes_are_read_as_people_write_them(text, n_bytes):
    assert size(text) == n_bytes


def test_a_size_that_is_none_is_refused():
    with pytest.raises(argparse.ArgumentTypeError, match="expected a size such as 500M"):
        size("a lot")


@pytest.mark.parametrize("number", ["-1", "nan"])
def test_an_age_in_the_future_removes_nothing(cache, capsys, number):
    with pytest.raises(SystemExit, match="2"):
        main(["cache", "prune", "--older-than", number, "--cache", str(cache)])
    assert "expected a number of days from 0 on" in capsys.readouterr().err

"""Cells run in processes of their own: whatever a plugin does to its process, it costs its own row."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from eeg2speech_bench.core.records.record_store import RecordStore

INNOCENT = "ridge"


def numbers(results: Path, encoder: str) -> dict:
    (path,) = (results / "records").glob(f"{encoder}__*.json")
    record = json.loads(path.read_text())
    return {(m["name"], m["condition"]): (m["value"], m["low"], m["high"], m["per_subject"]) for m in record["metrics"]}


@pytest.fixture(scope="module")
def alone(bench, tmp_path_factory):
    """The numbers of an innocent row that ran before all others and by itself."""
    results = tmp_path_factory.mktemp("alone")
    done = bench.run("--encoder", INNOCENT, "--scores", "retrieval", "--results", str(results))
    assert done.returncode == 0, done.stdout + done.stderr
    return numbers(results, INNOCENT)


@pytest.fixture
def run_beside(bench, installed, tmp_path, monkeypatch):
    """Run encoders of the plugin, then the innocent row, which is fitted again."""

    def run(*encoders, options=()):
        monkeypatch.setenv("PYTHONPATH", str(installed))
        monkeypatch.setenv("EEG2SPEECH_BENCH_PLUGINS", "misbehaves")
        typed = [part for name in (*encoders, INNOCENT) for part in ("--encoder", name)]
        results = tmp_path / "results"
        for stage in (bench.folder / "cache" / "stages").glob("align-*/stage.json"):
            if json.loads(stage.read_text())["subject"].get("encoder") == INNOCENT:
                shutil.rmtree(stage.parent)
        done = bench.run(*typed, *options, "--scores", "retrieval", "--results", str(results))
        records = {record.cell.encoder: record for record in RecordStore(results).read_all()}
        return done, records, results

    return run


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ("exits-in-build", r"sys.exit(0) was called; a plugin should raise an error instead"),
        ("vanishes", "its process ended with exit code 0 and no record; a plugin may have called os._exit"),
        ("crashes", "its process was ended by SIGSEGV, a crash in native code"),
        ("is-killed", "its process was ended by SIGKILL, most likely for want of memory: it last used"),
    ],
)
def test_a_process_that_ends_is_a_failed_row_with_the_reason(run_beside, alone, encoder, message):
    done, records, results = run_beside(encoder)
    assert done.returncode == 1, done.stdout + done.stderr
    assert records[encoder].status == "failed"
    assert records[encoder].error.phase == "align"
    assert records[encoder].error.message.startswith(message)
    assert f"FAILED {encoder}: align: {message}" in done.stdout
    assert numbers(results, INNOCENT) == alone
    assert not (results / "running").exists()


@pytest.mark.parametrize("encoder", ["moves", "retypes", "reseeds", "lingers"])
def test_what_a_plugin_does_to_its_process_changes_no_other_row(run_beside, alone, encoder):
    done, records, results = run_beside(encoder)
    assert records[encoder].status == "done", done.stdout + done.stderr
    assert numbers(results, INNOCENT) == alone


def test_a_cell_that_takes_too_long_is_ended_with_the_reason(run_beside, alone):
    done, records, results = run_beside("hangs", options=("--time-limit", "0.3"))
    assert done.returncode == 1
    assert records["hangs"].error.text == "align: LimitExceeded: it took longer than 0.3 min (--time-limit)"
    assert numbers(results, INNOCENT) == alone


def test_a_cell_that_takes_too_much_memory_is_ended_with_the_reason(run_beside, alone):
    done, records, results = run_beside("grows", options=("--memory-limit", "2.5"))
    assert done.returncode == 1
    assert records["grows"].error.message.endswith("GB, more than 2.5 GB (--memory-limit)")
    assert numbers(results, INNOCENT) == alone

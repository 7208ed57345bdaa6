"""A record is enough to repeat its cell: every number comes out again, and what differs is said before training."""

from __future__ import annotations

import json

import pytest

from eeg2speech_bench.core.records.record_store import RecordStore


@pytest.fixture(scope="module")
def path(prepared_bench):
    done = prepared_bench.run("--encoder", "ridge", "--scores", "retrieval")
    assert done.returncode == 0, done.stderr + done.stdout
    store = RecordStore(prepared_bench.folder / "results")
    return store.path(store.read_all()[0].cell.id)


def rerun(bench, *arguments: str) -> tuple[int, str]:
    process = bench.start(*arguments, "--results", str(bench.folder / "again"), verb="rerun")
    output, errors = process.communicate(timeout=240)
    return process.returncode, output + errors


@pytest.mark.slow
def test_every_number_comes_out_again_from_scratch(bench, path):
    code, said = rerun(bench, str(path))
    assert code == 0, said
    assert " numbers are equal within 1e-06" in said
    assert "DIFFERENT" not in said
    assert "align        done in" in said
    (again,) = RecordStore(bench.folder / "again").read_all()
    assert again.metrics == RecordStore(bench.folder / "results").read_all()[0].metrics


def test_another_source_is_refused_before_anything_runs(bench, path):
    record = json.loads(path.read_text())
    record["encoder"]["source_hash"] = "0" * 16
    changed = bench.folder / "changed.json"
    changed.write_text(json.dumps(record))
    code, said = rerun(bench, str(changed))
    assert code == 1
    assert f"encoder source_hash: {'0' * 16} in the record" in said
    assert "prepare ..." not in said

"""Records: written and read back whole; anything else is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.records import record as records
from eeg2speech_bench.core.records.record import Record, read_record
from eeg2speech_bench.core.records.record_store import RecordStore


def record() -> Record:
    cell = {"id": "net__simulated__quick__seed0__0", "encoder": "net", "dataset": "simulated", "seed": 0}
    entry = {"name": "top1", "condition": "eeg", "value": 0.5}
    return Record(cell, "done", {"preset": "quick"}, metrics=[entry], provenance={"attempts": 1})


def test_a_record_reads_back_as_it_was_written(tmp_path):
    path = RecordStore(tmp_path).write(record())
    assert read_record(path) == record()
    assert RecordStore(tmp_path).read_all() == [record()]


def test_a_metric_is_found_by_name_and_condition():
    assert record().metric("top1")["value"] == 0.5
    assert record().metric("top1", "shuffle") is None


def test_a_record_of_before_there_were_sets_has_none(tmp_path):
    path = RecordStore(tmp_path).write(record())
    tree = json.loads(path.read_text())
    del tree["sets"]
    path.write_text(json.dumps(tree))
    assert read_record(path).sets == []


def test_equal_runs_differ_in_provenance_alone():
    again = record()
    again.provenance["attempts"] = 2
    assert again.semantic() == record().semantic()
    again.metrics[0]["value"] = 0.6
    assert again.semantic() != record().semantic()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"),
        ("[]", "unknown schema: got list"),
        ('{"schema": 99}', "unknown schema: got 99, expected 1"),
        ('{"schema": 1, "surprise": 0}', "unexpected fields"),
        ('{"schema": 1, "cell": NaN}', "NaN is not a number of JSON"),
        ('{"schema": 1, "cell": -Infinity}', "-Infinity is not a number of JSON"),
        ('{"schema": 1, "cell": 1e999}', "1e999 is not finite"),
        ('{"schema": 1, "schema": 1}', "a key is there twice"),
        ("[" * 100_000, "RecursionError"),
        ("9" * 5000, "cannot be read: got ValueError"),
    ],
)
def test_a_file_that_is_no_record_is_refused(tmp_path, text, said):
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(StorageError, match=said):
        read_record(path)


def test_a_file_that_is_too_large_is_refused_unread(tmp_path, monkeypatch):
    (tmp_path / "r.json").write_bytes(b" " * (records.MAX_RECORD_BYTES + 1))
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(StorageError, match="is too large: got 5000001 bytes, expected <= 5000000"):
        read_record(tmp_path / "r.json")


def test_a_folder_in_place_of_a_record_is_refused(tmp_path):
    with pytest.raises(StorageError, match="is not a file"):
        read_record(tmp_path)


def test_a_record_with_nan_is_refused_when_it_is_written(tmp_path):
    bad = record()
    bad.metrics[0]["value"] = float("nan")
    with pytest.raises(ValueError, match="not JSON compliant"):
        RecordStore(tmp_path).write(bad)
    assert not list(tmp_path.rglob("*.json"))


def test_a_record_is_plain_json(tmp_path):
    path = RecordStore(tmp_path).write(record())
    assert json.loads(path.read_text())["cell"]["encoder"] == "net"

"""Records: written and read back whole; anything else is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.records import record as records
from eeg2speech_bench.core.records.metrics import Metric
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore

FIXTURES = Path(__file__).parent / "fixtures"


def test_a_record_reads_back_as_it_was_written(tmp_path, done):
    path = RecordStore(tmp_path).write(done)
    assert Record.read(path) == done
    assert RecordStore(tmp_path).read_all() == [done]


def test_a_metric_is_found_by_name_and_condition(done):
    assert done.metric("top1").value == 0.2
    assert done.metric("top1", "shuffle") is None


def test_a_metric_is_called_by_its_label_and_else_by_its_name(metric):
    assert Metric(**metric).title == "top1"
    assert Metric(**metric, label="top-1").title == "top-1"


def test_a_record_of_before_there_were_sets_has_none(tmp_path, done):
    path = RecordStore(tmp_path).write(done)
    tree = json.loads(path.read_text())
    del tree["sets"]
    path.write_text(json.dumps(tree))
    assert Record.read(path).sets == []


def test_equal_runs_differ_in_provenance_alone(done):
    again = done.model_copy(deep=True)
    again.provenance.attempts = 2
    assert again.semantic() == done.semantic()
    again.metrics[0].value = 0.25
    assert again.semantic() != done.semantic()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"),
        ("[]", "unknown schema: got list"),
        ('{"schema": 99}', "unknown schema: got 99, expected 1"),
        ('{"schema": 1, "cell": NaN}', "NaN is not a number of JSON"),
        ('{"schema": 1, "cell": -Infinity}', "-Infinity is not a number of JSON"),
        ('{"schema": 1, "cell": 1e999}', "1e999 is not finite"),
        ('{"schema": 1, "schema": 1}', "a key is there twice"),
        ("[" * 100_000, "RecursionError"),
        ("9" * 5000, "cannot be read: got ValueError"),
        ("\xff", "cannot be read: got UnicodeDecodeError"),
    ],
)
def test_a_file_that_is_no_record_is_refused(tmp_path, text, said):
    path = tmp_path / "r.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(StorageError, match=said):
        Record.read(path)


@pytest.mark.parametrize(
    ("place", "text", "said"),
    [
        ('"seed": 0', '"seed": 0, "seed": 1', "a key is there twice"),
        ('"seed": 0', '"seed": 0, "dropped\\u0022:": 1, "dropped\\u0022:": 1', "a key is there twice"),
        ('"seed": 0', '"seed": 0, "note": 1, "note": 1', "a key is there twice"),
        ('"seed": 0', '"seed": 0, "extra": 1e999', "1e999 is not finite"),
        ('"seed": 0', '"seed": 0, "extra": NaN', "NaN is not a number of JSON"),
        ('"preset": "quick"\n', '"preset": "quick", "scores": {"alpha": 1e999}\n', "1e999 is not finite"),
        ('"hash": ', '"extra": 1e999, "hash": ', "1e999 is not finite"),
        ('"01": 0.2', '"01": 0.2, "01": 0.2', "a key is there twice"),
    ],
)
def test_what_a_fast_parser_passes_over_is_refused_in_an_otherwise_valid_record(tmp_path, done, place, text, said):
    path = RecordStore(tmp_path).write(done)
    content = path.read_text()
    assert place in content
    path.write_text(content.replace(place, text, 1))
    with pytest.raises(StorageError, match=said):
        Record.read(path)


def test_a_file_that_is_too_large_is_refused_unread(tmp_path, monkeypatch):
    (tmp_path / "r.json").write_bytes(b" " * (records.MAX_RECORD_BYTES + 1))
    monkeypatch.setattr(Path, "read_bytes", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(StorageError, match="is too large: got 5000001 bytes, expected <= 5000000"):
        Record.read(tmp_path / "r.json")


def test_a_folder_in_place_of_a_record_is_refused(tmp_path):
    with pytest.raises(StorageError, match="is not a file"):
        Record.read(tmp_path)


def test_a_record_with_nan_is_refused_when_it_is_written(tmp_path, done):
    done.metrics[0].value = float("nan")
    with pytest.raises(ValueError, match="not JSON compliant"):
        RecordStore(tmp_path).write(done)
    assert not list(tmp_path.rglob("*.json"))


def test_a_metric_that_is_not_a_number_cannot_be_made(metric):
    with pytest.raises(ValidationError, match="finite number"):
        Metric(**metric | {"value": float("nan")})


def test_a_record_is_plain_json_with_a_line_for_every_metric(tmp_path, done):
    text = RecordStore(tmp_path).write(done).read_text()
    assert json.loads(text)["cell"]["encoder"] == "net"
    (line,) = [line for line in text.splitlines() if '"top1"' in line]
    assert json.loads(line)["value"] == 0.2


def test_what_a_newer_version_adds_to_a_part_is_kept(tmp_path, failed):
    path = tmp_path / "r.json"
    path.write_text(json.dumps(failed(provenance={"attempts": 2, "mood": "good"}, split={"colour": "red"})))
    tree = json.loads(RecordStore(tmp_path).write(Record.read(path)).read_text())
    assert tree["provenance"]["mood"] == "good"
    assert tree["split"]["colour"] == "red"


def test_a_section_of_a_newer_version_is_refused(tmp_path, failed):
    (tmp_path / "r.json").write_text(json.dumps(failed(surprise=1)))
    with pytest.raises(StorageError, match="surprise: Extra inputs are not permitted"):
        Record.read(tmp_path / "r.json")


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.json")), ids=lambda path: path.name.split("__")[0])
def test_a_record_of_the_first_version_reads_and_is_written_again_as_it_was(tmp_path, path):
    record = Record.read(path)
    assert Record.read(RecordStore(tmp_path).write(record)) == record


def test_what_a_record_of_the_first_version_says_is_found():
    record = Record.read(FIXTURES / "brainmagick__simulated__quick__seed0__54b3d88b.json")
    top1 = record.metric("top1")
    assert (top1.value, top1.n_pool, top1.title) == (0.6298076923076925, 78, "top1")
    assert record.metric("identification", "shuffle").per_subject.keys() == top1.per_subject.keys()
    assert record.alignment.n_encoder_parameters == 155096
    assert record.verdict["top1"].distinguishable
    assert record.split.evidence.seconds["train"] == 684.685
    assert record.settings.alignment.batch_size == 64
    assert [stage.name for stage in record.stages][:3] == ["prepare", "features", "autoencoder"]


def test_a_closed_form_of_the_first_version_has_no_steps():
    record = Record.read(FIXTURES / "ridge__dtu__quick__seed0__a45619c6.json")
    assert record.alignment.method == "closed form"
    assert record.alignment.n_steps is None
    assert record.encoder.baseline

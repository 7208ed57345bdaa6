"""A rerun compares number by number, and refuses what cannot give the same ones."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from eeg2speech_bench.benchmarks import rerun
from eeg2speech_bench.benchmarks.rerun import compare, differences
from eeg2speech_bench.core.errors import BenchError, StorageError, UsageError
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.segments.prepared import Prepared


def entry(name: str, value: float) -> dict:
    return {
        "name": name,
        "version": 1,
        "condition": "eeg",
        "value": value,
        "low": value,
        "high": value,
        "confidence": 0.95,
        "n": 4,
        "n_pool": 4,
        "chance": None,
        "unit": "",
        "higher_is_better": True,
        "per_subject": {"01": value},
    }


def record(top1: float = 0.5, **changes) -> Record:
    cell = {"id": "net__d", "encoder": "net", "dataset": "d", "dataset_argument": "d", "preset": "quick", "seed": 0}
    tree = {
        "cell": cell,
        "status": "done",
        "config": {"preset": "quick"},
        "encoder": {"name": "net", "distribution": "x", "version": "1", "source_hash": "aa"},
        "metrics": [entry("top1", top1), entry("mrr", 0.25)],
        "dataset": {"name": "d", "revision": "r", "n_subjects": 1},
        "target": {"name": "mel"},
        "split": {"hash": "5c" * 32},
        "files": {"segments": "s"},
        "provenance": {"packages": {"torch": "2.11.0"}},
    }
    return Record(**tree | changes)


@pytest.mark.parametrize(
    ("repeated", "tolerance", "equal"),
    [(0.5, 0.0, True), (0.5 + 4e-7, 1e-6, True), (0.51, 1e-6, False), (0.51, 0.05, True)],
)
def test_numbers_are_equal_up_to_the_tolerance(repeated, tolerance, equal):
    first, second = compare(record(), record(repeated), tolerance)
    assert first.equal is equal
    assert second.equal


def test_a_metric_that_is_missing_on_one_side_is_different():
    fewer = record(metrics=[entry("top1", 0.5)])
    assert [one.equal for one in compare(record(), fewer, 1.0)] == [True, False]
    assert [one.equal for one in compare(fewer, record(), 1.0)] == [True, False]


def test_what_is_the_same_has_no_differences():
    assert differences(record(), record(metrics=[]), {"top1": 1, "mrr": 1}) == []


def test_every_difference_is_said_with_both_sides():
    encoder = record().encoder.model_copy(update={"version": "2", "source_hash": "bb"})
    now = record(encoder=encoder, dataset={"name": "d", "revision": "s"})
    assert differences(record(), now, {"top1": 2, "mrr": 1}) == [
        "encoder version: 1 in the record, 2 here",
        "encoder source_hash: aa in the record, bb here",
        "data set revision: r in the record, s here",
        "metric top1 version: 1 in the record, 2 here",
    ]


class Machine:
    """Stands for runner and pipeline: says what is here, and what a run would give."""

    def __init__(self, folder: Path, here: Record, again: Record, prepared: Prepared) -> None:
        self.here, self.again, self.trained = here, again, False
        self.stages = SimpleNamespace(root=folder / "stages")
        self.metrics = [SimpleNamespace(name=name, version=1) for name in ("top1", "mrr")]
        self.prepare = "prepare"
        self.stages.root.mkdir(exist_ok=True)
        self._described = prepared.model_copy(update={"split": here.split})

    def prepared(self) -> Prepared:
        return self._described

    def run_stage(self, stage: str) -> None:
        assert stage == "prepare"

    def new_record(self, pipeline: object) -> Record:
        return self.here

    def run(self, pipeline: object) -> Record:
        self.trained = True
        return self.again


@pytest.fixture
def repeat(tmp_path, monkeypatch, store):
    """Repeat the record on a machine; returns exit code and machine."""

    def call(*options: str, here: Record | None = None, again: Record | None = None) -> tuple[int, Machine]:
        path = RecordStore(tmp_path / "results").write(record())
        folder = tmp_path / "machine"
        folder.mkdir(exist_ok=True)
        call.machine = machine = Machine(folder, here or record(), again or record(), store.meta)
        monkeypatch.setattr(rerun, "_prepare", lambda *_: (machine, machine))
        parser = argparse.ArgumentParser()
        rerun.configure(parser)
        arguments = parser.parse_args([str(path), "--results", str(tmp_path / "again"), *options])
        return rerun.run(arguments, None), machine

    return call


def test_equal_numbers_end_well_and_the_stages_go(repeat, capsys):
    code, machine = repeat()
    assert code == 0
    assert not machine.stages.root.exists()
    assert "2 of 2 numbers are equal within 1e-06" in capsys.readouterr().out


def test_a_number_that_differs_is_marked_and_fails(repeat, capsys):
    code, _ = repeat(again=record(0.75, provenance={"packages": {"torch": "2.12.0"}}))
    assert code == 1
    shown = capsys.readouterr().out
    line = next(line for line in shown.splitlines() if line.startswith("top1"))
    assert line.split() == ["top1", "eeg", "0.5", "0.75", "+0.25", "DIFFERENT"]
    assert "Another version: torch 2.11.0 in the record, 2.12.0 here" in shown


def test_a_cell_that_fails_this_time_fails_and_keeps_its_stages(repeat):
    code, machine = repeat(again=record(status="failed"))
    assert code == 1
    assert machine.stages.root.exists()


@pytest.mark.parametrize(
    ("here", "said"),
    [
        (
            {"encoder": record().encoder.model_copy(update={"source_hash": "bb"})},
            "encoder source_hash: aa in the record, bb here",
        ),
        ({"split": {"hash": "ee" * 32}}, "split hash: 5c5c5c5c5c5c5c5c in the record, eeeeeeeeeeeeeeee here"),
    ],
)
def test_another_plugin_or_split_is_refused_before_training_unless_asked_for(repeat, capsys, here, said):
    with pytest.raises(BenchError, match=rf"This is not what .*{said}.*add --anyway"):
        repeat(here=record(**here))
    assert not repeat.machine.trained
    assert repeat("--anyway", here=record(**here))[0] == 0
    assert f"Not the same: {said}" in capsys.readouterr().out


def verb(*typed: str) -> int:
    parser = argparse.ArgumentParser()
    rerun.configure(parser)
    return rerun.run(parser.parse_args(typed), None)


def test_a_record_without_numbers_cannot_be_repeated(tmp_path):
    error = {"phase": "align", "type": "E", "message": "no"}
    path = RecordStore(tmp_path).write(record(status="failed", error=error))
    with pytest.raises(UsageError, match="has no numbers to repeat: got failed, expected done"):
        verb(str(path))


def test_the_record_itself_is_not_overwritten(tmp_path):
    path = RecordStore(tmp_path).write(record())
    with pytest.raises(UsageError, match=r"would overwrite .*Give another folder with --results"):
        verb(str(path), "--results", str(tmp_path))


def test_a_record_that_breaks_the_schema_is_not_run(tmp_path):
    tree = record().tree()
    tree["cell"]["seed"] = "0; rm"
    (tmp_path / "r.json").write_text(json.dumps(tree))
    with pytest.raises(StorageError, match=r"is not valid: got cell\.seed"):
        verb(str(tmp_path / "r.json"))

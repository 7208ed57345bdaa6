"""Cells: stage after stage, one record each, and whatever ends an attempt costs no finished record."""

from __future__ import annotations

import io
import json
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from eeg2speech_bench.benchmarks import runner as module
from eeg2speech_bench.benchmarks.cells import Cell
from eeg2speech_bench.benchmarks.runner import Runner
from eeg2speech_bench.core.presets.config import load_config
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.segments.prepared import Prepared
from eeg2speech_bench.core.stages.keys import KeyParts
from eeg2speech_bench.core.stages.stage_store import Stage, StageStore
from eeg2speech_bench.core.terminal.interruption import stoppable
from eeg2speech_bench.core.terminal.progress import OutputClosed

NAMES = ("prepare", "features", "align", "score")
#: what a plugin does wrong, by stage
Fault = Callable[[], None]


def entry(value: float) -> dict[str, object]:
    interval = {"value": value, "low": value, "high": value, "confidence": 0.95, "per_subject": {"01": value}}
    kind = {"name": "top1", "version": 1, "condition": "eeg", "unit": "", "higher_is_better": True}
    return kind | interval | {"n": 1, "n_pool": 10, "chance": 0.1}


class Bench:
    """A results folder, a cache, and cells of four stages that take no time."""

    def __init__(self, folder: Path, meta: dict) -> None:
        self.folder, self.meta, self.registry, self.ran = folder, meta, load_registry(), []
        self.records = RecordStore(folder / "results")
        self.said = io.StringIO()
        self.runner = self.again()

    def again(self) -> Runner:
        """Return the runner of a new command."""
        console = Console(file=self.said, width=500)
        self.runner = Runner(
            self.registry, StageStore(self.folder / "cache"), self.records, console, keeps_models=False
        )
        return self.runner

    def lose_cache(self) -> None:
        self.folder.joinpath("cache").rename(self.folder / f"lost{len(list(self.folder.iterdir()))}")
        self.again()

    def cell(self, value: float = 0.5, seed: int = 0, **faults: Fault) -> SimpleNamespace:
        """Return a pipeline whose score is ``value``, and whose stages raise as ``faults`` do."""
        contents = {
            "prepare": {"meta.json": self.meta},
            "features": {},
            "align": {"training.json": {}},
            "score": {
                "scores.json": {"metrics": [entry(value)], "sets": [], "tests": [], "verdict": {}, "skipped": {}},
                "segments.parquet": value,
            },
        }

        def run(name: str, out: Path, progress: object) -> None:
            self.ran.append(name)
            faults.get(name, lambda: None)()
            for file, content in contents[name].items():
                (out / file).write_text(json.dumps(content))

        stages: list[Stage] = []
        for name in NAMES:
            inputs = tuple(stages[-1:])
            settings = {"value": value if name == "score" else 0}
            parts = KeyParts(settings, {one.name: one.key for one in inputs}, {}, {}, {})
            stages.append(Stage(name, parts, partial(run, name), inputs))
        return SimpleNamespace(
            cell=Cell("ridge", "simulated", "simulated", "r", seed, load_config("quick")),
            encoder=self.registry.get("encoder", "ridge"),
            encoder_options={},
            target=self.registry.get("target", "mel"),
            target_options={},
            dataset=SimpleNamespace(name="simulated", revision="r", about="", is_null=False),
            device="cpu",
            precision="float32",
            generates=False,
            skipped=dict,
            stages=lambda: stages,
            place=self.runner.stages.place,
            prepared=lambda: Prepared.read(self.runner.stages.place(stages[0])),
            calibrate=None,
            **dict(zip(NAMES, stages, strict=True)),
        )

    def written(self, seed: int = 0) -> dict:
        """Return the record that stands, as it lies on the disk."""
        return json.loads(self.records.path(self.cell(seed=seed).cell.id).read_text())

    def attempt(self) -> dict:
        return json.loads(self.records.attempt_path(self.cell().cell.id).read_text())

    def beside(self) -> float:
        """Return the value in the file that lies beside the record."""
        return json.loads((self.records.cell_folder(self.cell().cell.id) / "segments.parquet").read_text())


@pytest.fixture
def bench(tmp_path, monkeypatch, store) -> Bench:
    monkeypatch.setattr(module, "_draw_report", lambda record, pipeline, out: out.mkdir())
    meta = Prepared.read(store.path).model_dump(mode="json")
    return Bench(tmp_path / "bench", meta)


def fault(error: BaseException) -> Fault:
    def call() -> None:
        raise error

    return call


def test_stages_run_in_order_and_the_record_has_their_numbers(bench):
    record = bench.runner.run(bench.cell())
    assert record.status == "done"
    assert bench.ran == list(NAMES)
    written = bench.written()
    assert (written["status"], written["error"], written["metrics"][0]["value"]) == ("done", None, 0.5)
    assert [stage["name"] for stage in written["provenance"]["stages"]] == list(NAMES)
    assert bench.beside() == 0.5


def test_a_record_is_not_done_before_it_is_complete(bench):
    assert bench.runner.new_record(bench.cell()).status == "interrupted"


def test_what_has_run_is_reused_and_attempts_are_counted(bench):
    for _ in range(3):
        bench.again().run(bench.cell())
    assert bench.ran == list(NAMES)
    assert bench.written()["provenance"]["attempts"] == 3


def test_a_failed_stage_is_not_tried_again_for_a_second_cell(bench):
    faults = {"align": fault(RuntimeError("no"))}
    statuses = [bench.runner.run(bench.cell(seed=seed, **faults)).status for seed in (0, 1)]
    assert statuses == ["failed", "failed"]
    assert bench.ran == ["prepare", "features", "align"]
    assert bench.written(seed=1)["error"]["message"] == "no"


def test_the_next_command_tries_a_failed_stage_again(bench):
    bench.runner.run(bench.cell(align=fault(RuntimeError("no"))))
    assert bench.again().run(bench.cell()).status == "done"
    assert bench.ran == ["prepare", "features", "align", "align", "score"]


@pytest.mark.parametrize("code", [0, 3, None, "bye"])
def test_a_plugin_that_ends_the_process_fails_its_own_cell(bench, code):
    first = bench.runner.run(bench.cell(align=partial(sys.exit, code)))
    assert (first.status, bench.written()["error"]["type"]) == ("failed", "SystemExit")
    assert f"FAILED ridge: align: sys.exit({code!r}) was called" in bench.said.getvalue()


def test_an_error_of_a_kind_of_its_own_fails_its_cell_too(bench):
    class Odd(BaseException):
        pass

    assert bench.runner.run(bench.cell(align=fault(Odd("odd")))).status == "failed"
    assert bench.written()["error"]["message"] == "odd"


def test_a_stop_is_recorded_with_its_stage_and_ends_the_run(bench):
    with pytest.raises(KeyboardInterrupt):
        bench.runner.run(bench.cell(align=fault(KeyboardInterrupt())))
    written = bench.written()
    assert (written["status"], written["error"]["phase"]) == ("interrupted", "align")
    assert bench.again().run(bench.cell()).status == "done"
    assert bench.ran == ["prepare", "features", "align", "align", "score"]


def test_a_stop_is_no_failure_of_its_stage(bench):
    with pytest.raises(KeyboardInterrupt):
        bench.runner.run(bench.cell(align=fault(KeyboardInterrupt())))
    assert bench.runner.failed_stages == {}


def test_a_reader_that_goes_away_stops_the_run_and_fails_nothing(bench):
    with pytest.raises(OutputClosed):
        bench.runner.run(bench.cell(align=fault(OutputClosed())))
    assert bench.written()["status"] == "interrupted"


def test_a_broken_pipe_of_a_plugin_is_its_failure(bench):
    assert bench.runner.run(bench.cell(align=fault(BrokenPipeError()))).status == "failed"


@pytest.mark.parametrize("end", [KeyboardInterrupt(), RuntimeError("no"), SystemExit(0)])
def test_a_finished_record_is_not_lost_to_an_attempt_over_a_lost_cache(bench, end):
    bench.runner.run(bench.cell())
    before = bench.written()
    bench.lose_cache()
    try:
        bench.runner.run(bench.cell(align=fault(end)))
    except KeyboardInterrupt:
        assert isinstance(end, KeyboardInterrupt)
    assert bench.written() == before
    assert bench.beside() == 0.5
    assert bench.attempt()["error"]["type"] == type(end).__name__
    assert bench.attempt()["provenance"]["attempts"] == 2


def test_the_user_is_told_that_the_finished_record_stays(bench):
    bench.runner.run(bench.cell())
    bench.lose_cache()
    bench.runner.run(bench.cell(align=fault(RuntimeError("no"))))
    path = bench.records.attempt_path(bench.cell().cell.id)
    assert f"The finished record of this cell is kept; {path} describes this attempt." in bench.said.getvalue()


def test_an_attempt_that_finishes_counts_those_before_and_takes_their_place(bench):
    bench.runner.run(bench.cell())
    bench.lose_cache()
    bench.runner.run(bench.cell(align=fault(RuntimeError("no"))))
    bench.again().run(bench.cell(value=0.75))
    assert bench.written()["provenance"]["attempts"] == 3
    assert (bench.written()["metrics"][0]["value"], bench.beside()) == (0.75, 0.75)
    assert not bench.records.attempt_path(bench.cell().cell.id).exists()


@pytest.mark.parametrize("end", [KeyboardInterrupt(), SystemExit(1)])
def test_what_ends_the_writing_of_files_leaves_the_old_record_with_its_files(bench, monkeypatch, end):
    bench.runner.run(bench.cell())
    monkeypatch.setattr(module, "_draw_report", lambda *_: fault(end)())
    try:
        bench.again().run(bench.cell(value=0.75))
    except KeyboardInterrupt:
        assert isinstance(end, KeyboardInterrupt)
    assert (bench.written()["metrics"][0]["value"], bench.beside()) == (0.5, 0.5)
    assert bench.attempt()["error"]["phase"] == "record"


def test_a_stop_while_a_finished_record_is_put_in_place_comes_after_it(bench, monkeypatch):
    publish = bench.records.publish

    def disturbed(record: object, files: Path) -> None:
        signal.raise_signal(signal.SIGINT)
        publish(record, files)

    monkeypatch.setattr(bench.records, "publish", disturbed)
    with pytest.raises(KeyboardInterrupt), stoppable():
        bench.runner.run(bench.cell())
    assert (bench.written()["status"], bench.beside()) == ("done", 0.5)
    assert not (bench.records.results / "attempts").exists()


def test_a_second_stop_while_the_first_is_recorded_tears_nothing(bench, monkeypatch):
    write = bench.records.write

    def disturbed(record: object) -> Path:
        signal.raise_signal(signal.SIGINT)
        return write(record)

    monkeypatch.setattr(bench.records, "write", disturbed)
    with pytest.raises(KeyboardInterrupt), stoppable():
        bench.runner.run(bench.cell(align=partial(signal.raise_signal, signal.SIGINT)))
    assert bench.written()["error"]["phase"] == "align"


def test_pictures_that_cannot_be_drawn_cost_themselves_alone(bench, monkeypatch):
    monkeypatch.setattr(module, "_draw_report", lambda *_: fault(ValueError("no\nroom"))())
    record = bench.runner.run(bench.cell())
    assert (record.status, bench.written()["skipped"]["report"]) == ("done", "ValueError: no room")


def test_a_message_of_any_length_makes_a_record_that_can_be_read(bench):
    bench.runner.run(bench.cell(align=fault(RuntimeError("x" * 12_000_000 + "\ud800"))))
    written = bench.records.path(bench.cell().cell.id)
    assert written.stat().st_size < 200_000
    assert Record.from_json(written.read_bytes(), str(written)).error.message.endswith("... (12,000,001 characters)")


def test_an_error_that_cannot_say_what_it_is_fails_its_cell_all_the_same(bench):
    class SilentError(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert bench.runner.run(bench.cell(align=fault(SilentError()))).status == "failed"
    assert module.describe_error("align", SilentError()).message == "its message cannot be had: ValueError"

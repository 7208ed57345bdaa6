"""Runs cells: stage by stage, one record each; what fails costs its own cell and nothing else."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock
from rich.console import Console

from eeg2speech_bench.benchmarks.cells import Cell
from eeg2speech_bench.benchmarks.pipeline import Pipeline, plugin_code
from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.machine import environment
from eeg2speech_bench.core.records.record import Record, read_record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.registry.specs import Spec
from eeg2speech_bench.core.segments.prepared import Prepared
from eeg2speech_bench.core.stages.source_code import source_hash
from eeg2speech_bench.core.stages.stage_store import Stage, StageResult, StageStore, explained
from eeg2speech_bench.core.terminal.progress import StageProgress

TRACEBACK_LINES = 30


@dataclass
class Runner:
    """Runs cells over one stage store and one results folder.

    Attributes
    ----------
    failed_stages : dict
        Errors of stages that failed in this run, so that no second cell repeats one in vain.
    """

    registry: Registry
    stages: StageStore
    records: RecordStore
    console: Console
    failed_stages: dict[str, BaseException] = field(default_factory=dict)

    def run(self, pipeline: Pipeline) -> Record:
        """Run one cell and write its record.

        Raises
        ------
        KeyboardInterrupt
            If the user stopped it; the record says so and finished stages are kept.
        """
        record = self.new_record(pipeline)
        results: list[StageResult] = []
        phase = "plan"
        try:
            for stage in pipeline.stages():
                phase = stage.name
                results.append(self.run_stage(stage))
            phase = "record"
            self._complete(record, pipeline)
        except KeyboardInterrupt:
            record.status = "interrupted"
            record.error = {"phase": phase, "type": "KeyboardInterrupt", "message": "stopped by the user"}
            raise
        except Exception as error:
            record.status = "failed"
            record.error = _describe_error(phase, error)
            self.console.print(f"FAILED {pipeline.cell.encoder}: {phase}: {error}", markup=False, highlight=False)
        finally:
            record.provenance["stages"] = [_describe_stage(result) for result in results]
            record.provenance["finished"] = _now()
            self.records.write(record)
        return record

    def run_stage(self, stage: Stage) -> StageResult:
        """Run one stage, or find it, and say so; a stage that failed in this run is not tried again."""
        if stage.key in self.failed_stages:
            raise self.failed_stages[stage.key]
        progress = StageProgress(self.console)
        started = time.monotonic()
        try:
            with progress.stage(stage.name):
                result = self.stages.ensure(stage, progress)
        except Exception as error:
            self.failed_stages[stage.key] = error
            raise
        if result.cached:
            line = f"  {stage.name:<12} reused    (took {result.seconds:.0f} s when it ran)"
        else:
            took = time.monotonic() - started
            line = f"  {stage.name:<12} done in {took:5.1f} s, peak memory {result.peak_memory_mb / 1000:.1f} GB"
        self.console.print(line, markup=False, highlight=False)
        return result

    def new_record(self, pipeline: Pipeline) -> Record:
        """Return the record of a cell before it has run: what it is, and what it runs with."""
        cell, spec = pipeline.cell, pipeline.encoder
        origin = self.registry.provenance("encoder", spec.name)
        return Record(
            cell=cell.describe(),
            status="done",
            config=cell.config.model_dump(mode="json"),
            encoder={
                "name": spec.name,
                "distribution": origin.distribution,
                "version": origin.version,
                "target": spec.target,
                "source_hash": _source_hash(spec),
                "licence": spec.licence,
                "citation": spec.citation,
                "modality": spec.modality,
                "baseline": spec.baseline or cell.is_twin,
                "ceiling": spec.ceiling,
                "own_settings": dict(spec.alignment),
                "options": pipeline.encoder_options,
            },
            target={"name": pipeline.target.name, "options": pipeline.target_options},
            dataset={name: getattr(pipeline.dataset, name) for name in ("name", "revision", "about", "is_null")},
            skipped=pipeline.skipped(),
            provenance={
                "started": _now(),
                "attempts": self._attempts(cell),
                "command": environment.command_line(),
                "packages": environment.package_versions(),
                "git": environment.git_state(),
                "hardware": environment.hardware(),
                "device": pipeline.device,
                "precision": pipeline.precision,
            },
        )

    def _attempts(self, cell: Cell) -> int:
        try:
            return 1 + int(read_record(self.records.path(cell.id)).provenance.get("attempts", 0))
        except BenchError:
            return 1

    def _complete(self, record: Record, pipeline: Pipeline) -> None:
        """Fill the record from the stages' results and put audio and per-segment values beside it."""
        prepared = Prepared.read(pipeline.place(pipeline.prepare))
        record.dataset |= {
            "n_subjects": len(prepared.subjects),
            "n_stimuli": len(prepared.stimuli),
            "n_segments": prepared.n_segments,
            "sound": prepared.sound.kind,
            "skipped_recordings": [skipped.model_dump() for skipped in prepared.dataset.skipped],
        }
        record.split = prepared.split.model_dump()
        trained = [pipeline.align] + ([pipeline.autoencoder, pipeline.diffuse] if pipeline.generates else [])
        for stage in trained:
            record.training[stage.name] = json.loads((pipeline.place(stage) / "training.json").read_text("utf8"))
        scores = json.loads((pipeline.place(pipeline.score) / "scores.json").read_text(encoding="utf8"))
        record.skipped |= {f"metric {name}": reason for name, reason in scores["skipped"].items()}
        record.metrics, record.sets = scores["metrics"], scores["sets"]
        record.tests, record.verdict = scores["tests"], scores["verdict"]
        record.files = self._write_files(record, pipeline)

    def _write_files(self, record: Record, pipeline: Pipeline) -> dict[str, str]:
        folder = self.records.cell_folder(pipeline.cell.id)
        folder.parent.mkdir(parents=True, exist_ok=True)
        # two runs of one cell must not write its files at the same time
        with explained(self.records.results), FileLock(folder.with_name(f".{folder.name}.lock")):
            folder.mkdir(exist_ok=True)
            shutil.copyfile(pipeline.place(pipeline.score) / "segments.parquet", folder / "segments.parquet")
            files = {"segments": f"cells/{folder.name}/segments.parquet"}
            if pipeline.generates:
                from eeg2speech_bench.benchmarks.inputs.audio_files import write_audio

                write_audio(map(pipeline.place, (pipeline.ceilings, pipeline.generate)), folder / "audio")
                files["audio"] = f"cells/{folder.name}/audio"
            try:
                _draw_report(record, pipeline, folder / "report")
                files["report"] = f"cells/{folder.name}/report"
            except Exception as error:  # a cell whose pictures fail has its numbers all the same
                record.skipped["report"] = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return files


def _source_hash(spec: Spec) -> str:
    """Return one hash of all source that an encoder is made of; a module that is gone has none."""
    try:
        modules = plugin_code(spec)
        hashes = [source_hash(module) for module in modules]
    except (BenchError, SyntaxError):
        return "unknown"
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()[:16]


def _draw_report(record: Record, pipeline: Pipeline, out: Path) -> None:
    from eeg2speech_bench.benchmarks.report.pictures import Sources, draw_report

    generated = {}
    if pipeline.generates:
        generated = {"generated": pipeline.place(pipeline.generate), "ceilings": pipeline.place(pipeline.ceilings)}
    places = (pipeline.place(stage) for stage in (pipeline.prepare, pipeline.embed, pipeline.score))
    draw_report(out, record, Sources(*places, **generated))


def _describe_error(phase: str, error: BaseException) -> dict[str, Any]:
    lines = "".join(traceback.format_exception(error)).splitlines()
    return {
        "phase": phase,
        "type": type(error).__name__,
        "message": str(error) or type(error).__name__,  # MemoryError says nothing
        "traceback": lines[-TRACEBACK_LINES:],
    }


def _describe_stage(result: StageResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "key": result.key,
        "seconds": round(result.seconds, 2),
        "peak_memory_mb": round(result.peak_memory_mb, 1),
        "energy_wh": None if result.energy_wh is None else round(result.energy_wh, 5),
        "reused": result.cached,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def stoppable() -> Iterator[None]:
    """Let a polite end (SIGTERM, as schedulers send it) leave the same state as Ctrl-C."""

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def results_are_writable(results: Path) -> None:
    """Find out before hours of training that the results folder cannot be written.

    Raises
    ------
    StorageError
    """
    with explained(results):
        (results / "records").mkdir(parents=True, exist_ok=True)
        probe = results / "records" / ".writable"
        probe.write_bytes(b"")
        probe.unlink()

"""Runs cells stage by stage and writes one record each; a failure costs its own cell alone."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from eeg2speech_bench.benchmarks.pipeline import Pipeline
from eeg2speech_bench.benchmarks.plugin_source import source_hash_of
from eeg2speech_bench.benchmarks.scoring.scores import Scores
from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.machine import environment
from eeg2speech_bench.core.machine.monitor import Usage
from eeg2speech_bench.core.records.cell_id import DatasetOrigin, EncoderOrigin, TargetOrigin
from eeg2speech_bench.core.records.groups import segments_name
from eeg2speech_bench.core.records.provenance import ErrorReport, Provenance, StageCost
from eeg2speech_bench.core.records.record import Record, Status
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.records.training import Training
from eeg2speech_bench.core.registry.failures import reason_of
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.stages.disk_trouble import explained
from eeg2speech_bench.core.stages.stage_store import Stage, StageResult, StageStore
from eeg2speech_bench.core.terminal.interruption import uninterrupted
from eeg2speech_bench.core.terminal.progress import OutputClosed, StageProgress, say

TRACEBACK_LINES = 30
#: of an error's message, and of a line of its traceback; plugins may put whole arrays there
MESSAGE_CHARS = 2000
#: what ends a run; everything else that a plugin raises, sys.exit included, ends its own cell
STOPS = (KeyboardInterrupt, GeneratorExit, OutputClosed)


class FailedBefore(Exception):  # noqa: N818  another cell's error, told again
    """Says that a stage failed for an earlier cell."""

    def __init__(self, report: ErrorReport) -> None:
        super().__init__(report.message)
        self.report = report


@dataclass
class Runner:
    """Runs cells over one stage store and one results folder.

    Attributes
    ----------
    failed_stages : dict of str to ErrorReport
        Stages by their key that failed in this run, so that no second cell repeats one in vain.
    begins : callable
        Called with the name of a stage before it runs or is found.
    keeps_models : bool
        Whether what was trained is kept beside the record.
    keeps_usage : bool
        Whether the report holds a trace of what the cell used of the machine.
    """

    registry: Registry
    stages: StageStore
    records: RecordStore
    console: Console
    failed_stages: dict[str, ErrorReport] = field(default_factory=dict)
    begins: Callable[[str], None] = lambda phase: None
    keeps_models: bool = True
    keeps_usage: bool = False
    _usages: dict[str, tuple[Usage, ...]] = field(default_factory=dict)

    def run(self, pipeline: Pipeline) -> Record:
        """Run one cell and write its record.

        Returns
        -------
        Record
            Done or failed. One that failed does not take the place of a record that is done.

        Raises
        ------
        KeyboardInterrupt
            If the user stopped it; the record says so and finished stages are kept.
        """
        record = self.new_record(pipeline)
        results = record.provenance.stages = []
        self._usages.clear()
        phase = "plan"
        try:
            for stage in pipeline.stages():
                phase = stage.name
                self.begins(phase)
                results.append(_describe_stage(self.run_stage(stage)))
            phase = "record"
            self._finish(record, pipeline)
        except STOPS as stop:
            if record.status != "done":
                self._keep(record, "interrupted", _describe_stop(phase, stop))
            raise
        except BaseException as error:
            self._fail(record, describe_error(phase, error))
        return record

    def give_up(self, pipeline: Pipeline, error: ErrorReport) -> Record:
        """Write and return the record of a cell whose process ended without one."""
        record = self.new_record(pipeline)
        self._fail(record, error)
        return record

    def _fail(self, record: Record, error: ErrorReport) -> None:
        path = self._keep(record, "failed", error)
        say(self.console, f"FAILED {record.cell.encoder}: {error.phase}: {error.message}")
        if path != self.records.path(record.cell.id):
            say(self.console, f"The finished record of this cell is kept; {path} describes this attempt.")

    def _finish(self, record: Record, pipeline: Pipeline) -> None:
        """Complete the record and put it and its files in place together."""
        with self.stages.needing(pipeline.stages()), self.records.draft(pipeline.cell.id) as folder:
            self._complete(record, pipeline)
            record.files = self._write_files(record, pipeline, folder)
            record.provenance.finished = _now()
            with uninterrupted():
                record.status, record.error = "done", None
                try:
                    self.records.publish(record, folder)
                except BaseException:
                    record.status = "interrupted"
                    raise

    def _keep(self, record: Record, status: Status, error: ErrorReport) -> Path:
        """Write how far an attempt came, and return where."""
        record.status, record.error = status, error
        record.provenance.finished = _now()
        with self.records.lock(record.cell.id), uninterrupted():
            return self.records.write(record)

    def run_stage(self, stage: Stage) -> StageResult:
        """Run one stage, or find it, and say so; a stage that failed in this run is not tried again."""
        if stage.key in self.failed_stages:
            raise FailedBefore(self.failed_stages[stage.key])
        progress = StageProgress(self.console)
        started = time.monotonic()
        try:
            with progress.stage(stage.name):
                result = self.stages.ensure(stage, progress)
        except STOPS:
            raise
        except BaseException as error:
            self.failed_stages[stage.key] = describe_error(stage.name, error)
            raise
        if result.cached:
            line = f"  {stage.name:<12} reused    (took {result.seconds:.0f} s when it ran)"
        else:
            took = time.monotonic() - started
            line = f"  {stage.name:<12} done in {took:5.1f} s, peak memory {result.peak_memory_mb / 1000:.1f} GB"
            self._usages[stage.name] = result.usages
        say(self.console, line)
        return result

    def new_record(self, pipeline: Pipeline) -> Record:
        """Return the record of a cell that has not run yet: its identity and its versions."""
        cell, spec = pipeline.cell, pipeline.encoder
        origin = self.registry.provenance("encoder", spec.name)
        return Record(
            cell=cell.describe(),
            status="interrupted",  # until it is complete
            config=cell.config.model_dump(mode="json"),
            encoder=EncoderOrigin(
                name=spec.name,
                distribution=origin.distribution,
                version=origin.version,
                target=spec.target,
                source_hash=source_hash_of(spec),
                licence=spec.licence,
                citation=spec.citation,
                modality=spec.modality,
                baseline=spec.baseline or cell.is_twin,
                ceiling=spec.ceiling,
                own_settings=dict(spec.alignment),
                options=pipeline.encoder_options,
            ),
            target=TargetOrigin(name=pipeline.target.name, options=pipeline.target_options),
            dataset=DatasetOrigin(
                **{name: getattr(pipeline.dataset, name) for name in ("name", "revision", "about", "is_null")}
            ),
            skipped=pipeline.skipped(),
            provenance=Provenance(
                started=_now(),
                attempts=1 + self.records.count_attempts(cell.id),
                command=environment.command_line(),
                packages=environment.package_versions(),
                git=environment.git_state(),
                hardware=environment.hardware(),
                device=pipeline.device,
                precision=pipeline.precision,
            ),
        )

    def _complete(self, record: Record, pipeline: Pipeline) -> None:
        """Fill the record from the stages' results and put audio and per-segment values beside it."""
        prepared = pipeline.prepared()
        record.dataset.n_subjects = len(prepared.subjects)
        record.dataset.n_stimuli = len(prepared.stimuli)
        record.dataset.n_segments = prepared.n_segments
        record.dataset.sound = prepared.sound.kind
        record.dataset.skipped_recordings = [skipped.model_dump() for skipped in prepared.dataset.skipped]
        record.dataset.reading_notes = [note.model_dump() for note in prepared.dataset.notes]
        record.split = prepared.split
        trained = (
            [pipeline.align]
            + ([pipeline.calibrate] if pipeline.calibrate else [])
            + ([pipeline.autoencoder, pipeline.diffuse] if pipeline.generates else [])
        )
        for stage in trained:
            facts = (pipeline.place(stage) / "training.json").read_bytes()
            record.training[stage.name] = Training.model_validate_json(facts)
        scores = Scores.read(pipeline.place(pipeline.score))
        record.skipped |= {
            name if name.startswith("probe ") else f"metric {name}": reason for name, reason in scores.skipped.items()
        }
        record.metrics, record.sets = scores.metrics, scores.sets
        record.tests, record.verdict = scores.tests, scores.verdict
        record.groups, record.probes = scores.groups, scores.probes

    def _write_files(self, record: Record, pipeline: Pipeline, folder: Path) -> dict[str, str]:
        """Fill the folder of a cell's files and return what the record calls them."""
        place = f"cells/{pipeline.cell.id}"
        shutil.copyfile(pipeline.place(pipeline.score) / "segments.parquet", folder / "segments.parquet")
        files = {"segments": f"{place}/segments.parquet"}
        for name in map(segments_name, record.parts):
            shutil.copyfile(pipeline.place(pipeline.score) / name, folder / name)
            files[name.removesuffix(".parquet")] = f"{place}/{name}"
        if pipeline.generates:
            from eeg2speech_bench.benchmarks.inputs.audio_files import write_audio

            write_audio(map(pipeline.place, (pipeline.ceilings, pipeline.generate)), folder / "audio")
            files["audio"] = f"{place}/audio"
        if self.keeps_models:
            files |= self._keep_model(record, pipeline, folder / "model")
        try:
            _draw_report(record, pipeline, folder / "report")
            if self.keeps_usage:
                from eeg2speech_bench.benchmarks.report.usage import write_usage

                write_usage(folder / "report", record, self._usages)
            files["report"] = f"{place}/report"
        except Exception as error:  # a cell whose pictures fail has its numbers all the same
            record.skipped["report"] = reason_of(error)
        return files

    def _keep_model(self, record: Record, pipeline: Pipeline, folder: Path) -> dict[str, str]:
        from eeg2speech_bench.benchmarks.trained.cell_model import write_cell_model

        origin = self.registry.provenance("target", pipeline.target.name)
        try:
            with explained(folder):
                write_cell_model(record, pipeline, origin, folder)
        except StorageError:
            raise
        except Exception as error:  # weights of a plugin that no file can hold cost the model alone
            shutil.rmtree(folder, ignore_errors=True)
            record.skipped["model"] = reason_of(error)
            return {}
        return {"model": f"cells/{pipeline.cell.id}/model"}


def _draw_report(record: Record, pipeline: Pipeline, out: Path) -> None:
    from eeg2speech_bench.benchmarks.report.pictures import StageFolders, draw_report

    generated = {}
    if pipeline.generates:
        generated = {"generated": pipeline.place(pipeline.generate), "ceilings": pipeline.place(pipeline.ceilings)}
    places = (pipeline.place(stage) for stage in (pipeline.prepare, pipeline.embed, pipeline.score))
    draw_report(out, record, StageFolders(*places, **generated))


def describe_error(phase: str, error: BaseException) -> ErrorReport:
    """Return what a record says of an error: message, kind, and the end of its traceback."""
    if isinstance(error, FailedBefore):
        return error.report
    lines = [_cut(line) for line in "".join(traceback.format_exception(error)).splitlines()[-TRACEBACK_LINES:]]
    message = _message_of(error) or type(error).__name__  # MemoryError says nothing
    if isinstance(error, SystemExit):
        message = f"sys.exit({error.code!r}) was called; a plugin should raise an error instead"
    return ErrorReport(phase=phase, type=_cut(type(error).__name__), message=_cut(message), traceback=lines)


def _message_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as own:  # a plugin's error may fail to say what it is
        return f"its message cannot be had: {type(own).__name__}"


def _cut(text: str) -> str:
    """Return text of a length that a record and a page can hold, in characters that every file can."""
    shown = text if len(text) <= MESSAGE_CHARS else f"{text[:MESSAGE_CHARS]} ... ({len(text):,} characters)"
    return shown.encode("utf8", "replace").decode("utf8")


def _describe_stop(phase: str, stop: BaseException) -> ErrorReport:
    asked = "stopped by the user or by a scheduler"
    message = "whoever read its output went away" if isinstance(stop, OutputClosed) else asked
    return ErrorReport(phase=phase, type=type(stop).__name__, message=message)


def _describe_stage(result: StageResult) -> StageCost:
    return StageCost(
        name=result.name,
        key=result.key,
        seconds=round(result.seconds, 2),
        peak_memory_mb=round(result.peak_memory_mb, 1),
        energy_wh=None if result.energy_wh is None else round(result.energy_wh, 5),
        reused=result.cached,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

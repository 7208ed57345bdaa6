"""The main job in small: run, look at what is there, run a second encoder, stop and go on."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import soundfile

from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore

STAGES = ["prepare", "features", "clips", "autoencoder", "ceilings", "align", "embed", "diffuse", "generate", "score"]


@pytest.fixture(scope="module")
def finished(finished_run, finished_bench):
    return finished_run


@pytest.fixture(scope="module")
def record(bench, finished) -> Record:
    (only,) = [r for r in RecordStore(bench.folder / "results").read_all() if r.cell.encoder == "brainmagick"]
    return only


def test_the_plan_comes_first_and_the_table_with_controls_last(finished):
    lines = finished.stdout.splitlines()
    assert lines[0].startswith("Plan: 1 cell(s) on data set 'two_listeners', preset 'quick'")
    assert all(f"{stage} ..." in finished.stdout for stage in STAGES)
    for shown in (
        "EEG at a wrong time",
        "ceiling: true audio embedding",
        "chance",
        "Leaderboard",
        "Record: ",
        "Next: ",
    ):
        assert shown in " ".join(finished.stdout.split())
    assert "of every listener" not in finished.stdout  # pictures are for a terminal


def test_nothing_but_the_runs_own_words_is_printed(finished):
    assert finished.stderr == ""
    assert "Warning" not in finished.stdout


def test_what_the_cell_used_lies_in_the_report(bench, record):
    used = pd.read_csv(bench.folder / "results" / record.files["report"] / "usage.csv")
    assert list(used["stage"].unique()) == STAGES
    assert (used["memory_mb"] > 50).all() and used["at_s"].is_monotonic_increasing


def test_every_metric_stands_beside_every_condition(record):
    found = {(entry.name, entry.condition) for entry in record.metrics}
    conditions = ("eeg", "shift", "phase", "shuffle", "mean", "none", "audio")
    for name in ("top1", "top5", "mrr", "median_rank", "identification", "mel_correlation", "estoi", "lsd"):
        assert {(name, condition) for condition in conditions} <= found
    for entry in record.metrics:
        assert entry.low <= entry.high
        assert set(entry.per_subject) == {"01", "02"}


def test_what_carries_no_signal_scores_chance_and_the_true_audio_scores_one(record):
    top1 = record.metric("top1", "none")
    assert top1.value == pytest.approx(top1.chance) == pytest.approx(1 / top1.n_pool)
    assert record.metric("top1", "audio").value == pytest.approx(1.0)


def test_the_record_says_what_was_run(record):
    assert record.status == "done"
    assert record.encoder.distribution == "eeg2speech-bench"
    assert len(record.encoder.source_hash) == 16
    assert record.split.evidence.shared_s["train-test"] == 0.0
    assert [stage.name for stage in record.provenance.stages] == STAGES
    assert record.provenance.packages["torch"].startswith("2.11")
    assert record.config["alignment"]["batch_size"] == 16
    assert set(record.verdict) == {"top1", "identification"}


def test_segments_and_audio_lie_beside_the_record(bench, record):
    results = bench.folder / "results"
    table = pd.read_parquet(results / record.files["segments"])
    eeg = table[(table["metric"] == "top1") & (table["condition"] == "eeg")]
    assert eeg.groupby("subject")["value"].mean().mean() == pytest.approx(record.metric("top1").value)
    clips = sorted((results / record.files["audio"] / "eeg").glob("*.flac"))
    assert len(clips) == 6
    samples, rate = soundfile.read(clips[0])
    assert (len(samples), rate) == (46080, 16000)
    pictures = {path.name for path in (results / record.files["report"]).iterdir()}
    assert pictures == {"mels.png", "retrieval.png", "subjects.png", "learning.png", "usage.csv", "usage.png"}


def test_a_second_encoder_reuses_what_belongs_to_the_data_set(bench, finished):
    done = bench.run("--encoder", "ridge")
    assert done.returncode == 0, done.stderr + done.stdout
    reused = {line.split()[0] for line in done.stdout.splitlines() if " reused " in line}
    assert {"prepare", "autoencoder"} <= reused
    assert "ridge (baseline)" in " ".join(done.stdout.split())


def test_the_same_command_again_runs_no_stage_and_changes_no_number(bench, finished, record):
    done = bench.run("--encoder", "brainmagick")
    assert done.stdout.count(" reused    (took") == len(STAGES)
    again = json.loads(RecordStore(bench.folder / "results").path(record.cell.id).read_text())
    assert Record(**again).semantic() == record.semantic()
    assert again["provenance"]["attempts"] == record.provenance.attempts + 1


def test_in_a_terminal_the_run_draws_its_cells(bench, finished, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # which makes of a pipe a terminal
    again = bench.run("--encoder", "brainmagick")
    assert again.returncode == 0
    assert "top-1 of every listener" in again.stdout and "Mel spectrograms of clip 1" in again.stdout


def test_a_dry_run_prints_plan_and_configuration_and_runs_nothing(bench, finished):
    done = bench.run("--encoder", "brainmagick", "--dry-run", "--set", "alignment.patience=9", "--seeds", "5,6")
    assert done.returncode == 0
    assert '"patience": 9' in done.stdout
    assert "brainmagick, seed 6" in done.stdout
    assert not list((bench.folder / "results" / "records").glob("*seed5*"))


@pytest.mark.parametrize(
    ("stage", "sent", "code"),
    [pytest.param("diffuse", signal.SIGKILL, -9, marks=pytest.mark.slow), ("align", signal.SIGINT, 130)],
)
def test_a_stopped_run_goes_on_where_it_was_and_ends_the_same(bench, finished_run, tmp_path, record, stage, sent, code):
    other = replace(bench, folder=tmp_path)
    for name in ("prepare", "autoencoder", "ceilings"):  # the stages between are enough to see that it goes on
        for place in filter(Path.is_dir, finished_run.stages.glob(f"{name}-*")):
            shutil.copytree(place, tmp_path / "cache" / "stages" / place.name)
    assert other.stop_during(stage, sent, "--encoder", "brainmagick") == code
    store = RecordStore(tmp_path / "results")
    if sent == signal.SIGINT:
        assert [r.status for r in store.read_all()] == ["interrupted"]
    done = other.run("--encoder", "brainmagick")
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.count(" reused    (took") == STAGES.index(stage)
    assert [r.semantic() for r in store.read_all()] == [record.semantic()]


@pytest.mark.slow
def test_two_runs_at_once_share_their_stages(bench, tmp_path, record):
    other = replace(bench, folder=tmp_path)
    arguments = [*other.tiny(), "--dataset", str(other.data), "--encoder", "brainmagick"]
    both = [other.start(*arguments) for _ in range(2)]
    outputs = [process.communicate(timeout=240)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum(output.count(" done in ") for output in outputs) == len(STAGES)
    assert [r.semantic() for r in RecordStore(tmp_path / "results").read_all()] == [record.semantic()]

"""Wide comparisons: groups of encoders, retrieval alone, one search for all, twins that are trained on surrogates."""

from __future__ import annotations

import re

import pytest

from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore

BASELINES = {"ridge", "ridge-cv", "noise-trained", "random-weights", "subject-id", "time-only", "mean"}
#: baselines that do not look at the EEG
LOOK_AWAY = {"mean", "subject-id", "time-only"}


def records(bench, results: str) -> list[Record]:
    return RecordStore(bench.folder / results).read_all()


@pytest.fixture(scope="module")
def baselines(prepared_bench) -> dict[str, Record]:
    named = (option for name in LOOK_AWAY for option in ("--encoder", name))
    done = prepared_bench.run(*named, "--scores", "retrieval", "--results", "of_baselines")
    assert done.returncode == 0, done.stdout + done.stderr
    return {record.cell.encoder: record for record in records(prepared_bench, "of_baselines")}


def test_the_group_of_baselines_names_them_all(bench):
    done = bench.run("--encoder", "baselines", "--scores", "retrieval", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert set(re.findall(r"^([\w-]+), seed 0", done.stdout, re.MULTILINE)) == BASELINES


def test_baselines_are_called_so_in_their_records(baselines):
    assert set(baselines) == LOOK_AWAY
    assert all(record.status == "done" and record.encoder.baseline for record in baselines.values())


def test_retrieval_alone_says_what_was_not_run(baselines):
    for record in baselines.values():
        stages = {name for name in record.skipped if not name.startswith("metric ")}
        assert stages == {"autoencoder", "ceilings", "diffuse", "generate"}
        assert record.skipped["generate"] == "only retrieval was asked for (--scores retrieval)"
        assert record.metric("top1") and not record.metric("identification")
        assert "audio" not in record.files


@pytest.mark.parametrize("name", sorted(LOOK_AWAY))
def test_who_does_not_look_at_the_eeg_scores_the_same_under_every_control_of_it(baselines, name):
    record = baselines[name]
    values = {record.metric("mrr", condition).value for condition in ("eeg", "shift", "phase")}
    assert max(values) - min(values) < 1e-9
    assert not record.verdict["top1"].distinguishable


@pytest.mark.slow
def test_a_search_tries_the_same_settings_for_every_encoder_and_is_shared_by_its_seeds(bench):
    arguments = ("--encoder", "brainmagick", "--encoder", "subject-id", "--tune", "3", "--scores", "retrieval")
    done = bench.run(*arguments, "--seeds", "2", "--results", "tuned")
    assert done.returncode == 0, done.stdout + done.stderr
    trials = [record.training["align"].trials for record in records(bench, "tuned")]
    settings = [{(t["learning_rate"], t["weight_decay"], t["batch_size"]) for t in of_one} for of_one in trials]
    assert len(settings) == 4
    assert settings[0] == settings[1] == settings[2] == settings[3]
    assert done.stdout.count("tune         done in") == 2
    assert done.stdout.count("tune         reused") == 2


@pytest.mark.slow
def test_twins_are_trained_on_surrogates_and_stand_beside_as_baselines(bench):
    arguments = ("--encoder", "brainmagick", "--encoder", "mean", "--controls", "full", "--scores", "retrieval")
    done = bench.run(*arguments, "--results", "twins")
    assert done.returncode == 0, done.stdout + done.stderr
    labels = {record.cell.label: record.encoder.baseline for record in records(bench, "twins")}
    assert labels == {"brainmagick": False, "brainmagick, trained on surrogate EEG": True, "mean": True}


@pytest.mark.slow
def test_another_target_is_one_option(bench):
    arguments = ("--encoder", "brainmagick", "--target", "mel", "--scores", "retrieval", "--results", "other_target")
    assert bench.run(*arguments).returncode == 0
    (record,) = records(bench, "other_target")
    assert record.target.name == "mel"

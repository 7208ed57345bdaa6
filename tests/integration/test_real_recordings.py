"""Real EEG, where it is present: the linear floor differs from its controls, and dishonest splits are refused."""

from __future__ import annotations

import pytest

from eeg2speech_bench.core.records.record_store import RecordStore


@pytest.fixture(scope="module")
def ridge(bench, realdata):
    done = bench.run(
        "--encoder", "ridge", "--set", "scores.n_permutations=5000", dataset=f"dtu:{realdata / 'dtu_vlaai'}"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (record,) = RecordStore(bench.folder / "results").read_all()
    return done, record


def test_ridge_differs_from_every_control_on_real_eeg(ridge):
    verdict = ridge[1].verdict["top1"]
    assert verdict.distinguishable
    assert verdict.p < 0.01


def test_a_data_set_without_audio_says_what_was_skipped_and_why(ridge):
    done, record = ridge
    assert "Skipped: diffuse: the data set publishes an envelope and no audio" in done.stdout
    stages = {name for name in record.skipped if not name.startswith("metric ")}
    assert stages == {"autoencoder", "ceilings", "diffuse", "generate"}
    assert record.metric("identification") is None
    assert record.dataset.n_stimuli == 1


@pytest.mark.parametrize("kind", [pytest.param("subject", marks=pytest.mark.slow), "recording"])
def test_a_split_that_shares_the_stimulus_is_refused_with_the_proof(bench, realdata, kind):
    dataset = f"dtu:{realdata / 'dtu_vlaai'}"
    done = bench.run("--encoder", "ridge", "--set", f"data.split={kind}", dataset=dataset)
    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    assert "shares 50.0 of 50.0 s of test stimulus audio with train" in said
    assert "data.split=stimulus-time" in said

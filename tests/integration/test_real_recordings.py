"""Real EEG, where it is present: the linear floor differs from its controls, and dishonest splits are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from eeg2speech_bench.benchmarks import load_cell
from eeg2speech_bench.benchmarks.inputs.target_frames import FrameStore
from eeg2speech_bench.benchmarks.trained.recording_windows import ReadingChoice
from eeg2speech_bench.core.contrastive.loss import clip_scores
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.datasets.dtu import open_dtu


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


def test_a_trained_cell_scores_the_test_windows_of_real_recordings_as_its_test_did(bench, ridge, realdata):
    record = ridge[1]
    places = {one.name: bench.folder / "cache" / "stages" / f"{one.name}-{one.key[:20]}" for one in record.stages}
    store, table = SegmentStore(places["prepare"]), pd.read_parquet(places["embed"] / "segments.parquet")
    pool = pd.read_parquet(places["embed"] / "pool.parquet")["window"].to_numpy()
    sounds = torch.from_numpy(FrameStore(places["features"], store).gather(pool))
    scores = np.load(places["embed"] / "scores_eeg.npy")
    cell = load_cell(bench.folder / "results" / record.files["model"], device="cpu")
    opened = {one.recording_id: one for one in open_dtu(Path(realdata / "dtu_vlaai")).recordings}
    for number, own in table.groupby("recording"):
        known = store.meta.recordings[number]
        reading = ReadingChoice(scale=known.recording_id)
        windows = cell.open(opened[known.recording_id].load(), listener=known.subject, reading=reading)
        sound_s = (own["eeg_start"].to_numpy() - known.start) / store.signal.sfreq - store.meta.shift_s
        estimates = cell.estimate(windows, windows.rows(sound_s), known.subject)
        here = clip_scores(estimates, cell.pair.conditioner.embed_audio(sounds)).numpy()
        np.testing.assert_allclose(here, scores[own.index], atol=1e-5 * np.abs(scores).max())


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

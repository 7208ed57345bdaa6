"""Five minutes of a simulated listener, played in real time to the verb ``live``."""

from __future__ import annotations

import json
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pytest
import soundfile

from eeg2speech_bench.benchmarks import load_cell
from eeg2speech_bench.benchmarks.live.stream_buffer import StreamBuffer
from eeg2speech_bench.benchmarks.trained.candidate_sounds import score_candidates
from eeg2speech_bench.benchmarks.trained.listening_task import sounds_of_folder
from eeg2speech_bench.core.cli import main
from eeg2speech_bench.core.records.record_store import RecordStore

SECONDS, CALIBRATE_S = 305.0, 10.0
#: second of the recording that a marker stands at: long enough after the player has started, and after the calibration
MARKED_S = 40.0


@pytest.fixture(scope="module")
def record(prepared_bench) -> Path:
    done = prepared_bench.run("--encoder", "ridge", "--scores", "retrieval")
    assert done.returncode == 0, done.stderr + done.stdout
    store = RecordStore(prepared_bench.folder / "results")
    return store.path(store.read_all()[0].cell.id)


def tracks(recording: Path, stimuli: Path, length_s: float, folder: Path) -> None:
    """Write what was heard in a recording from the marker on as one sound, and what was heard at other times of it."""
    events = pd.read_csv(next(recording.parent.glob("*_events.tsv")), sep="\t")
    track = np.zeros(round(length_s * 16000), np.float32)
    for onset_s, name in events[["onset", "stim_file"]].itertuples(index=False):
        samples, rate_hz = soundfile.read(stimuli / Path(name).name, dtype="float32")
        assert rate_hz == 16000
        first = round(onset_s * 16000)
        track[first : first + len(samples)] = samples[: len(track) - first]
    track = track[round(MARKED_S * 16000) :]
    folder.mkdir()
    soundfile.write(folder / "heard.wav", track, 16000)
    soundfile.write(folder / "other.wav", np.roll(track, len(track) // 2), 16000)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_five_minutes_lose_no_sample_and_are_found_as_offline(record, tiny_bids, tmp_path, monkeypatch, capsys):
    from mne_lsl.player import PlayerLSL

    (path,) = (tiny_bids / "sub-01").rglob("*.vhdr")
    raw = mne.io.read_raw(path, preload=True, verbose="ERROR").pick("eeg")
    raw.set_annotations(mne.Annotations([MARKED_S], [0.1], ["begin"]))
    received, add = [], StreamBuffer.add

    def keep(self, samples, stamps):
        received.append(samples)
        return add(self, samples, stamps)

    monkeypatch.setattr(StreamBuffer, "add", keep)
    tracks(path, tiny_bids / "stimuli", raw.times[-1], tmp_path / "sounds")
    typed = ["live", record, "--stream", "listener", "--candidates", tmp_path / "sounds", "--listener", "01"]
    typed += ["--out", tmp_path / "out", "--calibrate", CALIBRATE_S, "--seconds", SECONDS, "--marker", "begin"]
    with PlayerLSL(raw, chunk_size=4, name="listener", source_id="listener-1"):
        assert main(list(map(str, typed))) == 0
    with capsys.disabled():
        print(capsys.readouterr().out)

    about = json.loads((tmp_path / "out" / "live.json").read_text())
    samples, sent = np.concatenate(received), raw.get_data().T
    (first,) = np.flatnonzero((sent == samples[0]).all(1))
    np.testing.assert_array_equal(samples, np.concatenate([sent, sent])[first : first + len(samples)])
    assert (about["n_received"], about["n_lost"], about["dropped"]) == (len(samples), 0, [])

    cell = load_cell(record)
    whole = mne.io.RawArray(samples.T, raw.info, verbose="ERROR")
    windows = cell.open(whole, listener="01")
    windows.scale = cell.open(whole.copy().crop(0, CALIBRATE_S, include_tmax=False), listener="01").scale
    live = pd.read_csv(tmp_path / "out" / "matches.csv").pivot(index="start_s", columns="candidate", values="score")
    starts_s = live.index.to_numpy()
    # the player stamps an annotation one sample before the sample that it stands at
    assert starts_s[0] == pytest.approx(MARKED_S - first / raw.info["sfreq"], abs=1.1 / raw.info["sfreq"])
    assert len(live) >= 90
    candidates = cell.candidates(sounds_of_folder(tmp_path / "sounds"))
    moments_s = starts_s - starts_s[0]
    offline = score_candidates(cell.estimate(windows, windows.rows(starts_s), "01"), moments_s, candidates)
    np.testing.assert_allclose(live[["heard", "other"]], offline, atol=1e-5 * np.abs(offline).max())
    assert (live["heard"] > live["other"]).mean() > 0.7
    assert 0 < about["delay"]["median_s"] <= about["delay"]["worst_s"] < about["window_s"]

"""The verb ``live`` on streams of this machine: mne-lsl's player in real time, and an outlet that loses samples."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pytest

from eeg2speech_bench.benchmarks.live import lsl_stream
from eeg2speech_bench.benchmarks.live.stream_buffer import StreamBuffer
from eeg2speech_bench.benchmarks.trained.candidate_sounds import rank_table, score_candidates
from eeg2speech_bench.benchmarks.trained.listening_task import sounds_of_folder
from eeg2speech_bench.benchmarks.trained.trained_cell import TrainedCell
from eeg2speech_bench.core.cli import main

CALIBRATE_S, ONSET_S, SECONDS = 2.0, 0.4, 8.0


@pytest.fixture(scope="module")
def received():
    """The samples and stamps that the commands below receive, in their order."""
    kept: list[tuple[np.ndarray, np.ndarray]] = []
    add = StreamBuffer.add

    def keep(self, samples, stamps):
        kept.append((samples, stamps))
        return add(self, samples, stamps)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StreamBuffer, "add", keep)
        patch.setattr(lsl_stream, "ENDED_AFTER_S", 1.5)
        yield kept


def joined(received) -> tuple[np.ndarray, np.ndarray]:
    samples, stamps = zip(*received, strict=True)
    return np.concatenate(samples), np.concatenate(stamps)


def follow(model: Path, stream: str, out: Path, *options: object) -> int:
    typed = [model, "--stream", stream, "--out", out, "--calibrate", CALIBRATE_S, "--device", "cpu", *options]
    return main(["live", *map(str, typed)])


@pytest.fixture(scope="module")
def heard(model, sounds, recording, received, tmp_path_factory) -> Path:
    """What is found in eight seconds of a recording that is played in real time."""
    from mne_lsl.player import PlayerLSL

    out = tmp_path_factory.mktemp("heard") / "out"
    raw = recording.copy().set_annotations(mne.Annotations([], [], []))
    with PlayerLSL(raw, chunk_size=8, name="played", source_id="played-1"):
        code = follow(
            model, "played", out, "--candidates", sounds, "--onset", ONSET_S, "--seconds", SECONDS, "--listener", "01"
        )
    assert code == 0
    return out


def test_no_sample_of_the_player_is_lost(heard, received, recording):
    about = json.loads((heard / "live.json").read_text())
    samples, _ = joined(received)
    sent = recording.get_data().T
    (first,) = np.flatnonzero((sent == samples[0]).all(1))
    np.testing.assert_array_equal(samples, sent[first : first + len(samples)])
    assert (about["n_received"], about["n_lost"], about["dropped"]) == (len(samples), 0, [])
    assert about["ended"] == "8 s have come"


def test_what_is_found_live_is_what_is_found_offline(heard, received, recording, cell, sounds):
    samples, _ = joined(received)
    raw = mne.io.RawArray(samples.T, recording.info, verbose="ERROR")
    table = offline_table(cell, raw, sounds, ONSET_S, CALIBRATE_S)
    live = pd.read_csv(heard / "matches.csv")
    assert len(live) == 3 * 4
    both = live.merge(table.round({"start_s": 6}), on=["start_s", "candidate"], suffixes=("", "_offline"))
    assert len(both) == len(live)
    np.testing.assert_allclose(both["score"], both["score_offline"], atol=1e-5 * both["score"].abs().max())
    np.testing.assert_array_equal(both["rank"], both["rank_offline"])


def offline_table(
    cell: TrainedCell, raw: mne.io.BaseRaw, sounds: Path, onset_s: float, calibrate_s: float
) -> pd.DataFrame:
    """Score a whole recording, with the scale of its first seconds."""
    whole = cell.open(raw, listener="01")
    whole.scale = cell.open(raw.copy().crop(0, calibrate_s, include_tmax=False), listener="01").scale
    window_s = cell.description.config.data.window_s
    starts_s = np.arange(onset_s, whole.last_start_s, window_s)
    scores = score_candidates(
        cell.estimate(whole, whole.rows(starts_s), "01"), starts_s - onset_s, cell.candidates(sounds_of_folder(sounds))
    )
    return rank_table(scores, starts_s, list(sounds_of_folder(sounds)))


def test_the_delay_is_that_of_the_wait_and_a_little_more(heard):
    about = json.loads((heard / "live.json").read_text())
    assert about["waits_s"] == pytest.approx(0.69, abs=0.02)
    assert about["waits_s"] - 8 / 256 <= about["delay"]["median_s"] <= about["delay"]["worst_s"]
    assert len(about["candidates"]) == 3


class Amplifier:
    """Sends a recording over LSL as fast as it can be read, with stamps of the time when it was recorded."""

    def __init__(self, name: str, raw: mne.io.BaseRaw, unit: str = "V", types: str = "eeg") -> None:
        from mne_lsl.lsl import StreamInfo, StreamOutlet, local_clock

        info = StreamInfo(name, "EEG" if types == "eeg" else "", 16, raw.info["sfreq"], "float64", f"{name}-source")
        info.set_channel_names(raw.ch_names)
        info.set_channel_types(types)
        info.set_channel_units(unit)
        self.outlet, self.raw = StreamOutlet(info), raw
        self.eeg, self.stamps = raw.get_data().T * {"V": 1, "microvolts": 1e6}[unit], local_clock() - 60 + raw.times

    def send(self, first: int, stop: int) -> None:
        self.outlet.push_chunk(self.eeg[first:stop], self.stamps[first:stop])

    def close(self) -> None:
        self.outlet._del()


@pytest.fixture
def sending():
    """Start what an amplifier does as soon as somebody listens to it."""
    threads, amplifiers = [], []

    def start(amplifier: Amplifier, act) -> None:
        def wait_and_act():
            assert amplifier.outlet.wait_for_consumers(90)
            time.sleep(1.0)
            act(amplifier)

        amplifiers.append(amplifier)
        threads.append(threading.Thread(target=wait_and_act))
        threads[-1].start()

    yield start
    for thread, amplifier in zip(threads, amplifiers, strict=True):
        thread.join()
        amplifier.close()


def test_lost_samples_are_said_counted_and_cost_their_windows(
    model, sounds, recording, received, sending, tmp_path, capsys
):
    def lose_some(amplifier: Amplifier) -> None:
        amplifier.send(0, 2000)
        amplifier.send(2040, 4000)

    amplifier = Amplifier("losing", recording, "microvolts")
    sending(amplifier, lose_some)
    received.clear()
    assert follow(model, "losing", tmp_path / "out", "--candidates", sounds, "--listener", "01") == 0
    said = capsys.readouterr().out
    about = json.loads((tmp_path / "out" / "live.json").read_text())
    assert (about["n_received"], about["n_lost"]) == (3960, 40)
    assert [one["start_s"] for one in about["dropped"]] == [7.0]
    assert "7.81 s  LOST: 40 samples did not come" in said
    assert "7.00 s  not decoded: Samples of the window were lost" in said
    assert "Ended: no sample came for 1.5 s" in said
    np.testing.assert_allclose(joined(received)[0][:2000], recording.get_data().T[:2000], rtol=1e-12)


def test_a_stream_that_comes_back_goes_on_and_the_pause_is_lost(
    model, sounds, recording, sending, tmp_path, monkeypatch
):
    amplifiers = [Amplifier("pausing", recording)]

    def restart(amplifier: Amplifier) -> None:
        amplifier.send(0, 2000)
        time.sleep(0.5)
        amplifier.close()
        amplifiers.append(Amplifier("pausing", recording))
        amplifiers[1].stamps = amplifier.stamps
        assert amplifiers[1].outlet.wait_for_consumers(90)
        time.sleep(0.5)
        amplifiers[1].send(2500, 4000)

    sending(amplifiers[0], restart)
    monkeypatch.setattr(lsl_stream, "ENDED_AFTER_S", 120.0)
    options = ("--candidates", sounds, "--listener", "01", "--seconds", 4000 / 256)
    assert follow(model, "pausing", tmp_path / "out", *options) == 0
    amplifiers[1].close()
    about = json.loads((tmp_path / "out" / "live.json").read_text())
    assert (about["n_received"], about["n_lost"]) == (3500, 500)


def test_ctrl_c_leaves_whole_files(model, sounds, recording, sending, tmp_path, capsys):
    def stop(amplifier: Amplifier) -> None:
        amplifier.send(0, 1600)
        table = tmp_path / ".partial-out" / "matches.csv"
        while not table.exists() or len(table.read_text().splitlines()) < 1 + 3 * 3:
            time.sleep(0.05)
        signal.raise_signal(signal.SIGINT)

    amplifier = Amplifier("stopped", recording)
    sending(amplifier, stop)
    assert follow(model, "stopped", tmp_path / "out", "--candidates", sounds, "--listener", "01") == 0
    assert "Ended: stopped by hand" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"matches.csv", "live.json"}
    assert len(pd.read_csv(tmp_path / "out" / "matches.csv")) == 3 * 3


def test_sounds_begin_when_the_marker_comes(model, sounds, recording, sending, tmp_path):
    from mne_lsl.lsl import StreamInfo, StreamOutlet

    markers = StreamOutlet(StreamInfo("cues", "Markers", 1, 0, "string", "cues-1"))

    def mark(amplifier: Amplifier) -> None:
        assert markers.wait_for_consumers(90)
        time.sleep(1.0)
        amplifier.send(0, 1000)
        time.sleep(0.3)
        markers.push_sample(["rest"], timestamp=amplifier.stamps[256])
        markers.push_sample(["story"], timestamp=amplifier.stamps[700])
        time.sleep(0.3)
        amplifier.send(1000, 2200)

    amplifier = Amplifier("cued", recording)
    sending(amplifier, mark)
    options = ("--candidates", sounds, "--listener", "01", "--marker", "story", "--marker-stream", "cues")
    assert follow(model, "cued", tmp_path / "out", *options) == 0
    starts_s = pd.read_csv(tmp_path / "out" / "matches.csv")["start_s"].unique()
    np.testing.assert_allclose(starts_s, 700 / 256 + np.arange(5), atol=1e-5)


@pytest.mark.parametrize(
    ("stream", "options", "code", "said"),
    [
        ("misc", ["--candidates", "SOUNDS"], 1, "LSL stream 'misc' has no EEG channel: got channels of type misc"),
        ("absent", ["--candidates", "SOUNDS"], 2, "Unknown LSL stream: got 'absent', expected one of: "),
        ("misc", [], 2, "Nothing is asked for: expected --candidates, --wav or both"),
    ],
)
def test_what_cannot_be_followed_is_refused_and_leaves_nothing(
    model, sounds, recording, tmp_path, capsys, monkeypatch, stream, options, code, said
):
    monkeypatch.setattr(lsl_stream, "FOUND_IN_S", 1.0)
    amplifier = Amplifier("misc", recording, types="misc")
    typed = [sounds if option == "SOUNDS" else option for option in options]
    assert follow(model, stream, tmp_path / "out", *typed) == code
    amplifier.close()
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_mne_lsl_it_says_what_to_type(model, sounds, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mne_lsl", None)
    assert follow(model, "any", tmp_path / "out", "--candidates", sounds) == 1
    assert "pip install 'eeg2speech-bench[live]'" in capsys.readouterr().err

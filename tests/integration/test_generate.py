"""The verb ``generate``: speech of a recording beside its controls, after the verdict, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import signal
import time
from pathlib import Path

import mne
import numpy as np
import pytest
import soundfile
import torch

from eeg2speech_bench.benchmarks import load_cell
from eeg2speech_bench.benchmarks.trained.continuous_speech import SPAN_WINDOWS, Speaker, plan_speech
from eeg2speech_bench.benchmarks.trained.recording_windows import ReadingChoice
from eeg2speech_bench.benchmarks.trained.trained_cell import TrainedCell
from eeg2speech_bench.core.cli import main
from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.generator.mel import MelSpectrogram
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.training.seeding import derive_seed

WAVS = {"eeg.wav", "control_shift.wav", "control_phase.wav", "control_mean.wav"}
#: seconds from one window to the next: half a window
HOP_S = 1.44
SPOKEN_S = 12.0


@pytest.fixture(scope="module")
def record(finished_bench) -> Path:
    """The record of a cell that went the whole way."""
    store = RecordStore(finished_bench.folder / "results")
    return store.path(store.read_all()[0].cell.id)


@pytest.fixture(scope="module")
def recording(tiny_bids) -> Path:
    (path,) = (tiny_bids / "sub-01").rglob("*.vhdr")
    return path


@pytest.fixture(scope="module")
def cell(record) -> TrainedCell:
    return load_cell(record, device="cpu")


def type_generate(bench, *arguments: object) -> tuple[int, str, str]:
    process = bench.start(*map(str, arguments), verb="generate")
    output, errors = process.communicate(timeout=240)
    return process.returncode, output, errors


@pytest.fixture(scope="module")
def spoken(bench, record, recording, tmp_path_factory) -> tuple[Path, str]:
    """What is made of twelve seconds, and what is said meanwhile."""
    out = tmp_path_factory.mktemp("spoken") / "out"
    code, said, errors = type_generate(
        bench, record, recording, "--out", out, "--listener", "01", "--start", 5, "--stop", 5 + SPOKEN_S
    )
    assert (code, errors) == (0, ""), said + errors
    return out, said


def test_the_verdict_is_said_before_anything_is_made(spoken):
    lines = spoken[1].splitlines()
    assert lines[0].startswith("Model: brainmagick, trained on two_listeners")
    assert lines[1].startswith("Verdict on its test set, top-1: not distinguishable from no signal (p = ")
    assert "Read: scale of the channels: fitted on this file itself" in lines


def test_every_sound_of_the_eeg_stands_beside_its_controls(spoken):
    out, _ = spoken
    assert {path.name for path in out.iterdir()} == WAVS | {"mels_0000.png", "speech.json"}
    infos = [soundfile.info(out / name) for name in WAVS]
    seconds = 2.88 + HOP_S * int((SPOKEN_S - 2.88) / HOP_S)
    assert {(info.samplerate, info.channels, info.frames) for info in infos} == {(16000, 1, round(16000 * seconds))}


def test_the_description_says_when_by_what_and_of_what(spoken, record, recording):
    out, _ = spoken
    about = json.loads((out / "speech.json").read_text())
    assert about["cell"] == record.stem
    files = (recording, recording.with_suffix(".eeg"))
    assert about["recording_sha256"] == {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}
    assert (about["start_s"], about["stop_s"], about["hop_s"]) == pytest.approx((5.0, 16.52, HOP_S))
    assert about["verdict"]["top1"]["distinguishable"] is False
    hashes = {one["file"]: one["sha256"] for one in about["sounds"]}
    assert hashes == {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in WAVS}
    assert [one["file"] for one in about["sounds"] if not one["is_control"]] == ["eeg.wav"]


def test_the_same_seed_gives_the_same_sound_and_another_one_another(cell, recording):
    one, again, other = (speak(cell, recording, 5.0, 12.0, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)


def speaker_of(cell: TrainedCell, recording: Path, start_s: float, stop_s: float | None, seed: int = 0) -> Speaker:
    windows = cell.open(recording, listener="01")
    return Speaker(cell, windows, plan_speech(cell, windows, start_s, stop_s, seed), "01", seed)


def speak(cell: TrainedCell, recording: Path, start_s: float, stop_s: float, seed: int = 0) -> np.ndarray:
    speaker = speaker_of(cell, recording, start_s, stop_s, seed)
    return np.concatenate([samples for _, samples in speaker.speak("eeg")])


def test_joins_are_no_louder_and_no_rougher_than_what_is_elsewhere(cell, recording):
    stop_s = 5.0 + HOP_S * 2.5 * SPAN_WINDOWS
    speaker = speaker_of(cell, recording, 5.0, stop_s)
    sound = np.concatenate([samples for _, samples in speaker.speak("eeg")])
    assert len(speaker.joins) >= 2
    mel = MelSpectrogram()(torch.from_numpy(sound)[None])[0].numpy()
    jumps = np.abs(np.diff(mel, axis=0)).mean(1)
    levels = np.abs(np.diff(mel.mean(1)))
    at = [slice(join // 160 - 4, join // 160 + 4) for join in speaker.joins]
    for jump in (jumps, levels):
        elsewhere = np.delete(jump, np.r_[tuple(at)])
        assert max(jump[place].max() for place in at) <= np.quantile(elsewhere, 0.999)


def test_sound_is_given_away_a_span_at_a_time(cell, recording):
    speaker = speaker_of(cell, recording, 5.0, 5.0 + HOP_S * 2.2 * SPAN_WINDOWS)
    given = [len(samples) for _, samples in speaker.speak("mean")]
    assert max(given) <= 16000 * HOP_S * (SPAN_WINDOWS + 2)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--start", "5", "--stop", "20"], "needs to know who listened"),
        (["--listener", "01", "--start", "20", "--stop", "21"], "No window fits between the start and the stop"),
        (["--listener", "01", "--map-channels", "Cz"], "Option --map-channels was not understood"),
        (["--listener", "01", "--scale", "nobody"], "keeps no such scale"),
    ],
)
def test_what_cannot_be_done_is_refused_and_leaves_nothing(record, recording, tmp_path, capsys, typed, said):
    out = tmp_path / "out"
    assert main(["generate", str(record), str(recording), "--out", str(out), *typed]) in (1, 2)
    assert said in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


def test_a_folder_with_something_in_it_is_left_alone(record, recording, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["generate", str(record), str(recording), "--out", str(tmp_path), "--listener", "01"]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_recording_too_short_for_a_wrong_time_is_refused(cell, recording):
    raw = mne.io.read_raw(recording, preload=True, verbose="ERROR").crop(0, 15)
    windows = cell.open(raw, listener="01")
    with pytest.raises(DataError, match=r"too short for the wrong-time control: got 15.0 s, expected at least 23.0 s"):
        plan_speech(cell, windows, 0.0, None, 0)


def test_time_that_spans_a_pause_is_refused_and_the_rest_is_spoken(cell, recording):
    raw = mne.io.read_raw(recording, preload=True, verbose="ERROR").crop(0, 60)
    raw.set_annotations(mne.Annotations([30.0], [0.0], ["EDGE boundary"]))
    windows = cell.open(raw, listener="01")
    with pytest.raises(DataError, match=r"paused or edited .*: got a cut at 30.000 s.*--start and --stop"):
        plan_speech(cell, windows, 0.0, None, 0)
    assert plan_speech(cell, windows, 30.0, None, 0).n_windows > 5


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_command_that_is_stopped_leaves_no_broken_file(bench, record, recording, tmp_path, sent, code):
    out = tmp_path / "out"
    typed = [str(record), str(recording), "--out", str(out), "--listener", "01", "--start", "5", "--stop", "65"]
    process = bench.start(*typed, verb="generate")
    while not (tmp_path / ".partial-out" / "control_shift.wav").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    bench.send(process, sent)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert not out.exists()
    if sent == signal.SIGINT:
        assert "Interrupted. Nothing was written." in errors
        assert list(tmp_path.iterdir()) == []


def test_after_a_kill_the_same_command_makes_all_of_it(record, recording, tmp_path):
    out = tmp_path / "out"
    (tmp_path / ".partial-out").mkdir()
    (tmp_path / ".partial-out" / "eeg.wav").write_bytes(b"RIFF")
    typed = ["--out", str(out), "--listener", "01", "--start", "5", "--stop", "12"]
    assert main(["generate", str(record), str(recording), *typed]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    assert {path.name for path in out.iterdir()} == WAVS | {"mels_0000.png", "speech.json"}


def test_a_stream_is_spoken_window_by_window_as_its_recording_would_be(record, cell, recording, tmp_path, monkeypatch):
    from mne_lsl.player import PlayerLSL

    from eeg2speech_bench.benchmarks.live.stream_buffer import StreamBuffer

    received, add = [], StreamBuffer.add

    def keep(self, samples, stamps):
        received.append(samples)
        return add(self, samples, stamps)

    monkeypatch.setattr(StreamBuffer, "add", keep)
    raw = mne.io.read_raw(recording, preload=True, verbose="ERROR").crop(0, 60).pick("eeg")
    typed = [record, "--stream", "spoken", "--wav", tmp_path / "wav", "--out", tmp_path / "out", "--listener", "01"]
    typed += ["--scale", "listener", "--seconds", 2 * 2.88 + 1.9, "--device", "cpu"]
    with PlayerLSL(raw, chunk_size=4, name="spoken", source_id="spoken-1", annotations=False):
        assert main(["live", *map(str, typed)]) == 0
    about = json.loads((tmp_path / "out" / "live.json").read_text())
    assert about["spoken"] == sorted(path.name for path in (tmp_path / "wav").iterdir())
    assert about["spoken"] == ["000000.00s.wav", "000002.88s.wav"]
    whole = mne.io.RawArray(np.concatenate(received).T, raw.info, verbose="ERROR")
    reading = ReadingChoice(scale="listener")
    conditions = cell.encode(whole, listener="01", starts_s=[0.0, 2.88], reading=reading)
    clips = cell.generate(conditions, [derive_seed(0, "clip", number) for number in range(2)])
    for name, expected in zip(about["spoken"], clips.waveform, strict=True):
        np.testing.assert_allclose(soundfile.read(tmp_path / "wav" / name)[0], expected.clip(-1, 1), atol=3e-3)

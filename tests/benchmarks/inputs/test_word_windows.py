"""Windows at word onsets: where they lie, whose EEG and frames they hold, and the stage that scores them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from eeg2speech_bench.benchmarks.inputs.target_frames import FrameStore, write_frames
from eeg2speech_bench.benchmarks.inputs.word_windows import SPLIT, OnsetFrames, OnsetStore
from eeg2speech_bench.benchmarks.metrics.retrieval import top_1
from eeg2speech_bench.benchmarks.models.pair import AlignedPair
from eeg2speech_bench.benchmarks.stage_inputs import WordsInputs
from eeg2speech_bench.benchmarks.stages import words
from eeg2speech_bench.core.conditioning import Conditioning, Encoder, Target
from eeg2speech_bench.core.segments.segment_store import SegmentStore, TargetInfo
from eeg2speech_bench.core.specs import EncoderSpec

# Words start at 16, 16.4, ... 23.6 s; the test windows of 2 s are from 16 to 24 s, and a window starts 0.5 s early.
STARTS = 15.5 + 0.4 * np.arange(2, 17)
FIRST = 12  # windows there are before those at words
N_SAMPLES = 1200  # of a recording


def change_segments(store: SegmentStore, keep) -> OnsetStore:
    table = store.segments
    keep(table).to_parquet(store.path / "segments.parquet")
    return OnsetStore(store.path)


def starts_of(store: OnsetStore, recording: int) -> list[int]:
    table = store.segments
    return table.loc[(table["split"] == SPLIT) & (table["recording"] == recording), "eeg_start"].tolist()


def test_windows_start_half_a_second_before_every_word_that_two_test_windows_hold(store):
    onsets = OnsetStore(store.path).onsets
    assert onsets["start_s"].to_numpy() == pytest.approx(STARTS)
    assert onsets["word"].tolist() == [f"w{i % 7}" for i in range(2, 17)]


def test_eeg_and_sound_are_those_of_that_moment(store):
    at_words = OnsetStore(store.path)
    for recording in range(3):
        assert starts_of(at_words, recording) == [recording * N_SAMPLES + round(20 * start) for start in STARTS]
    sound = at_words.gather_sound(np.array([FIRST + 3]))[0]
    first = round(16_000 * STARTS[3])
    np.testing.assert_array_equal(sound, np.asarray(store.sound[first : first + 32_000]))


def test_text_is_the_words_whose_middle_lies_inside(store):
    assert OnsetStore(store.path).text(np.array([FIRST])) == ("W1, W2, W3, W4, W5,",)  # 16.3 to 18.3 s


def test_rows_that_were_there_keep_their_numbers(store):
    at_words = OnsetStore(store.path)
    pd.testing.assert_frame_equal(at_words.windows[:FIRST], store.windows, check_dtype=False)
    pd.testing.assert_frame_equal(at_words.segments[: len(store.segments)], store.segments, check_dtype=False)
    np.testing.assert_array_equal(at_words.indices("train"), store.indices("train"))


def test_a_listener_who_missed_a_window_has_no_segment_that_reaches_into_it(store):
    # window 9 is 18 to 20 s: what starts after 16 s reaches into it, and what starts before 20 s begins in it
    at_words = change_segments(store, lambda t: t[~((t["recording"] == 1) & (t["window"] == 9))])
    assert starts_of(at_words, 1) == [N_SAMPLES + round(20 * s) for s in STARTS if s >= 20]
    assert len(starts_of(at_words, 0)) == len(STARTS)


def test_two_presentations_in_one_recording_are_two_segments_and_are_not_mixed(store):
    again = store.segments[store.segments["recording"] == 0].assign(eeg_start=lambda t: t["eeg_start"] + 600)
    at_words = change_segments(store, lambda t: pd.concat([t, again], ignore_index=True))
    once = [round(20 * start) for start in STARTS]
    assert starts_of(at_words, 0) == sorted([*once, *(first + 600 for first in once)])


def test_a_word_half_a_second_into_a_window_needs_no_second_window(store):
    table = store.words.iloc[:1].assign(start_s=22.5, stop_s=22.8)  # its window is the last test window itself
    table.to_parquet(store.path / "words.parquet")
    at_words = OnsetStore(store.path)
    assert at_words.onsets["start_s"].tolist() == [22.0]
    assert starts_of(at_words, 2) == [2 * N_SAMPLES + 440]


def test_data_without_words_have_no_such_window(store):
    store.words.iloc[:0].to_parquet(store.path / "words.parquet")
    at_words = OnsetStore(store.path)
    assert (len(at_words.onsets), len(at_words.windows), len(at_words.segments)) == (0, 12, 36)


def frames_of_first_listener(store: SegmentStore, folder) -> FrameStore:
    """Write frames at 20 Hz that are the EEG of listener 0, so that a network that copies EEG is a perfect decoder."""
    folder.mkdir()
    eeg = np.asarray(store.eeg[:N_SAMPLES])
    zones = store.zones[["start_s", "stop_s"]].to_numpy()
    write_frames(folder, store, [eeg[round(20 * start) : round(20 * stop)] for start, stop in zones], 20.0)
    return FrameStore(folder, store)


def test_frames_are_those_of_that_moment(store, tmp_path):
    frames_of_first_listener(store, tmp_path / "features")
    at_words = OnsetStore(store.path)
    frames = OnsetFrames(tmp_path / "features", at_words).gather(np.arange(FIRST, FIRST + len(STARTS)))
    for start, window in zip(STARTS, frames, strict=True):
        first = round(20 * start)
        np.testing.assert_array_equal(window, np.asarray(store.eeg[first : first + 40]))


class Copy(Encoder):
    def forward(self, batch):
        return Conditioning.from_tokens(batch.eeg.transpose(1, 2))


class Frames(Target):
    info = TargetInfo(dim=3, n_tokens=40, token_rate_hz=20.0)

    def forward(self, frames):
        return frames


PAIR = SimpleNamespace(
    encoder=EncoderSpec("copy", "nowhere:Copy"),
    load=lambda store, path: AlignedPair(Copy(), Frames(), None),
    gather=lambda store, rows: store.gather(rows),
)


def run(store: SegmentStore, tmp_path):
    frames_of_first_listener(store, tmp_path / "features")
    (tmp_path / "out").mkdir()
    places = {"prepared": store.path, "features": tmp_path / "features", "aligned": tmp_path}
    words.run(WordsInputs(**places, pair=PAIR, seed=0, device="cpu"), tmp_path / "out", lambda note, share: None)
    return tmp_path / "out"


def test_copied_eeg_finds_its_own_window_at_a_word_and_nobody_elses_does(store, tmp_path):
    out = run(store, tmp_path)
    table, windows = (pd.read_parquet(out / f"{name}.parquet") for name in ("segments", "windows"))
    assert windows["word"].tolist() == [f"w{i % 7}" for i in range(2, 17)]
    assert table["start_s"].to_numpy() == pytest.approx(windows["start_s"].to_numpy()[table["true"]])
    credit = {name: top_1(np.load(out / f"scores_{name}.npy"), table["true"].to_numpy()) for name in ("eeg", "shift")}
    own = table["subject"] == 0
    assert credit["eeg"][own].tolist() == [1.0] * 15
    assert credit["eeg"][~own].mean() < 0.4 and credit["shift"].mean() < 0.4
    audio = np.load(out / "scores_audio.npy")
    assert top_1(audio, table["true"].to_numpy()).tolist() == [1.0] * 45


def test_every_control_is_scored(store, tmp_path):
    out = run(store, tmp_path)
    names = {path.stem.removeprefix("scores_") for path in out.glob("scores_*.npy")}
    assert names == {"eeg", "shift", "phase", "shuffle", "mean", "none", "audio"}
    assert not np.load(out / "scores_none.npy").any()


def test_too_few_windows_have_tables_and_no_scores(store, tmp_path):
    store.words.iloc[:8].to_parquet(store.path / "words.parquet")
    out = run(store, tmp_path)
    assert sorted(path.name for path in out.iterdir()) == ["segments.parquet", "windows.parquet"]
    assert len(pd.read_parquet(out / "windows.parquet")) == 0

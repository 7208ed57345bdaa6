"""A window of a stream is the window of the whole recording, as soon as its samples are there."""

from __future__ import annotations

import mne
import numpy as np
import pytest

from eeg2speech_bench.benchmarks.live.known_sounds import KnownSounds
from eeg2speech_bench.benchmarks.live.stream_buffer import FILLED, StreamBuffer
from eeg2speech_bench.benchmarks.live.stream_decoder import DecodedWindow, DroppedWindow, StreamDecoder
from eeg2speech_bench.benchmarks.live.stream_windows import StreamWindows
from eeg2speech_bench.benchmarks.trained.candidate_sounds import score_candidates
from eeg2speech_bench.benchmarks.trained.listening_task import sounds_of_folder
from eeg2speech_bench.benchmarks.trained.montage_matching import ChannelMap
from eeg2speech_bench.benchmarks.trained.recording_windows import ReadingChoice, RecordingWindows
from eeg2speech_bench.benchmarks.trained.trained_cell import TrainedCell, load_cell
from eeg2speech_bench.core.errors import DataError, UsageError

CALIBRATE_S = 4.0
FITTED = ReadingChoice()


def windows_of(cell: TrainedCell, info: mne.Info, choice=FITTED, calibrate_s=CALIBRATE_S) -> StreamWindows:
    return StreamWindows(StreamBuffer(info), cell, choice, "01", calibrate_s, "LSL stream 's'")


def stream(windows: StreamWindows, raw: mne.io.BaseRaw, lost: slice = slice(0, 0), chunk: int = 64):
    """Send a recording in chunks; yield after each."""
    eeg, stamps = raw.get_data().T, 7.0 + raw.times
    kept = np.delete(np.arange(len(stamps)), lost)
    for first in range(0, len(kept), chunk):
        part = kept[first : first + chunk]
        windows.buffer.add(eeg[part], stamps[part])
        yield windows.buffer.n_samples


def decode(cell, raw, sounds=None, onsets_s=(0.0,), lost=slice(0, 0), choice=FITTED):
    """Decode a recording that is sent in chunks."""
    windows = windows_of(cell, raw.info, choice)
    decoder = StreamDecoder(windows, cell, KnownSounds(cell.candidates(sounds_of_folder(sounds)) if sounds else []))
    for onset_s in onsets_s:
        decoder.begin(onset_s)
    found = [one for _ in stream(windows, raw, lost) for one in decoder.due()]
    return decoder, found


def offline(cell: TrainedCell, raw: mne.io.BaseRaw) -> RecordingWindows:
    """Open a whole recording, with the scale of its first seconds."""
    whole = cell.open(raw, listener="01")
    whole.scale = cell.open(raw.copy().crop(0, CALIBRATE_S, include_tmax=False), listener="01").scale
    return whole


@pytest.mark.parametrize(
    "data", [{}, {"sfreq": 256.0}, {"sfreq": 100.0, "window_s": 1.2}, {"lowpass_hz": 40.0, "window_s": 2.0}]
)
def test_every_window_is_that_of_the_whole_recording(write_cell, registry, tmp_path, recording, data):
    cell = load_cell(write_cell(tmp_path / "model", **data), device="cpu", registry=registry)
    whole, windows = offline(cell, recording), windows_of(cell, recording.info)
    rows, read = list(whole.rows(np.arange(4.0, 20.0, 0.77))), []
    for n_samples in stream(windows, recording):
        while windows.is_calibrated() and rows and windows.needed(rows[0]) <= n_samples:
            row = rows.pop(0)
            np.testing.assert_array_equal(windows.read(row), whole.gather(np.array([row])))
            read.append(row)
            windows.forget_before(row)
    assert (len(read), rows) == (21, [])


def test_scores_are_those_of_the_whole_recording(cell, recording, sounds):
    _, found = decode(cell, recording, sounds, onsets_s=(0.3,))
    starts_s = np.array([one.start_s for one in found])
    np.testing.assert_allclose(starts_s, 0.3 + np.arange(4, 20))
    whole = offline(cell, recording)
    candidates = cell.candidates(sounds_of_folder(sounds))
    scores = score_candidates(cell.estimate(whole, whole.rows(starts_s), "01"), starts_s - 0.3, candidates)
    np.testing.assert_allclose([one.scores for one in found], scores, atol=1e-5 * np.abs(scores).max())


def test_matches_are_deviations_from_other_moments_of_the_same_sound(cell, recording, sounds):
    _, found = decode(cell, recording, sounds)
    matches = np.array([one.matches for one in found])
    assert matches.shape == (16, 3)
    assert 0.3 < np.abs(matches).mean() < 2


def test_filters_that_look_too_far_ahead_are_said_and_end_where_the_samples_do(
    write_cell, registry, tmp_path, recording
):
    cell = load_cell(write_cell(tmp_path / "model", highpass_hz=2.0), device="cpu", registry=registry)
    windows = windows_of(cell, recording.info)
    assert "is read 0.75 s after its end, though filters look 3.0 s ahead" in windows.notes[-1]
    row = windows.first_row(12.0)
    sent = stream(windows, recording)
    while next(sent) < windows.needed(row):
        pass
    assert windows.is_calibrated()
    until = recording.copy().crop(0, windows.needed(row) / recording.info["sfreq"], include_tmax=False)
    np.testing.assert_array_equal(windows.read(row), offline(cell, until).gather(np.array([row])))


def test_windows_with_lost_samples_are_dropped_and_the_others_stay_in_time(cell, recording):
    first, stop = round(10.2 * 256), round(10.5 * 256)
    decoder, found = decode(cell, recording, lost=slice(first, stop))
    dropped = [one for one in found if isinstance(one, DroppedWindow)]
    assert [(one.start_s, one.why) for one in dropped] == [
        (10.0, f"Samples of the window were lost: got {stop - first}, expected none.")
    ]
    marked = mne.io.RawArray(recording.get_data().copy(), recording.info, verbose="ERROR")
    marked._data[:, first:stop] = 0
    marked.set_annotations(mne.Annotations([first / 256], [(stop - first) / 256], [FILLED]))
    whole = offline(cell, marked)
    kept = [one for one in found if isinstance(one, DecodedWindow)]
    starts_s = np.array([one.start_s for one in kept])
    expected = cell.estimate(whole, whole.rows(starts_s), "01").numpy()
    np.testing.assert_allclose(np.concatenate([one.estimate for one in kept]), expected, atol=1e-5)
    assert decoder.windows.buffer.n_lost == stop - first


def test_a_stretch_that_is_not_finite_costs_its_windows_alone(cell, recording):
    broken = mne.io.RawArray(recording.get_data().copy(), recording.info, verbose="ERROR")
    broken._data[3, 10 * 256] = np.nan
    _, found = decode(cell, broken)
    dropped = [one.start_s for one in found if isinstance(one, DroppedWindow)]
    assert 10.0 in dropped
    assert len(dropped) <= 3 < len(found) - len(dropped)


def test_sounds_that_begin_again_are_counted_from_their_new_start(cell, recording, sounds):
    _, found = decode(cell, recording, sounds, onsets_s=(5.0, 8.5))
    assert [(one.number, one.start_s) for one in found[:4]] == [(0, 5.0), (1, 6.0), (2, 7.0), (0, 8.5)]


def test_decoding_is_over_when_the_sounds_are(cell, recording, sounds):
    decoder, found = decode(cell, recording, sounds, onsets_s=(-14.0,))
    assert decoder.is_over
    assert [one.number for one in found] == [18, 19]


def test_only_the_last_seconds_are_kept(cell, recording):
    decoder, _ = decode(cell, recording)
    with pytest.raises(DataError, match="no longer kept"):
        decoder.windows.buffer.recording(9 * 256, 10 * 256)


def test_a_scale_of_the_training_needs_no_calibration(cell, recording):
    decoder, found = decode(cell, recording, choice=ReadingChoice(scale="r"))
    assert found[0].start_s == 0.0
    assert decoder.windows.notes[-1] == "scale of the channels: that of recording 'r' in the training"


def test_a_stream_of_other_channels_is_refused_before_it_is_read(cell, recording):
    info = mne.pick_info(recording.info, np.arange(12))
    with pytest.raises(DataError, match=r"LSL stream 's' has another montage than the model: .*--map-channels"):
        windows_of(cell, info)
    windows_of(cell, info, ReadingChoice(ChannelMap(interpolate=True)))


def test_a_stream_of_another_rate_is_refused_before_it_is_read(cell, recording):
    other = recording.copy().resample(250.0, verbose="ERROR")
    with pytest.raises(DataError, match=r"LSL stream 's' has another sampling rate .*got 250 Hz.*--resample"):
        windows_of(cell, other.info)


def test_a_calibration_shorter_than_a_window_is_refused(cell, recording):
    with pytest.raises(UsageError, match=r"calibration is too short: got 0.5 s, expected at least a window, 1 s"):
        windows_of(cell, recording.info, calibrate_s=0.5)


def test_a_flat_channel_in_the_calibration_is_refused(cell, recording):
    flat = mne.io.RawArray(recording.get_data().copy(), recording.info, verbose="ERROR")
    flat._data[2] = 0
    with pytest.raises(DataError, match=f"flat channels .*got {recording.ch_names[2]}"):
        decode(cell, flat)

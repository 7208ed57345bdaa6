from __future__ import annotations

from functools import partial

import mne
import numpy as np
import pandas as pd
import pytest

from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.prepared import Prepared
from eeg2speech_bench.core.segments.recordings import Presentation, Recording
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.datasets.bids.bids_dataset import open_bids
from eeg2speech_bench.datasets.preparation.cut_markers import find_cuts
from eeg2speech_bench.datasets.preparation.prepare import prepare
from eeg2speech_bench.datasets.preparation.preprocessing import load_eeg
from eeg2speech_bench.datasets.preparation.windows import segment_table

SFREQ = 250
NAMES = ("Fz", "Cz", "Pz", "Oz")
SETTINGS = DataConfig(sfreq=120.0, shift_s=0.15)
N_TIMES = 346
STORY_S, ONSET_S = 40.0, 2.0
#: the recording is paused at this time, for this long
PAUSE_AT_S, PAUSE_S = 15.5, 3.5
PAUSE = (round(PAUSE_AT_S * SFREQ), PAUSE_S)
TABLE = "onset|duration|stim_file\n"


def cut_notes(notes):
    """The notes that are not on channels or their positions."""
    return [note for note in notes if "EEG channels" not in note and "electrode positions" not in note]


def world(times_s):
    """What the electrodes would show at every time that passed, recorded or not: no stretch of it returns."""
    hz = np.array([0.31, 0.83, 1.37, 2.21, 3.49])
    waves = np.sin(2 * np.pi * hz[:, None, None] * np.asarray(times_s) + np.arange(4)[:, None] * hz[:, None, None])
    return 20 * waves.sum(0)


def recorded(seconds, pauses):
    """Samples that are stored of the world, shape (4, n_samples)."""
    passed_s = np.arange(round(seconds * SFREQ)) / SFREQ
    for sample, pause_s in pauses:
        passed_s[sample:] += pause_s or 5.0
    return world(passed_s)


def raw_of(eeg, first_samp=0):
    info = mne.create_info(list(NAMES), SFREQ, "eeg")
    return mne.io.RawArray(eeg * 1e-6, info, first_samp=first_samp, verbose="ERROR")


def loaded(raw, *presentations, settings=SETTINGS):
    return load_eeg(Recording("r", "s", "folder/r.fif", presentations, raw.copy), settings)


def segments(loaded_eeg, stimulus_id=None):
    """First row of the EEG and start in the story of every window, sorted."""
    stimulus_id = stimulus_id or loaded_eeg.presentations[0].stimulus_id
    starts_s = np.arange(0, STORY_S - 2.88, 0.5)
    windows = pd.DataFrame({"stimulus": 0, "start_s": starts_s, "split": "train"})
    own = [p for p in loaded_eeg.presentations if p.stimulus_id == stimulus_id]
    table = segment_table(own, windows, [stimulus_id], SETTINGS, len(loaded_eeg.eeg))
    return list(zip(table["eeg_start"], starts_s[table["window"]], strict=True))


def assert_in_step(loaded_eeg, found, onset_s=ONSET_S):
    """The EEG of a window is what the electrodes showed 150 ms after its sound, in time that passed."""
    for row, start_s in found:
        expected = world(onset_s + start_s + 0.15 + np.arange(N_TIMES) / 120)
        np.testing.assert_allclose(loaded_eeg.eeg[row : row + N_TIMES].T, expected, atol=3)


def sides(found, cut_s=PAUSE_AT_S):
    """How many windows lie before a cut and behind it; none may lie on both sides."""
    border = round(cut_s * 120)
    before, behind = (sum(row + N_TIMES <= border for row, _ in found), sum(row >= border for row, _ in found))
    assert before + behind == len(found)
    return before, behind


# Pauses of known length


@pytest.mark.parametrize("kind", ["brainvision", "eeglab", "edf", "bdf"])
def test_behind_a_pause_the_sound_is_later_by_what_was_not_recorded(paused_bids, kind):
    root = paused_bids(kind, recorded(45, [PAUSE]), [PAUSE], {"a.wav": STORY_S}, f"{TABLE}2|40|a.wav\n")
    eeg = load_eeg(open_bids(root).recordings[0], SETTINGS)
    found = segments(eeg)
    before, behind = sides(found)
    assert (before, behind) == (21, 41)
    assert_in_step(eeg, found)


@pytest.mark.parametrize(("kind", "name"), [("brainvision", "New Segment"), ("eeglab", "boundary"), ("edf", "EDF.D")])
def test_a_pause_within_a_story_is_noted(paused_bids, kind, name):
    root = paused_bids(kind, recorded(45, [PAUSE]), [PAUSE], {"a.wav": STORY_S}, f"{TABLE}2|40|a.wav\n")
    (note,) = cut_notes(load_eeg(open_bids(root).recordings[0], SETTINGS).notes)
    assert note.startswith("sub-01_task-listen_eeg.")
    assert f"3.500 s are missing at 15.500 s ({name.replace('.', '+')}); 1 presentation went on meanwhile" in note


def test_the_prepared_data_set_repeats_the_note_and_keeps_windows_apart_from_the_pause(paused_bids, tmp_path):
    root = paused_bids("brainvision", recorded(45, [PAUSE]), [PAUSE], {"a.wav": STORY_S}, f"{TABLE}2|40|a.wav\n")
    prepare(open_bids(root), DataConfig(fractions=(0.6, 0.2, 0.2), guard_s=0.5), tmp_path / "out")
    (note,) = [n for n in Prepared.read(tmp_path / "out").dataset.notes if cut_notes([n.note])]
    assert note.recording == "sub-01_task-listen_eeg"
    assert "3.500 s are missing at 15.500 s" in note.note
    rows = SegmentStore(tmp_path / "out").segments["eeg_start"].to_numpy()
    border = round(PAUSE_AT_S * 120)
    assert not ((rows < border) & (rows + N_TIMES > border)).any()
    assert (rows < border).any()
    assert (rows > border).any()


def test_only_the_first_of_many_cuts_are_noted_by_themselves():
    raw = raw_of(recorded(45, []))
    raw.set_annotations(mne.Annotations(np.arange(5, 20), np.full(15, 0.1), "boundary"))
    notes = loaded(raw, Presentation("a", ONSET_S, STORY_S)).notes
    assert len(notes) == 11
    assert notes[-1] == "r.fif: so at 5 later places."


def test_a_pause_between_stories_is_not_noted_and_moves_nothing(paused_bids):
    stories = {"a.wav": 12.0, "b.wav": STORY_S}
    root = paused_bids("eeglab", recorded(60, [PAUSE]), [PAUSE], stories, f"{TABLE}2|12|a.wav\n17|40|b.wav\n")
    recording = open_bids(root).recordings[0]
    eeg = load_eeg(recording, SETTINGS)
    assert cut_notes(eeg.notes) == []
    second = eeg.presentations[1].stimulus_id
    assert len(segments(eeg, second)) == 75
    assert_in_step(eeg, segments(eeg, second), onset_s=17 + PAUSE_S)


def test_a_story_may_follow_one_that_a_pause_shortened(paused_bids):
    stories = {"a.wav": STORY_S, "b.wav": 12.0}
    # 40 s of sound in 36.5 s of stored samples
    root = paused_bids("brainvision", recorded(60, [PAUSE]), [PAUSE], stories, f"{TABLE}2|40|a.wav\n39|12|b.wav\n")
    eeg = load_eeg(open_bids(root).recordings[0], SETTINGS)
    assert [round(p.duration_s, 1) for p in eeg.presentations] == [13.3, 23.1, 12.0]
    assert_in_step(eeg, segments(eeg))


@pytest.mark.parametrize("kind", ["brainvision", "eeglab"])
def test_rows_with_times_in_the_file_agree_across_a_pause(paused_bids, kind):
    rows = "3|1|a.wav|1\n10|1|a.wav|8\n20|1|a.wav|21.5\n30|1|a.wav|31.5\n"
    events = "onset|duration|stim_file|stim_onset\n" + rows
    root = paused_bids(kind, recorded(45, [PAUSE]), [PAUSE], {"a.wav": STORY_S}, events)
    eeg = load_eeg(open_bids(root).recordings[0], SETTINGS)
    assert sides(segments(eeg)) == (21, 41)
    assert_in_step(eeg, segments(eeg))


def test_onsets_beside_edf_with_pauses_count_the_time_that_passed(paused_bids):
    events = f"{TABLE}2|12|a.wav\n22.5|40|b.wav\n"
    stories = {"a.wav": 12.0, "b.wav": STORY_S}
    eeg = load_eeg(
        open_bids(paused_bids("edf", recorded(60, [PAUSE]), [PAUSE], stories, events)).recordings[0], SETTINGS
    )
    assert eeg.presentations[1].onset_s == pytest.approx(22.5 - PAUSE_S)
    assert_in_step(eeg, segments(eeg, eeg.presentations[1].stimulus_id), onset_s=22.5)


def test_a_story_that_began_in_a_pause_is_heard_from_its_end(paused_bids):
    root = paused_bids("edf", recorded(60, [PAUSE]), [PAUSE], {"a.wav": STORY_S}, f"{TABLE}17|40|a.wav\n")
    eeg = load_eeg(open_bids(root).recordings[0], SETTINGS)
    (heard,) = eeg.presentations
    assert heard.start_s == pytest.approx(2.0, abs=0.2)
    assert_in_step(eeg, segments(eeg), onset_s=17)


def test_behind_a_pause_a_story_goes_on_by_the_recordings_own_clock():
    raw = raw_of(recorded(45, [PAUSE]))
    raw.set_annotations(mne.Annotations(PAUSE_AT_S, PAUSE_S, "boundary"))
    eeg = loaded(raw, Presentation("a", ONSET_S, STORY_S, clock_ratio=1.02))
    found = segments(eeg)
    assert sides(found)[1] > 30
    for row, start_s in found:
        passed_s = ONSET_S + 1.02 * start_s + 0.15
        assert abs(row / 120 + (PAUSE_S if row / 120 >= PAUSE_AT_S else 0) - passed_s) < 0.5 / 120 + 1e-6


def test_two_pauses_add_up(paused_bids):
    pauses = [PAUSE, (round(24.5 * SFREQ), 2.0)]
    root = paused_bids("brainvision", recorded(45, pauses), pauses, {"a.wav": STORY_S}, f"{TABLE}2|40|a.wav\n")
    eeg = load_eeg(open_bids(root).recordings[0], SETTINGS)
    assert len(cut_notes(eeg.notes)) == 2
    assert sides(segments(eeg), 24.5)[1] > 10
    assert_in_step(eeg, segments(eeg))


# Pauses of unknown length


@pytest.mark.parametrize("kind", ["brainvision", "eeglab"])
def test_behind_a_pause_of_unknown_length_nothing_of_the_story_is_used(paused_bids, kind):
    pauses = [(PAUSE[0], None)]
    root = paused_bids(kind, recorded(45, pauses), pauses, {"a.wav": STORY_S}, f"{TABLE}2|40|a.wav\n")
    eeg = load_eeg(open_bids(root).recordings[0], SETTINGS)
    assert sides(segments(eeg)) == (21, 0)
    assert_in_step(eeg, segments(eeg))
    assert "an unknown time is missing at 15.500 s" in cut_notes(eeg.notes)[0]
    assert cut_notes(eeg.notes)[0].endswith("the rest of 1 presentation is not used.")


def test_later_rows_place_the_story_again_behind_a_pause_of_unknown_length(paused_bids):
    pauses = [(PAUSE[0], None)]  # five seconds in truth
    rows = "3|1|a.wav|1\n10|1|a.wav|8\n20|1|a.wav|23\n30|1|a.wav|33\n"
    events = "onset|duration|stim_file|stim_onset\n" + rows
    root = paused_bids("eeglab", recorded(45, pauses), pauses, {"a.wav": STORY_S}, events)
    eeg = load_eeg(open_bids(root).recordings[0], SETTINGS)
    assert sides(segments(eeg)) == (21, 38)
    assert_in_step(eeg, segments(eeg))


def test_a_clock_that_was_set_back_says_nothing_of_the_pause(paused_bids):
    pauses = [(PAUSE[0], -3600.0)]
    root = paused_bids("brainvision", recorded(45, [PAUSE]), pauses, {"a.wav": STORY_S}, f"{TABLE}2|40|a.wav\n")
    assert sides(segments(load_eeg(open_bids(root).recordings[0], SETTINGS))) == (21, 0)


def test_a_row_named_boundary_is_no_cut_in_a_format_with_marks_of_its_own(paused_bids):
    events = "onset|duration|trial_type|stim_file\n2|40|story|a.wav\n9|0|boundary|n/a\n"
    root = paused_bids("brainvision", recorded(45, []), [], {"a.wav": STORY_S}, events)
    assert load_eeg(open_bids(root).recordings[0], SETTINGS).notes[2:] == ()


def test_a_new_segment_of_a_converted_file_is_a_pause_of_unknown_length():
    raw = raw_of(recorded(45, []))
    raw.set_annotations(mne.Annotations(PAUSE_AT_S, 0, "New Segment/"))
    assert [(cut.at_s, cut.removed_s) for cut in find_cuts(raw)] == [(PAUSE_AT_S, None)]


# Samples that were not recorded


def test_no_window_lies_in_what_the_writer_of_an_edf_file_filled_in(paused_bids):
    root = paused_bids("edf", recorded(41, []), [], {"a.wav": STORY_S}, f"{TABLE}2|39|a.wav\n", padded_s=0.7)
    recording = open_bids(root).recordings[0]
    (cut,) = find_cuts(recording.load())
    assert (cut.at_s, cut.skipped_s) == (pytest.approx(40.3), pytest.approx(0.7))
    rows = [row for row, _ in segments(load_eeg(recording, SETTINGS))]
    assert (max(rows) + N_TIMES) / 120 <= 40.3


def test_the_gap_of_a_fif_file_holds_no_window_and_moves_nothing(tmp_path):
    raw = raw_of(recorded(45, []))
    raw._data[:, PAUSE[0] : PAUSE[0] + 500] = 0
    raw.set_annotations(mne.Annotations(PAUSE_AT_S, 2.0, "BAD_ACQ_SKIP"))
    raw.save(tmp_path / "gap_raw.fif", verbose="ERROR")
    read = mne.io.read_raw_fif(tmp_path / "gap_raw.fif", verbose="ERROR")
    eeg = loaded(read, Presentation("a", ONSET_S, STORY_S))
    found = segments(eeg)
    assert [row for row, _ in found if PAUSE_AT_S * 120 - N_TIMES < row < (PAUSE_AT_S + 2) * 120] == []
    assert sides(found)[0] == 21
    assert sides(found)[1] > 30
    assert_in_step(eeg, found)
    assert eeg.notes == ("r.fif: 2.000 s from 15.500 s were not recorded (BAD_ACQ_SKIP); no window lies there.",)


# Joined runs, and recordings that start late


def test_no_window_spans_the_joint_of_two_runs():
    runs = [raw_of(recorded(PAUSE_AT_S, [])), raw_of(world(100 + np.arange(30 * SFREQ) / SFREQ))]
    joined = mne.concatenate_raws(runs, verbose="ERROR")
    heard = Presentation("a", ONSET_S, STORY_S), Presentation("b", PAUSE_AT_S + 2, 20.0)
    eeg = loaded(joined, *heard)
    assert sides(segments(eeg, "a")) == (21, 0)
    assert_in_step(eeg, segments(eeg, "a"))
    assert sides(segments(eeg, "b"))[1] == 35
    assert_in_step(eeg, segments(eeg, "b"), onset_s=102)


def test_the_joint_of_runs_is_seen_in_a_file_that_holds_it_as_a_comment():
    raw = raw_of(recorded(45, []))
    raw.set_annotations(mne.Annotations(PAUSE_AT_S, 0, "Comment/BAD boundary"))
    assert [(cut.at_s, cut.removed_s) for cut in find_cuts(raw)] == [(PAUSE_AT_S, None)]


def test_cuts_of_joined_files_are_counted_from_the_first_sample_of_all(paused_bids):
    root = paused_bids("eeglab", recorded(45, [PAUSE]), [PAUSE], {"a.wav": STORY_S}, f"{TABLE}2|40|a.wav\n")
    read = partial(mne.io.read_raw_eeglab, next(root.rglob("*.set")), verbose="ERROR")
    joined = mne.concatenate_raws([read().crop(5.0), read()], verbose="ERROR")
    assert [(round(cut.at_s, 3), cut.removed_s) for cut in find_cuts(joined)] == [
        (10.5, PAUSE_S),
        (40.0, None),
        (55.5, PAUSE_S),
    ]


def test_onsets_count_from_the_first_sample_of_a_recording_that_starts_late():
    eeg = loaded(raw_of(recorded(45, []), first_samp=1555), Presentation("a", ONSET_S, STORY_S))
    assert len(segments(eeg)) == 75
    assert_in_step(eeg, segments(eeg))


def test_marks_count_from_the_first_sample_of_a_recording_that_starts_late():
    raw = raw_of(recorded(45, []), first_samp=1555)
    raw.set_annotations(mne.Annotations(PAUSE_AT_S, 2.0, "BAD_ACQ_SKIP"))
    assert [(cut.at_s, cut.skipped_s) for cut in find_cuts(raw)] == [(PAUSE_AT_S, 2.0)]


# Filters


def test_filters_and_resampling_mix_no_samples_across_a_cut():
    quiet, loud = recorded(PAUSE_AT_S, []), recorded(30, []) + 5000
    settings = DataConfig(sfreq=120.0, highpass_hz=0.5, lowpass_hz=30)
    alone = loaded(raw_of(quiet), settings=settings).eeg
    joined = mne.concatenate_raws([raw_of(quiet), raw_of(loud)], verbose="ERROR")
    np.testing.assert_allclose(loaded(joined, settings=settings).eeg[: len(alone)], alone, atol=1e-3)

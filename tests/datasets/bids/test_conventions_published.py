"""Tables of published data sets are read as their descriptions say, with stimuli of the lengths that are published."""

from __future__ import annotations

import numpy as np
import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Stimulus
from eeg2speech_bench.datasets.bids.description import Description
from eeg2speech_bench.datasets.bids.events import NothingHeardError, read_stimulus_rows
from eeg2speech_bench.datasets.bids.presentations import join


def joined(root, recording, description, seconds):
    rows = read_stimulus_rows(root, root / recording, Description.model_validate(description))
    return join(rows, lambda name, source: Stimulus(name, name, seconds(name), lambda: None), 20_000.0)


ALICE = {
    "events": {"rows": "inside", "inside": "in_wav", "word": "word", "sentence": "sentence_id"},
    "lookup": {
        "table": "sourcedata/AliceChapterOne-EEG.csv",
        "match": {"word_index": "Order"},
        "take": {"in_wav": "onset"},
    },
}
#: seconds of the files: those of the published TextGrids and of the published twelfth file
ALICE_S = [57.54, 60.85, 63.25, 69.98, 66.26, 63.77, 62.90, 57.31, 57.21, 61.24, 56.16, 46.98]
ALICE_EEG = "sub-001/eeg/sub-001_task-alicelistening_eeg.vhdr"


def alice_s(name):
    return ALICE_S[int(name.removesuffix(".wav").rpartition("SoundFile")[2]) - 1]


def test_the_published_words_of_alice_place_its_twelve_files(realdata):
    found = joined(realdata / "brennan2019_nm000180", ALICE_EEG, ALICE, alice_s)
    starts = [p.onset_s for p in found.presentations]
    gaps = [57.618, 60.912, 63.312, 70.044, 66.328, 63.828, 62.962, 57.378, 57.278, 61.312, 56.228]
    assert np.diff(starts) == pytest.approx(gaps, abs=0.02)
    assert sum(map(len, found.words.values())) == 2129
    assert {p.clock_ratio for p in found.presentations} == {1.0}


def test_the_published_words_of_alice_are_refused_without_a_description(realdata):
    with pytest.raises(DataError, match=r"SoundFile1\.wav' in rows that cannot all be its start.*\[lookup\]"):
        joined(realdata / "brennan2019_nm000180", ALICE_EEG, {}, alice_s)


#: a little more than the last word of each
MEG_MASC_S = {"audio/lw1_0.wav": 97.0, "audio/lw1_1.wav": 77.0, "audio/lw1_2.wav": 95.0, "audio/lw1_3.wav": 54.0}


def test_the_published_words_of_meg_masc_place_its_four_files(realdata):
    said = {"rows": "inside", "sound": "sound", "inside": "start", "word": "word", "where": {"kind": ["word"]}}
    recording = "sub-01/ses-0/meg/sub-01_ses-0_task-0_meg.con"
    found = joined(realdata / "bids_skeletons" / "nm000229", recording, {"events": said}, MEG_MASC_S.get)
    assert [(p.stimulus_id, round(p.onset_s, 3)) for p in found.presentations] == [
        ("audio/lw1_0.wav", 23.506),
        ("audio/lw1_1.wav", 127.185),
        ("audio/lw1_2.wav", 210.048),
        ("audio/lw1_3.wav", 311.027),
    ]


@pytest.mark.parametrize("book", ["audiobook1_run-01", "audiobook1_run-02", "audiobook2_run-01", "audiobook2_run-02"])
def test_the_published_seconds_of_meg_scans_show_the_drift_of_its_clock(realdata, book):
    said = {"rows": "periodic", "where": {"trial_type": ["audiobook 1s"]}}
    root = realdata / "bids_skeletons" / "ds006468"
    found = joined(root, f"sub-02/meg/sub-02_task-{book}_meg.fif", {"events": said}, lambda name: 600.0)
    (p,) = found.presentations
    assert p.stimulus_id == f"audiobooks/task-{book}_stim.wav"
    assert p.clock_ratio == pytest.approx(1.000485, abs=2e-6)


def test_the_published_triggers_of_attended_books_name_their_files(realdata):
    said = {"sound": "exp1/{attend}_{chapter:03}.wav", "where": {"value": [1]}}
    recording = "sub-diotic28/eeg/sub-diotic28_task-exp1DioticCortex_eeg.vhdr"
    found = joined(realdata / "bids_skeletons" / "ds006434", recording, {"events": said}, lambda name: 64.0)
    assert len(found.presentations) == 120
    assert (found.presentations[0].stimulus_id, found.presentations[0].onset_s) == ("exp1/Female_000.wav", 60.9)


def test_the_published_runs_without_events_name_their_files(realdata):
    root = realdata / "bids_skeletons" / "ds004408"
    recording = "sub-001/eeg/sub-001_task-listening_run-02_eeg.vhdr"
    said = {"rows": "recording", "sound": "audio{run}.wav"}
    (p,) = joined(root, recording, {"events": said}, lambda name: 177.0).presentations
    assert (p.stimulus_id, p.onset_s, p.duration_s) == ("audio02.wav", 0.0, 177.0)
    with pytest.raises(NothingHeardError, match=r"no sub-001_task-listening_run-02_events\.tsv"):
        joined(root, recording, {}, lambda name: 177.0)

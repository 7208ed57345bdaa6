"""A run whose sound was recorded beside the EEG, in ``beh/*_recording-audio_beh.wav``, as in ds007808."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.prepared import Prepared
from eeg2speech_bench.datasets.bids.bids_dataset import open_bids
from eeg2speech_bench.datasets.preparation.prepare import prepare

#: seconds of a sound, and between its start and that of the EEG; each row an item every three seconds
SOUND_S, STARTS_S, ITEMS_S = 66.0, {"01": 2.5, "02": 1.25}, np.arange(0.75, 64.0, 3.0)


@pytest.fixture
def recorded(bids_root, events_of):
    """Give both listeners a sound of their own, and events with the times inside it."""
    paths = {}
    for subject, start_s in STARTS_S.items():
        rows = [f"{start_s + t:g}|2.0|listening|{t:g}|0|some words\n" for t in ITEMS_S.tolist()]
        events_of(subject, "onset|duration|trial_type|wav_onset|sample|value\n" + "".join(rows))
        path = bids_root / f"sub-{subject}" / "beh" / f"sub-{subject}_task-listening_recording-audio_beh.wav"
        path.parent.mkdir()
        samples = 0.1 * np.random.default_rng(int(subject)).standard_normal(round(SOUND_S * 48_000))
        soundfile.write(path, samples, 48_000)
        paths[subject] = path
    return paths


def test_each_run_hears_its_own_file(bids_root, recorded):
    dataset = open_bids(bids_root)
    names = {s.stimulus_id: s.name for s in dataset.stimuli}
    for recording in dataset.recordings:
        (heard,) = recording.presentations
        assert names[heard.stimulus_id] == recorded[recording.subject].relative_to(bids_root).as_posix()
        assert heard.onset_s == pytest.approx(STARTS_S[recording.subject], abs=1e-6)
        assert (heard.start_s, heard.duration_s) == (0.0, SOUND_S)


def test_the_sound_is_part_of_the_revision(bids_root, recorded):
    before = open_bids(bids_root).revision
    samples, rate = soundfile.read(recorded["01"])
    soundfile.write(recorded["01"], samples / 2, rate)
    assert open_bids(bids_root).revision != before


def test_such_runs_are_prepared(bids_root, recorded, tmp_path):
    prepare(open_bids(bids_root), DataConfig(), tmp_path)
    assert len(Prepared.read(tmp_path).stimuli) == 2


def test_a_sound_that_was_not_downloaded_leaves_its_run_out(bids_root, recorded):
    recorded["02"].write_text("/annex/objects/SHA256E-s1--0.wav\n")
    dataset = open_bids(bids_root)
    assert [name for name, _ in dataset.skipped] == ["sub-02_task-listening_eeg"]
    assert "recording-audio_beh.wav was not downloaded" in dataset.skipped[0][1]


def test_an_item_that_is_off_the_line_of_its_sound_is_refused(bids_root, recorded):
    events = next(bids_root.glob("sub-01/eeg/*_events.tsv"))
    events.write_text(events.read_text().replace("\n11.25\t", "\n11.65\t").replace("\n12.25\t", "\n12.65\t"))
    with pytest.raises(DataError, match=r"Row \d+ of .*sub-01_task-listening_events\.tsv"):
        open_bids(bids_root)


def test_events_without_such_a_sound_are_left_out_as_before(bids_root, recorded):
    for path in recorded.values():
        path.unlink()
    with pytest.raises(DataError, match=r"events\.tsv has no column stim_file"):
        open_bids(bids_root)


@pytest.mark.slow
def test_such_runs_end_in_a_record(bids_root, recorded, typed):
    ran = typed(str(bids_root))
    assert ran.record.dataset.name == "tiny"

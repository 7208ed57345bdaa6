"""The description of a prepared data set comes back as it was written, and says what is wrong where it does not."""

from __future__ import annotations

import json

import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.prepared import Prepared
from eeg2speech_bench.core.segments.split import Evidence, Split

TREE = {
    "window_s": 2.88,
    "stride_s": 0.5,
    "shift_s": 0.15,
    "baseline_s": 0.5,
    "clamp_iqr": 20.0,
    "highpass_hz": None,
    "lowpass_hz": 40.0,
    "signal": {"n_chans": 1, "n_times": 346, "sfreq": 120.0, "chs_info": [{"ch_name": "Cz", "loc": [0.0, 1e-05]}]},
    "subjects": ["01"],
    "recordings": [
        {
            "recording_id": "r",
            "subject": "01",
            "start": 0,
            "stop": 400,
            "scale_from": "subject",
            "recorded_sfreq": 500.0,
        }
    ],
    "stimuli": [{"stimulus_id": "s", "name": "a.wav", "duration_s": 3.0, "speaker": ""}],
    "sound": {"kind": "waveform", "rate_hz": 16000.0},
    "dataset": {
        "name": "d",
        "revision": "1",
        "skipped": [{"recording": "q", "reason": "no events"}],
        "notes": [{"recording": "p", "note": "AUD left out"}],
    },
    "split": Split(kind="subject", evidence=Evidence(eeg_gap_s=0.25), hash="5c" * 32).model_dump(),
    "n_segments": {"train": 1, "valid": 1, "test": 1},
    "has_transcripts": False,
    "picks": "eeg",
}


def test_what_is_written_is_what_is_read(tmp_path):
    prepared = Prepared.model_validate(TREE)
    prepared.write(tmp_path)
    assert Prepared.read(tmp_path) == prepared


def test_the_file_holds_all_parts_in_their_order(tmp_path):
    Prepared.model_validate(TREE).write(tmp_path)
    assert (tmp_path / "meta.json").read_text() == json.dumps(TREE, indent=1)


def test_a_folder_without_the_file_is_incomplete(tmp_path):
    with pytest.raises(DataError, match=r"is incomplete: got no meta\.json.*Delete that folder and run again"):
        Prepared.read(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({**TREE, "window_s": "2"}), json.dumps({**TREE, "x": 1})])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "meta.json").write_text(content)
    with pytest.raises(DataError, match=r"meta\.json cannot be read: got .*Delete that folder and run again"):
        Prepared.read(tmp_path)

"""A tiny prepared data set, written by hand, so that tests of the benchmarks room need no data set of ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eeg2speech_bench.core.segments.prepared import Prepared
from eeg2speech_bench.core.segments.segment_store import SegmentStore

SFREQ, WINDOW_S, N_CHANS, RATE_HZ = 20.0, 2.0, 3, 16_000
N_SUBJECTS, N_WINDOWS, N_TIMES = 3, 12, 40
RECORDING_SAMPLES = 1200


def write_store(path: Path) -> None:
    """Write three listeners to one stimulus of 60 s, whose first 12 windows of 2 s are segments; 4 are test.

    A word starts every 0.4 s of the test windows, from 16 s on; sentences are of ten words, 4 s.
    """
    path.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    np.save(path / "eeg.npy", rng.standard_normal((N_SUBJECTS * RECORDING_SAMPLES, N_CHANS)).astype(np.float32))
    np.save(path / "scale.npy", np.ones((N_SUBJECTS, N_CHANS), np.float32))
    np.save(path / "sound.npy", rng.standard_normal(60 * RATE_HZ).astype(np.float32))
    splits = np.repeat(["train", "valid", "test"], [6, 2, 4])
    starts = np.arange(N_WINDOWS) * WINDOW_S
    windows = {"stimulus": "s", "start_s": starts, "sound_start": (starts * RATE_HZ).astype(int), "split": splits}
    pd.DataFrame(windows).assign(text="").to_parquet(path / "windows.parquet")
    rows = [
        {
            "recording": s,
            "subject": s,
            "window": w,
            "eeg_start": s * RECORDING_SAMPLES + int(w * WINDOW_S * SFREQ),
            "split": splits[w],
        }
        for s in range(N_SUBJECTS)
        for w in range(N_WINDOWS)
    ]
    pd.DataFrame(rows).to_parquet(path / "segments.parquet")
    zones = [(0.0, 12.0, "train"), (12.0, 16.0, "valid"), (16.0, 24.0, "test")]
    table = pd.DataFrame(zones, columns=["start_s", "stop_s", "split"]).assign(stimulus="s")
    table["sound_start"], table["sound_stop"] = ((table[c] * RATE_HZ).astype(int) for c in ("start_s", "stop_s"))
    table.to_parquet(path / "zones.parquet")
    onsets = 16 + 0.4 * np.arange(20)
    words = {"stimulus": "s", "start_s": onsets, "stop_s": onsets + 0.3, "text": [f"W{i % 7}," for i in range(20)]}
    pd.DataFrame({**words, "sentence": np.arange(20) // 10, "split": "test"}).to_parquet(path / "words.parquet")
    channel = {"loc": [0.01, 0.02, 0.03] + [0.0] * 9, "kind": 2, "coil_type": 1, "unit": 107, "coord_frame": 4}
    bounds = [
        {
            "recording_id": f"r{s}",
            "subject": f"{s}",
            "start": s * RECORDING_SAMPLES,
            "stop": (s + 1) * RECORDING_SAMPLES,
            "scale_from": "recording",
        }
        for s in range(N_SUBJECTS)
    ]
    meta = {
        "window_s": WINDOW_S,
        "stride_s": WINDOW_S,
        "shift_s": 0.0,
        "baseline_s": 0.0,
        "clamp_iqr": 20.0,
        "highpass_hz": None,
        "lowpass_hz": None,
        "signal": {
            "n_chans": N_CHANS,
            "n_times": N_TIMES,
            "sfreq": SFREQ,
            "chs_info": [{**channel, "ch_name": f"C{i}"} for i in range(N_CHANS)],
        },
        "subjects": [f"{s}" for s in range(N_SUBJECTS)],
        "recordings": bounds,
        "stimuli": [{"stimulus_id": "s", "name": "a_story.wav", "duration_s": 60.0}],
        "sound": {"kind": "waveform", "rate_hz": RATE_HZ},
        "dataset": {"name": "tiny", "revision": "1"},
        "split": {"hash": "5c" * 32},
        "n_segments": {split: int(N_SUBJECTS * (splits == split).sum()) for split in ("train", "valid", "test")},
        "has_transcripts": True,
    }
    Prepared.model_validate(meta).write(path)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the tiny prepared data set, for what is made of it once and read by many tests."""
    path = tmp_path_factory.mktemp("tiny") / "prepared"
    write_store(path)
    return path


@pytest.fixture
def store(tmp_path: Path) -> SegmentStore:
    """The tiny prepared data set."""
    write_store(tmp_path / "prepared")
    return SegmentStore(tmp_path / "prepared")

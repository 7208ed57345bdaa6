"""Clips as files that any player opens."""

from __future__ import annotations

import resource

import numpy as np
import pytest
import soundfile

from eeg2speech_bench.benchmarks.inputs.audio_files import write_audio
from eeg2speech_bench.core.segments.clips import CLIP_RATE_HZ


@pytest.fixture
def stage(tmp_path):
    """A stage with one clip, and the clip."""
    samples = (3000 * np.random.default_rng(0).standard_normal((1, 2 * CLIP_RATE_HZ))).astype(np.int16)
    (tmp_path / "stage").mkdir()
    np.save(tmp_path / "stage" / "eeg.npy", samples)
    return tmp_path / "stage", samples[0]


def test_a_clip_is_kept_sample_by_sample(stage, tmp_path):
    folder, samples = stage
    write_audio([folder], tmp_path / "audio")
    read, rate_hz = soundfile.read(tmp_path / "audio" / "eeg" / "clip_000.flac", dtype="int16")
    assert (read.tolist(), rate_hz) == (samples.tolist(), CLIP_RATE_HZ)


def test_a_disk_that_takes_all_but_the_last_bytes_is_noticed(stage, tmp_path):
    folder, _ = stage
    write_audio([folder], tmp_path / "whole")
    size = (tmp_path / "whole" / "eeg" / "clip_000.flac").stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 50, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_audio([folder], tmp_path / "cut")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "cut").exists()

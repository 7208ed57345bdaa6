"""What is gathered from a device is what is gathered from the disk, and only what fits is kept there."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch

from eeg2speech_bench.benchmarks.inputs import kept_on_device
from eeg2speech_bench.benchmarks.inputs.kept_on_device import KeptSegments, fits
from eeg2speech_bench.benchmarks.inputs.target_frames import FrameStore, write_frames
from eeg2speech_bench.core.segments.segment_store import Batch

ROWS = np.array([3, 0, 17, 3])


@pytest.fixture
def baselined(store):
    """The tiny data set with another scale for every channel, windows that have a baseline, and a clamp that clamps."""
    store.meta = store.meta.model_copy(update={"baseline_s": 0.5, "clamp_iqr": 1.5})
    store.scale = store.scale * np.arange(1, 10, dtype=np.float32).reshape(3, 3)
    return store


def test_segments_of_a_device_are_those_of_the_disk(baselined, monkeypatch):
    monkeypatch.setattr(kept_on_device, "ROWS_AT_ONCE", 1000)
    kept, read = KeptSegments(baselined, "cpu").gather(ROWS), baselined.gather(ROWS)
    assert kept.text == read.text
    for name in (field.name for field in fields(Batch) if field.name not in ("text", "sound")):
        torch.testing.assert_close(getattr(kept, name), getattr(read, name))


def test_frames_of_a_device_are_those_of_the_disk(store, tmp_path):
    parts = [np.random.default_rng(0).standard_normal((240, 3))]
    zones = store.zones.iloc[:1].assign(start_s=0.0, stop_s=24.0)
    store.zones = zones
    write_frames(tmp_path, store, parts, 10.0)
    frames, windows = FrameStore(tmp_path, store), torch.tensor([7, 0, 7])
    assert torch.equal(frames.kept_on("cpu").of_windows(windows), frames.of_windows(windows))


@pytest.mark.parametrize(("n_bytes", "fit"), [(250, True), (251, False)])
def test_arrays_are_kept_on_a_gpu_that_has_four_times_their_size_free(monkeypatch, n_bytes, fit):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 10_000))
    assert fits("cuda", np.zeros(n_bytes - 50, np.uint8), np.zeros(50, np.uint8)) == fit


def test_the_cpu_reads_arrays_where_they_lie():
    assert not fits("cpu", np.zeros(1))

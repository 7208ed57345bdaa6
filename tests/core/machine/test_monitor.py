"""What a stage uses of the machine: its own processes and those that it has started, memory, cores, disk and GPUs."""

from __future__ import annotations

import multiprocessing
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from eeg2speech_bench.core.machine import monitor
from eeg2speech_bench.core.machine.monitor import Monitor, Usage

MB_100 = 100_000_000 // 8


def _hold_memory(theirs: Connection) -> None:
    held = np.ones(MB_100)
    theirs.send(float(held[-1]))
    theirs.recv()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells shares of shared memory")
def test_memory_of_a_copy_counts_once_what_it_shares() -> None:
    shared = np.ones(MB_100)
    watched = Monitor()
    watched.look()
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    copy = context.Process(target=_hold_memory, args=(theirs,))
    copy.start()
    assert ours.recv() == shared[0]
    watched.look()
    ours.send("end")
    copy.join()
    alone, together = (usage.memory_mb for usage in watched.usages)
    assert together - alone == pytest.approx(100, abs=60)  # 200 if what the copy shares counted too
    assert watched.peak_memory_mb == together


def test_cores_are_those_that_computed_since_the_look_before() -> None:
    watched = Monitor()
    began, used = time.monotonic(), time.process_time()
    while time.process_time() - used < 0.3:
        pass
    watched.look()
    took = time.monotonic() - began
    assert watched.usages[0].cores * took == pytest.approx(0.3, abs=0.1)


@pytest.mark.skipif(sys.platform == "darwin", reason="the system does not tell")
def test_what_is_written_is_counted(tmp_path: Path) -> None:
    if not monitor.psutil.Process().io_counters().write_bytes and "tmpfs" in _file_system(tmp_path):
        pytest.skip("the temporary folder is in memory")
    watched = Monitor()
    with (tmp_path / "file").open("wb") as file:
        file.write(bytes(20_000_000))
    watched.look()
    assert watched.usages[0].written_mb == pytest.approx(20, rel=0.2)


def _file_system(path: Path) -> str:
    places = [p for p in monitor.psutil.disk_partitions(all=True) if path.is_relative_to(p.mountpoint)]
    return max(places, key=lambda place: len(place.mountpoint)).fstype


def test_a_block_ends_with_a_look() -> None:
    with Monitor() as watched:
        assert str(watched) == ""
    assert len(watched.usages) == 1
    assert "cores (at most" in str(watched)


def test_gpus_in_use_are_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    busy, used = {"GPU-a": 80, "GPU-b": 40}, {"GPU-a": 3e9, "GPU-b": 1e9}
    nvml = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=busy[handle]),
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(used=used[handle]),
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr(monitor, "gpus_in_use", lambda: {"a", "b"})
    watched = Monitor()
    watched.look()
    assert (watched.usages[0].gpu_share, watched.usages[0].gpu_memory_mb) == (pytest.approx(0.6), 4000)
    assert ", GPU 60%" in str(watched)


def test_usage_is_said_in_a_few_words() -> None:
    assert str(Usage(0.0, 1.94, 1430.0)) == "1.4 GB, 1.9 cores"

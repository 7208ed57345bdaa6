"""Watches what this process and those that it has started use of the machine."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

import psutil

from eeg2speech_bench.core.machine.energy import gpus_in_use

#: seconds between two looks
LOOK_S = 1.0
MEGABYTE = 1e6


@dataclass(frozen=True)
class Usage:
    """What was used at one moment.

    Attributes
    ----------
    at_s : float
        Seconds of `time.monotonic`.
    cores : float
        Processor-seconds per second since the moment before.
    memory_mb : float
        Resident memory, and that which other processes have for themselves; where the system does not tell the latter
        (it does on Linux), what they share counts as often as they are.
    read_mb, written_mb : float
        To and from disks since the moment before; 0 where the system does not tell.
    gpu_share, gpu_memory_mb : float, optional
        Share of the time in which the GPUs in use computed, their mean, and memory in use on them, their sum; None
        where there is none in use or NVML does not tell.
    """

    at_s: float
    cores: float
    memory_mb: float
    read_mb: float = 0.0
    written_mb: float = 0.0
    gpu_share: float | None = None
    gpu_memory_mb: float | None = None

    def __str__(self) -> str:
        """Return it in a few words."""
        gpu = "" if self.gpu_share is None else f", GPU {self.gpu_share:.0%}"
        return f"{self.memory_mb / 1000:.1f} GB, {self.cores:.1f} cores{gpu}"


class Monitor:
    """Looks every second, while its ``with`` block runs, at what this process and those that it has started use.

    Attributes
    ----------
    usages : list of Usage
        The first after one second; one more when the block ends.
    """

    def __init__(self, every_s: float = LOOK_S) -> None:
        self.usages: list[Usage] = []
        self._every_s = every_s
        self._process = psutil.Process()
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._look_now_and_then, name="monitor", daemon=True)
        self._before = (time.monotonic(), *self._totals([self._process]))

    def __enter__(self) -> Monitor:
        self._before = (time.monotonic(), *self._totals(self._family()))
        self._watch.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._watch.join()
        self.look()

    @property
    def peak_memory_mb(self) -> float:
        """Return the most memory of all processes that was seen."""
        return max((usage.memory_mb for usage in self.usages), default=0.0)

    def __str__(self) -> str:
        """Say what is used now, and the most memory so far; empty before the first look."""
        return f"{self.usages[-1]} (at most {self.peak_memory_mb / 1000:.1f} GB)" if self.usages else ""

    def _look_now_and_then(self) -> None:
        while not self._ended.wait(self._every_s):
            with suppress(Exception):  # none of this is worth a stage
                self.look()

    def look(self) -> None:
        """Add what is used now."""
        family = self._family()
        now, totals = time.monotonic(), self._totals(family)
        before, *last = self._before
        self._before = (now, *totals)
        # a process that has ended takes its share of what was read and written with it
        cpu_s, read, written = (max(new - old, 0.0) for new, old in zip(totals, last, strict=True))
        gpu_share, gpu_memory_mb = _gpu_usage()
        self.usages.append(
            Usage(
                at_s=now,
                cores=cpu_s / max(now - before, 1e-3),
                memory_mb=_memory_mb(family),
                read_mb=read / MEGABYTE,
                written_mb=written / MEGABYTE,
                gpu_share=gpu_share,
                gpu_memory_mb=gpu_memory_mb,
            )
        )

    def _family(self) -> list[psutil.Process]:
        try:
            return [self._process, *self._process.children(recursive=True)]
        except psutil.Error:
            return [self._process]

    @staticmethod
    def _totals(family: list[psutil.Process]) -> tuple[float, float, float]:
        """Return processor-seconds, with those of children that have ended, and bytes read and written so far."""
        cpu_s = read = written = 0.0
        for process in family:
            with suppress(psutil.Error, OSError):
                times = process.cpu_times()
                cpu_s += times.user + times.system + times.children_user + times.children_system
                if hasattr(process, "io_counters"):  # not on macOS
                    counters = process.io_counters()
                    read, written = read + counters.read_bytes, written + counters.write_bytes
        return cpu_s, read, written


def _memory_mb(family: list[psutil.Process]) -> float:
    """Return resident memory of the first process, and what the others have for themselves."""
    tells = sys.platform.startswith("linux")
    total = 0.0
    for place, process in enumerate(family):
        with suppress(psutil.Error, OSError):
            # to ask for what is not shared takes milliseconds, in which the process waits
            total += process.memory_full_info().uss if place and tells else process.memory_info().rss
    return total / MEGABYTE


def _gpu_usage() -> tuple[float | None, float | None]:
    """Return how busy the GPUs in use are, and memory in use on them."""
    try:
        if not (own := gpus_in_use()):
            return None, None
        import pynvml

        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}") for uuid in sorted(own)]
        shares = [float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu) / 100 for handle in handles]
        memory = sum(float(pynvml.nvmlDeviceGetMemoryInfo(handle).used) for handle in handles)
    except Exception:  # not installed, or a driver that does not tell
        return None, None
    return sum(shares) / len(shares), memory / MEGABYTE

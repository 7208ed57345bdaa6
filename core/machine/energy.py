"""Measures the energy that CPU packages and GPUs draw, where their counters can be read."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

#: Linux's power capping framework, where Intel's and AMD's RAPL counters appear
POWERCAP = Path("/sys/class/powercap")
#: seconds between two readings: a server's 32-bit counter of 15 uJ wraps around within three minutes at full load
SAMPLE_S = 30.0
J_PER_WH = 3600.0
#: what is counted where it can be read
COUNTED = {"CPU": "CPU packages (RAPL)", "GPU": "GPUs in use (NVML)"}


class _UnreadableCounter(Exception):  # noqa: N818  a state, not a fault
    pass


@dataclass(frozen=True)
class Counter:
    """Reads one counter of energy.

    Attributes
    ----------
    name : str
        UUID of a GPU, name of a CPU package.
    read_j : callable
        Returns joules since some moment in the past.
    wraps_at_j : float, optional
        Where it starts again from 0; None if it never does.
    is_gpu : bool
    """

    name: str
    read_j: Callable[[], float]
    wraps_at_j: float | None = None
    is_gpu: bool = False


class EnergyMeter:
    """Adds up what the counters gain while its ``with`` block runs.

    CPU packages are counted whole, with what else runs on the machine and without memory (RAPL, Intel SDM vol. 3
    chapter 15.10). Of the GPUs those are counted on which this process holds memory, each whole (NVML).
    """

    def __init__(self) -> None:
        self._counters, _ = find_counters()
        self._last: dict[str, float] = {}
        self._gained = {counter.name: 0.0 for counter in self._counters}
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._read_now_and_then, name="energy", daemon=True)

    def __enter__(self) -> EnergyMeter:
        self.read()
        self._watch.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._watch.join()
        self.read()

    def _read_now_and_then(self) -> None:
        while self._counters and not self._ended.wait(SAMPLE_S):
            self.read()

    def read(self) -> None:
        """Take in what the counters have gained since they were last read."""
        try:
            for counter in self._counters:
                now = counter.read_j()
                self._gained[counter.name] += _gain(counter, self._last.get(counter.name, now), now)
                self._last[counter.name] = now
        except Exception:  # a sum that misses a part is no energy, and none of this is worth a stage
            self._counters = []

    @property
    def energy_wh(self) -> float | None:
        """Return the watt-hours so far; None where no counter of what this process uses can be read."""
        own = gpus_in_use()
        counted = [self._gained[c.name] for c in self._counters if not c.is_gpu or c.name in own]
        return sum(counted) / J_PER_WH if counted else None


def _gain(counter: Counter, last: float, now: float) -> float:
    if now >= last:
        return now - last
    if counter.wraps_at_j is None:
        raise ValueError(f"counter {counter.name} fell from {last} J to {now} J")
    return now - last + counter.wraps_at_j


def find_counters() -> tuple[list[Counter], dict[str, str]]:
    """Return the counters that can be read here, and why those of ``CPU`` or ``GPU`` cannot."""
    counters: list[Counter] = []
    reasons: dict[str, str] = {}
    for kind, find in (("CPU", _packages), ("GPU", _gpus)):
        try:
            counters += find()
        except _UnreadableCounter as error:
            reasons[kind] = str(error)
    return counters, reasons


def describe_counters() -> str:
    """Say in one line what is counted here, what is not, and why."""
    _, reasons = find_counters()
    counted = ", ".join(text for kind, text in COUNTED.items() if kind not in reasons)
    missing = "; ".join(f"{kind}: {reason}" for kind, reason in reasons.items())
    return "; ".join(part for part in (counted, missing and f"not readable: {missing}") if part)


def _packages() -> list[Counter]:
    """Return one counter per CPU package; parts of a package and the platform around it would be counted twice."""
    try:
        zones = sorted(POWERCAP.glob("intel-rapl:*"))  # AMD's too; intel-rapl-mmio repeats the same packages
        packages = [zone for zone in zones if (zone / "name").read_text("ascii").startswith("package")]
        counters = [
            Counter(zone.name, partial(_microjoules, zone / "energy_uj"), _microjoules(zone / "max_energy_range_uj"))
            for zone in packages
        ]
        for counter in counters:
            counter.read_j()
    except PermissionError as error:
        then = f"an administrator can open it: chmod a+r {POWERCAP}/intel-rapl:*/energy_uj"
        raise _UnreadableCounter(f"no permission to read {error.filename} ({then})") from error
    except (OSError, ValueError) as error:
        raise _UnreadableCounter(f"{type(error).__name__}: {error}") from error
    if not counters:
        raise _UnreadableCounter(f"no counter of a CPU package in {POWERCAP}")
    return counters


def _microjoules(path: Path) -> float:
    return int(path.read_text("ascii")) / 1e6


def _gpus() -> list[Counter]:
    """Return one counter per NVIDIA GPU of the machine."""
    try:
        import pynvml
    except ImportError as error:
        raise _UnreadableCounter("the package nvidia-ml-py is not installed") from error
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        counters = [
            Counter(_uuid(pynvml.nvmlDeviceGetUUID(handle)), partial(_gpu_j, handle), is_gpu=True) for handle in handles
        ]
        for counter in counters:
            counter.read_j()
    except pynvml.NVMLError as error:
        raise _UnreadableCounter(f"NVML: {error}") from error
    if not counters:
        raise _UnreadableCounter("NVML sees no GPU")
    return counters


def _gpu_j(handle: object) -> float:
    import pynvml

    return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3  # millijoules since the driver was loaded


def gpus_in_use() -> set[str]:
    """Return the UUIDs of the GPUs on which this process has held memory.

    torch is asked only if it is loaded already.
    """
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return set()
    used = (i for i in range(torch.cuda.device_count()) if torch.cuda.max_memory_reserved(i))
    return {_uuid(str(torch.cuda.get_device_properties(i).uuid)) for i in used}


def _uuid(text: str) -> str:
    return text.removeprefix("GPU-")  # NVML writes it, torch does not

"""Energy: counters of CPU packages and GPUs, added up over a stretch of work, and why there are none."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from eeg2speech_bench.core.machine import energy
from eeg2speech_bench.core.machine.energy import EnergyMeter, describe_counters
from eeg2speech_bench.core.machine.environment import hardware

#: what a counter of 32 bits and 15.3 uJ can hold
RANGE_UJ = 65_532_610_987


class FakeNvml(SimpleNamespace):
    """Two GPUs whose counters, in millijoules, a test sets."""

    NVMLError = RuntimeError

    def __init__(self) -> None:
        super().__init__(millijoules={0: 5_000, 1: 5_000}, supported=True)

    def nvmlInit(self) -> None:  # noqa: N802
        pass

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:  # noqa: N802
        return f"GPU-{handle}"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:  # noqa: N802
        if not self.supported:
            raise self.NVMLError("Not Supported")
        return self.millijoules[handle]


@pytest.fixture(autouse=True)
def powercap(tmp_path, monkeypatch) -> Path:
    """An empty folder in place of the system's counters, and no NVML."""
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    return tmp_path


@pytest.fixture
def nvml(monkeypatch) -> FakeNvml:
    fake = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    return fake


def zone(powercap: Path, folder: str, name: str, microjoules: int = 1_000_000) -> Path:
    """Make one zone as Linux shows it, and return the file of its counter."""
    place = powercap / folder
    place.mkdir()
    (place / "name").write_text(f"{name}\n")
    (place / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
    count(place / "energy_uj", microjoules)
    return place / "energy_uj"


def count(counter: Path, microjoules: int) -> None:
    new = counter.with_name("new")
    new.write_text(f"{microjoules}\n")
    new.replace(counter)  # a reader never sees a part


def torch_that_used(*gpus: int) -> SimpleNamespace:
    cuda = SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 2,
        max_memory_reserved=lambda index: 1024 * (index in gpus),
        get_device_properties=lambda index: SimpleNamespace(uuid=index),
    )
    return SimpleNamespace(cuda=cuda)


def test_two_packages_are_added_and_their_parts_are_not(powercap):
    counters = [zone(powercap, f"intel-rapl:{i}", f"package-{i}") for i in range(2)]
    others = [
        zone(powercap, "intel-rapl:0:0", "core"),
        zone(powercap, "intel-rapl:2", "psys"),
        zone(powercap, "intel-rapl-mmio:0", "package-0"),
    ]
    with EnergyMeter() as meter:
        for counter in (*counters, *others):
            count(counter, 1_801_000_000)  # 1800 J, half a watt-hour
    assert meter.energy_wh == pytest.approx(1.0)


def test_a_counter_that_starts_again_goes_on_where_it_was(powercap):
    counter = zone(powercap, "intel-rapl:0", "package-0", RANGE_UJ - 1_000_000)
    with EnergyMeter() as meter:
        count(counter, 2_000_000)
    assert meter.energy_wh == pytest.approx(3 / 3600)


def test_a_counter_is_read_often_enough_to_see_it_start_again_twice(powercap, monkeypatch):
    monkeypatch.setattr(energy, "SAMPLE_S", 0.001)
    counter = zone(powercap, "intel-rapl:0", "package-0", 0)
    seen_j = 0.0
    with EnergyMeter() as meter:
        for value, more_j in ((60e9, 60e3), (50e9, RANGE_UJ / 1e6 - 10e3), (40e9, RANGE_UJ / 1e6 - 10e3)):
            count(counter, int(value))
            seen_j += more_j
            deadline = time.monotonic() + 10
            while meter.energy_wh != pytest.approx(seen_j / 3600):
                assert time.monotonic() < deadline, f"{meter.energy_wh} Wh"
                time.sleep(0.001)


def test_a_counter_that_cannot_be_read_any_more_leaves_no_number(powercap):
    lost, _ = zone(powercap, "intel-rapl:0", "package-0"), zone(powercap, "intel-rapl:1", "package-1")
    with EnergyMeter() as meter:
        lost.unlink()
    assert meter.energy_wh is None


def test_where_there_is_no_counter_there_is_no_number_and_the_reason_is_said(powercap):
    with EnergyMeter() as meter:
        pass
    assert meter.energy_wh is None
    said = describe_counters()
    reasons = (f"CPU: no counter of a CPU package in {powercap}", "GPU: the package nvidia-ml-py is not installed")
    assert said == "not readable: " + "; ".join(reasons)
    assert hardware()["energy"] == said


def test_a_counter_that_is_for_the_administrator_is_named_with_what_opens_it(powercap, monkeypatch):
    counter = zone(powercap, "intel-rapl:0", "package-0")
    read_text = Path.read_text

    def refuse(path: Path, *arguments: str) -> str:
        if path == counter:  # root, who runs tests in containers, is refused nothing by the system
            raise PermissionError(13, "Permission denied", str(path))
        return read_text(path, *arguments)

    monkeypatch.setattr(Path, "read_text", refuse)
    assert f"no permission to read {counter} (an administrator can open it: chmod a+r" in describe_counters()


def test_the_gpus_that_this_process_uses_are_counted_and_idle_ones_are_not(nvml, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", torch_that_used(1))
    with EnergyMeter() as meter:
        nvml.millijoules = {0: 9_999_000, 1: 7_205_000}  # 7200 J
    assert meter.energy_wh == pytest.approx(2.0)


def test_work_without_a_gpu_has_the_energy_of_the_packages_alone(powercap, nvml, monkeypatch):
    counter = zone(powercap, "intel-rapl:0", "package-0")
    monkeypatch.setitem(sys.modules, "torch", torch_that_used())
    with EnergyMeter() as meter:
        nvml.millijoules = {0: 9_999_000, 1: 7_205_000}
        count(counter, 37_000_000)
    assert meter.energy_wh == pytest.approx(0.01)
    assert describe_counters() == "CPU packages (RAPL), GPUs in use (NVML)"


def test_a_gpu_without_counter_leaves_the_packages(powercap, nvml):
    zone(powercap, "intel-rapl:0", "package-0")
    nvml.supported = False
    assert describe_counters() == "CPU packages (RAPL); not readable: GPU: NVML: Not Supported"

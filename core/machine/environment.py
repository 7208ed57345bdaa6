"""Describes what a run ran on: versions, git state, hardware, memory and the command line."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import platform
import resource
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from eeg2speech_bench.core.machine.energy import describe_counters

#: packages whose versions can change a number
PACKAGES = (
    "eeg2speech-bench", "torch", "torchaudio", "lightning", "braindecode", "diffusers", "transformers", "mne",
    "mne-bids", "numpy", "scipy", "pandas", "soundfile",
)  # fmt: skip


def package_versions() -> dict[str, str]:
    """Return the installed version of each package in `PACKAGES`; where the board is alone, some are not there."""
    return {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def git_state() -> dict[str, Any]:
    """Return commit and dirty flag of the source checkout; None where it is not a git checkout."""
    folder = Path(__file__).resolve().parent
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def hardware() -> dict[str, Any]:
    """Return what computes here: CPU, cores, memory, GPUs.

    GPUs are listed only if torch is loaded already.

    ``energy`` says which counters of energy can be read, and why the others cannot.
    """
    import psutil

    facts: dict[str, Any] = {
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "cpu": _cpu_name(),
        "n_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpus": [],
        "energy": describe_counters(),
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        facts["gpus"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return facts


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def reset_peak_memory() -> None:
    """Start to measure the peak of memory anew, where the system can (Linux).

    Elsewhere the peak is that of the whole process.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf8")


def peak_memory_mb() -> float:
    """Return the largest resident memory since `reset_peak_memory`, in MB (1e6 bytes)."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS


def command_line() -> str:
    """Return the command as it could be typed again."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def choose_device(name: str) -> str:
    """Resolve ``auto`` to cuda where there is one, else cpu; refuse a device that is not there.

    Where no GPU's driver is installed the answer is known without torch, whose import takes seconds.

    Raises
    ------
    UsageError
        If the name is no device, torch does not see that GPU, or torch is not installed.
    """
    from eeg2speech_bench.core.errors import UsageError

    if not _is_installed("torch"):
        then = "Install the whole suite: pip install eeg2speech-bench, or 'pip install -e .' in a checkout."
        raise UsageError("Nothing can be trained here", got="no torch, the board alone", then=then)
    kind, _, index = name.partition(":")
    if name != "auto" and (kind not in ("cpu", "cuda") or (index and not (kind == "cuda" and index.isdigit()))):
        raise UsageError("Unknown device", got=repr(name), expected="auto, cpu, cuda or cuda:N")
    n_gpus = 0 if name == "cpu" else _count_gpus()
    if name == "auto":
        return "cuda" if n_gpus else "cpu"
    if kind == "cuda" and int(index or 0) >= n_gpus:
        raise UsageError(
            f"Device '{name}' is not available", got=f"{n_gpus} CUDA devices", then="Use --device cpu or auto."
        )
    return name


def _is_installed(module: str) -> bool:
    """Whether a module could be imported; it is not."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # whoever hides it says so by raising
        return False


def require_devices(device: str, count: int) -> None:
    """Refuse to train on more devices than there are; a `UsageError`."""
    from eeg2speech_bench.core.errors import UsageError

    kind, _, index = device.partition(":")
    there = _count_gpus() if kind == "cuda" else os.cpu_count() or 1
    if count > 1 and (index or count > there):
        got = f"--devices {count} with --device {device}" if index else f"{there} {kind} devices"
        then = "Use --device cuda, which takes the first ones." if index else f"Use --devices {there}."
        raise UsageError(f"{count} devices cannot train together here", got=got, then=then)


def _count_gpus() -> int:
    if sys.platform == "linux":
        try:
            ctypes.CDLL("libcuda.so.1")  # NVIDIA's driver, found as torch finds it
        except OSError:
            return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def choose_precision(name: str, device: str) -> str:
    """Resolve ``auto`` to bfloat16 where the device computes in it, else float32.

    A CPU without AVX512-BF16 or AMX emulates bfloat16 and gets slower by it, so the instruction set decides.
    """
    if name != "auto":
        return name
    if device.startswith("cuda"):
        import torch

        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if _cpu_flags() & {"avx512_bf16", "amx_tile"} else "float32"


def _cpu_flags() -> set[str]:
    """Return the names of the CPU's instruction sets, where Linux lists them; others have neither AVX-512 nor AMX."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf8").splitlines()
        return next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), set())
    return set()

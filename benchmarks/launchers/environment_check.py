"""Finds out on the machine of a job whether a cell can run there as it was planned, before anything is computed."""

from __future__ import annotations

import platform
import tempfile
from importlib import metadata
from pathlib import Path

from eeg2speech_bench.benchmarks.launchers.plan_file import PlanFile
from eeg2speech_bench.core.errors import StorageError, UsageError
from eeg2speech_bench.core.machine.environment import choose_device, require_devices
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.registry.discovery import OURS
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.stages.disk_trouble import explained

_INSTALL = "Let the jobs use the installation that planned them (--module, --setup), or type the command again."


def check_environment(plan: PlanFile, number: int, registry: Registry) -> None:
    """Refuse a machine that differs from the one where a plan was made.

    The revision of the data set is checked when it is opened.

    Raises
    ------
    UsageError
        If the suite or the plugin of the encoder has another version, or the devices are not there.
    StorageError
        If the folder of results or the cache is not there or cannot be written.
    """
    host = platform.node()
    _require_equal(f"The suite on {host}", metadata.version(OURS), plan.suite)
    encoder = plan.cells[number].encoder
    registry.get("encoder", encoder)
    _require_equal(f"Encoder '{encoder}' on {host}", origin_of(encoder, registry), plan.origins.get(encoder, ""))
    require_devices(choose_device(plan.device), plan.cells[number].config.n_devices)
    for option, folder in (("--results", plan.results), ("--cache", plan.cache)):
        if not folder.is_dir():
            then = f"Choose a folder with {option} that all machines share."
            raise StorageError(f"Folder {folder} is not there on {host}", then=then)
    with explained(plan.cache), tempfile.TemporaryFile(dir=_existing(plan.cache / "stages", plan.cache)) as probe:
        probe.write(b"x")
    RecordStore(plan.results).require_writable([plan.cells[number].id])


def origin_of(encoder: str, registry: Registry) -> str:
    """Return the distribution and the version that an encoder comes from; the file and its hash, of a single file."""
    origin = registry.provenance("encoder", encoder)
    return f"{origin.distribution} {origin.version}"


def _require_equal(what: str, got: str, expected: str) -> None:
    if got != expected:
        raise UsageError(f"{what} is not the one that was planned with", got=got, expected=expected, then=_INSTALL)


def _existing(folder: Path, otherwise: Path) -> Path:
    return folder if folder.is_dir() else otherwise

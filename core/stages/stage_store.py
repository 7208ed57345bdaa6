"""Content-addressed stages: a stage whose settings, inputs and code did not change is not run again."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.machine.energy import EnergyMeter
from eeg2speech_bench.core.machine.environment import peak_memory_mb, reset_peak_memory
from eeg2speech_bench.core.stages.source_code import source_hash
from eeg2speech_bench.core.terminal.progress import StageProgress

MANIFEST = "stage.json"
#: files up to this size are checked in full, larger ones at both ends, so that a check stays quick on hours of EEG
FULL_CHECK_BYTES = 1 << 24


@dataclass(frozen=True)
class Stage:
    """One step of a cell.

    Attributes
    ----------
    name : str
    settings : dict
        JSON values; everything that decides the result beside inputs and code.
    code : tuple of str
        Modules or packages whose source decides the result.
    inputs : tuple of Stage
        Stages whose results this one reads.
    run : callable
        ``run(out, progress)`` writes its files into the empty folder ``out``.
    """

    name: str
    settings: dict[str, Any]
    code: tuple[str, ...]
    run: Callable[[Path, StageProgress], None] = field(compare=False)
    inputs: tuple[Stage, ...] = ()

    @cached_property
    def key(self) -> str:
        """Hash of name, settings, source and the keys of the inputs."""
        content = {
            "name": self.name,
            "settings": self.settings,
            "code": {module: source_hash(module) for module in self.code},
            "inputs": [stage.key for stage in self.inputs],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]


@dataclass(frozen=True)
class StageResult:
    """A finished stage: where its files lie and what it cost when it ran."""

    name: str
    key: str
    path: Path
    seconds: float
    peak_memory_mb: float
    energy_wh: float | None
    cached: bool


class StageStore:
    """Finished stages on disk, one folder each.

    A stage is written into a folder of its own beside its place and renamed when it is complete, so a crash leaves
    either a whole stage or none. A lock per stage lets two runs share a store: the second waits for the first.

    Parameters
    ----------
    root : Path
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        with explained(self.root):
            self.root.mkdir(parents=True, exist_ok=True)

    def place(self, stage: Stage) -> Path:
        """Return the folder of a stage, finished or not."""
        return self.root / f"{stage.name}-{stage.key}"

    def find(self, stage: Stage) -> StageResult | None:
        """Return a stage that is finished and whole, else None."""
        path = self.place(stage)
        if not path.is_dir() or damage(path):
            return None
        return self._result(stage, cached=True)

    def ensure(self, stage: Stage, progress: StageProgress) -> StageResult:
        """Run a stage unless it is there already; a damaged one is reported, removed and run again.

        Raises
        ------
        StorageError
            If the store cannot be written (full disk, no permission).
        """
        path = self.place(stage)
        with explained(self.root), FileLock(f"{path}.lock"):
            if path.is_dir():
                wrong = damage(path)
                if not wrong:
                    return self._result(stage, cached=True)
                progress.console.print(
                    f"Cached stage {path} is damaged: {wrong}. It is removed and run again.", markup=False
                )
                shutil.rmtree(path)
            self._run(stage, path, progress)
        return self._result(stage, cached=False)

    def _run(self, stage: Stage, path: Path, progress: StageProgress) -> None:
        partial = path.with_name(f".partial-{path.name}")
        shutil.rmtree(partial, ignore_errors=True)  # left by a run that was killed; the lock is ours
        partial.mkdir()
        reset_peak_memory()
        started = time.monotonic()
        try:
            with EnergyMeter() as meter:
                stage.run(partial, progress)
            cost = {
                "seconds": time.monotonic() - started,
                "peak_memory_mb": peak_memory_mb(),
                "energy_wh": meter.energy_wh,
            }
            write_json(
                partial / MANIFEST, {"name": stage.name, "key": stage.key, **cost, "files": fingerprints(partial)}
            )
            partial.rename(path)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def _result(self, stage: Stage, *, cached: bool) -> StageResult:
        path = self.place(stage)
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf8"))
        seconds, peak_mb = manifest["seconds"], manifest["peak_memory_mb"]
        # a stage that ran before energy was measured is as good as any other
        return StageResult(stage.name, stage.key, path, seconds, peak_mb, manifest.get("energy_wh"), cached)


def damage(path: Path) -> str:
    """Say what is wrong with a finished stage's folder; empty if nothing is."""
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf8"))
        expected = manifest["files"]
    except (OSError, ValueError, KeyError) as error:
        return f"{MANIFEST} cannot be read ({type(error).__name__})"
    for name, (size, digest) in expected.items():
        file = path / name
        if not file.is_file():
            return f"{name} is missing"
        if file.stat().st_size != size:
            return f"{name} has {file.stat().st_size} bytes instead of {size}"
        if _digest(file) != digest:
            return f"{name} has changed since it was written"
    return ""


def fingerprints(folder: Path) -> dict[str, tuple[int, str]]:
    """Return size and digest of every file below ``folder``."""
    files = sorted(f for f in folder.rglob("*") if f.is_file())
    return {f.relative_to(folder).as_posix(): (f.stat().st_size, _digest(f)) for f in files}


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    size = file.stat().st_size
    with file.open("rb") as stream:
        if size <= FULL_CHECK_BYTES:
            digest.update(stream.read())
        else:
            digest.update(stream.read(FULL_CHECK_BYTES // 2))
            stream.seek(-FULL_CHECK_BYTES // 2, os.SEEK_END)
            digest.update(stream.read())
    return digest.hexdigest()[:16]


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; NaN and infinity are refused, as JSON has none."""
    write_atomically(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new one, and never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn the operating system's errors about ``folder`` into ones that say what to do."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EFBIG:
            then = "Raise the limit ('ulimit -f' shows it)."
            raise StorageError(f"A file of {folder} is larger than is allowed here", then=then) from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free_mb = shutil.disk_usage(_existing(folder)).free / 1e6
            then = "Free some space or choose another disk with --cache, --results or --out; finished stages are kept."
            raise StorageError(f"The disk of {folder} is full", got=f"{free_mb:.0f} MB free", then=then) from error
        if error.errno == errno.ENAMETOOLONG and _is_about(error, folder):
            then = (
                "Give the data set's folder a shorter name, or choose another place with --cache, --results or --out."
            )
            raise StorageError(f"A name in folder {folder} is too long for its disk", then=then) from error
        got, then = error.strerror, "Choose another folder with --cache, --results or --out."
        if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.ELOOP) and (obstacle := _obstacle(error, folder)):
            got = f"{obstacle} is {'a link that leads nowhere' if obstacle.is_symlink() else 'not a folder'}"
        elif error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EXDEV):
            raise
        raise StorageError(f"Folder {folder} cannot be written", got=got, then=then) from error


def _is_about(error: OSError, folder: Path) -> bool:
    """Whether an error names something in the folder or above it, and not what a plugin does elsewhere."""
    named = Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else folder
    return named.is_relative_to(folder) or folder.is_relative_to(named)


def _obstacle(error: OSError, folder: Path) -> Path | None:
    """Return what stands where a folder should be: a file, or a link to nothing."""
    if not _is_about(error, folder):
        return None
    named = Path(os.fsdecode(error.filename or folder))
    nearest = next(place for place in (named, *named.parents) if os.path.lexists(place))
    return None if nearest.is_dir() else nearest


def _existing(folder: Path) -> Path:
    return next(f for f in (folder, *folder.parents) if f.exists())

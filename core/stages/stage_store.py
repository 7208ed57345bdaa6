"""Keeps finished stages on disk and reuses those that nothing has changed for."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.machine.energy import EnergyMeter
from eeg2speech_bench.core.machine.environment import peak_memory_mb, reset_peak_memory
from eeg2speech_bench.core.stages.checkpoints import FOLDER, StageCheckpoints, sweep_given_up
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.core.stages.json_files import read_json, write_json
from eeg2speech_bench.core.stages.keys import KeyParts
from eeg2speech_bench.core.terminal.progress import StageProgress, say

MANIFEST = "stage.json"
#: files up to this size are checked in full, larger ones at both ends, so that a check stays quick on hours of EEG
FULL_CHECK_BYTES = 1 << 24
#: a folder in progress that nobody has touched for so long was left by a run that is gone
ABANDONED_S = 24 * 3600.0
#: seconds between signs of life of a folder in progress
TOUCH_S = 30.0
PARTIAL = ".partial-"


@dataclass(frozen=True)
class Stage:
    """One step of a cell.

    Attributes
    ----------
    name : str
    parts : KeyParts
        Everything that decides the result.
    run : callable
        ``run(out, progress)`` writes its files into the empty folder ``out``. A stage that trains is called as
        ``run(out, progress, checkpoints)`` and goes on from its `StageCheckpoints`.
    inputs : tuple of Stage
        Stages whose results this one reads.
    subject : dict of str to str
        What it is about, for people: data set, encoder, seed. An earlier stage about the same thing explains why this
        one runs again.
    trains : bool
        Whether it keeps checkpoints while it runs.
    """

    name: str
    parts: KeyParts
    run: Callable[..., None] = field(compare=False)
    inputs: tuple[Stage, ...] = ()
    subject: Mapping[str, str] = field(default_factory=dict)
    trains: bool = False

    @cached_property
    def key(self) -> str:
        """Hash of the name and everything that decides the result."""
        return hashlib.sha256(f"{self.name} {self.parts.digest}".encode()).hexdigest()[:20]


@dataclass(frozen=True)
class StageResult:
    """A finished stage: where its files lie and what it cost when it ran.

    ``seconds`` are those of all attempts that a stage went on from. Memory is the last attempt's, and energy is known
    (not None) only if there was one attempt.
    """

    name: str
    key: str
    path: Path
    seconds: float
    peak_memory_mb: float
    energy_wh: float | None
    cached: bool


class StageStore:
    """Finished stages on disk, one folder each.

    A stage is written into a folder of its own name beside its place and renamed when it is complete, so a crash
    leaves either a whole stage or none, and of two runs that make one stage the later discards its own. A lock spares
    the second that work; nothing depends on it, since many network file systems honour locks on one machine only.

    Parameters
    ----------
    root : Path

    Attributes
    ----------
    hashes : FileHashes
        Hashes of files that settings name.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root).absolute()
        self.hashes = FileHashes(self.root)
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
        with explained(self.root), _lock(self.place(stage)):
            if self._is_whole(stage, progress):
                _touch(self.place(stage) / MANIFEST)  # when it was last used
                return self._result(stage, cached=True)
            self._run(stage, progress)
        return self._result(stage, cached=False)

    def why(self, stage: Stage) -> list[str]:
        """Say why a stage that is not there has to run: what changed since the latest one about the same thing.

        Returns
        -------
        list of str
            ``["never run"]`` if there is none.
        """
        earlier = [m for m in self.manifests(stage.name) if m.get("subject") == dict(stage.subject) and "parts" in m]
        if not earlier:
            return ["never run"]
        latest = max(earlier, key=lambda manifest: manifest.get("finished", 0.0))
        try:
            before = KeyParts(**latest["parts"])
        except TypeError:
            return ["an earlier version of the benchmark made it"]
        return stage.parts.changes_since(before) or ["its files were removed or damaged"]

    def manifests(self, name: str = "*") -> Iterator[dict[str, Any]]:
        """Yield what finished stages say of themselves, with ``path`` added; unreadable ones are left out."""
        for path in sorted(self.root.glob(f"{name}-*/{MANIFEST}")):
            if path.parent.name.startswith("."):  # in progress, or being removed
                continue
            with suppress(OSError, ValueError, TypeError):
                yield {**read_json(path), "path": path.parent, "used": path.stat().st_mtime}

    def _is_whole(self, stage: Stage, progress: StageProgress) -> bool:
        path = self.place(stage)
        if not path.is_dir():
            return False
        wrong = damage(path)
        if wrong:
            say(progress.console, f"Cached stage {path} is damaged: {wrong}. It is removed and run again.")
            remove_stage(path)
        return not wrong

    def _run(self, stage: Stage, progress: StageProgress) -> None:
        self._sweep()
        partial = self.root / f"{PARTIAL}{stage.name}-{platform.node()}-{os.getpid()}-{secrets.token_hex(4)}"
        partial.mkdir()
        reset_peak_memory()
        checkpoints = self._checkpoints(stage, progress)
        try:
            with EnergyMeter() as meter:
                watched = progress.watched(lambda: _touch(partial), TOUCH_S)
                stage.run(partial, watched, *([checkpoints] if stage.trains else []))
            resumed = checkpoints.resumed_from_steps
            cost = {
                "seconds": checkpoints.seconds,
                "peak_memory_mb": peak_memory_mb(),
                "energy_wh": None if resumed else meter.energy_wh,
                "resumed_from_steps": resumed,
            }
            facts = {"name": stage.name, "key": stage.key, "finished": time.time(), **cost}
            decided = {"subject": dict(stage.subject), "parts": asdict(stage.parts)}
            write_json(partial / MANIFEST, {**facts, **decided, "files": fingerprints(partial)})
            _put(partial, self.place(stage))
            checkpoints.remove()
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _checkpoints(self, stage: Stage, progress: StageProgress) -> StageCheckpoints:
        about = {"name": stage.name, "key": stage.key, "subject": dict(stage.subject)}
        folder = self.root / FOLDER / self.place(stage).name
        return StageCheckpoints(folder, about, lambda text: say(progress.console, text))

    def _sweep(self) -> None:
        """Remove folders in progress that were left by runs that are gone, and checkpoints that were given up."""
        sweep_given_up(self.root)
        for folder in self.root.glob(f"{PARTIAL}*"):
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > ABANDONED_S:
                    shutil.rmtree(folder, ignore_errors=True)

    def _result(self, stage: Stage, *, cached: bool) -> StageResult:
        path = self.place(stage)
        manifest = read_json(path / MANIFEST)
        seconds, peak_mb = manifest["seconds"], manifest["peak_memory_mb"]
        return StageResult(stage.name, stage.key, path, seconds, peak_mb, manifest["energy_wh"], cached)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Wait for another run that makes the same stage, where the file system has locks."""
    lock = FileLock(f"{path}.lock")
    try:
        lock.acquire()
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _put(partial: Path, path: Path) -> None:
    """Rename a complete stage to its place; if another run was first, its stage stands."""
    try:
        partial.rename(path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if not damage(path):
            return
        remove_stage(path)
        partial.rename(path)


def remove_stage(path: Path) -> None:
    """Take a folder away at once, so that no other run finds half of it, then delete its files."""
    away = path.with_name(f"{PARTIAL}removed-{platform.node()}-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        path.rename(away)
    except FileNotFoundError:  # another run has removed it
        return
    shutil.rmtree(away, ignore_errors=True)


def _touch(path: Path) -> None:
    with suppress(OSError):  # a store that may only be read is as good
        os.utime(path)


def damage(path: Path) -> str:
    """Say what is wrong with a finished stage's folder; empty if nothing is."""
    try:
        manifest = read_json(path / MANIFEST)
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

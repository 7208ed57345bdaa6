"""Keeps finished stages on disk and reuses those that nothing has changed for."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from eeg2speech_bench.core.errors import BenchError, StorageError
from eeg2speech_bench.core.machine.energy import EnergyMeter
from eeg2speech_bench.core.machine.environment import peak_memory_mb, reset_peak_memory
from eeg2speech_bench.core.machine.monitor import Monitor, Usage
from eeg2speech_bench.core.machine.processes import is_dead, own_name
from eeg2speech_bench.core.stages.checkpoints import FOLDER, StageCheckpoints, sweep_given_up
from eeg2speech_bench.core.stages.disk_trouble import does_not_answer, explained
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.core.stages.file_lock import file_lock
from eeg2speech_bench.core.stages.json_files import TEMPORARY, read_json, write_json
from eeg2speech_bench.core.stages.keys import KeyParts
from eeg2speech_bench.core.stages.written_files import damage_of, written_files
from eeg2speech_bench.core.terminal.progress import StageProgress, say

MANIFEST = "stage.json"
#: a folder in progress that nobody has touched for so long was left by a run that is gone
ABANDONED_S = 24 * 3600.0
#: seconds between signs of life of a folder in progress
TOUCH_S = 30.0
#: the same where its process was one of this machine and is not there: longer than any stage gives no sign of life,
#: since a container may share name and folder with a machine and not its processes
DEAD_S = 600.0
PARTIAL = ".partial-"
#: stands before the name of the process that a folder in progress belongs to
OWNER = "@"
#: runs without locks that find a damaged stage may hinder each other a few times
PUT_TRIES = 20
_MADE_AGAIN = "Type the same command: what is missing is made again. Leave the folder alone until it ends."


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
    (not None) only if there was one attempt. ``usages`` say what it used of the machine from second to second, where
    it ran just now.
    """

    name: str
    key: str
    path: Path
    seconds: float
    peak_memory_mb: float
    energy_wh: float | None
    cached: bool
    usages: tuple[Usage, ...] = ()


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
        with explained(self.root):
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
        with explained(self.root):
            self.root.mkdir(parents=True, exist_ok=True)  # somebody may have removed the cache since
            with file_lock(self.root / f"{self.place(stage).name}.lock"):
                if self._is_whole(stage, progress):
                    _touch(self.place(stage) / MANIFEST)  # when it was last used
                    return self._result(stage, cached=True)
                with self.needing(stage.inputs):
                    usages = self._run(stage, progress)
        return replace(self._result(stage, cached=False), usages=usages)

    @contextmanager
    def needing(self, stages: Iterable[Stage]) -> Iterator[None]:
        """Say so where a block fails because stages that it reads were removed meanwhile.

        Raises
        ------
        StorageError
            With what the block failed of as its cause.
        """
        try:
            yield
        except StorageError:
            raise
        except Exception as error:
            gone = [stage.name for stage in stages if not os.path.lexists(self.place(stage) / MANIFEST)]
            if not gone:
                raise
            said = f"Stages disappeared from cache {self.root} during the run ({', '.join(gone)})"
            raise StorageError(said, got=_reason(error), then=_MADE_AGAIN) from error

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

    def _run(self, stage: Stage, progress: StageProgress) -> tuple[Usage, ...]:
        """Run a stage, put it in its place, and return what it used of the machine from second to second."""
        self._sweep()
        partial = self.root / f"{PARTIAL}{stage.name}-{OWNER}{own_name()}"
        partial.mkdir()
        reset_peak_memory()
        checkpoints = self._checkpoints(stage, progress)
        try:
            with EnergyMeter() as meter, Monitor() as monitor, self._kept(stage, partial):
                progress.usage = monitor
                watched = progress.watched(lambda: _touch(partial), TOUCH_S)
                stage.run(partial, watched, *([checkpoints] if stage.trains else []))
            resumed = checkpoints.resumed_from_steps
            cost = {
                "seconds": checkpoints.seconds,
                "peak_memory_mb": max(peak_memory_mb(), monitor.peak_memory_mb),
                "energy_wh": None if resumed else meter.energy_wh,
                "resumed_from_steps": resumed,
            }
            facts = {"name": stage.name, "key": stage.key, "finished": time.time(), **cost}
            decided = {"subject": dict(stage.subject), "parts": asdict(stage.parts)}
            with self._kept(stage, partial):
                write_json(partial / MANIFEST, {**facts, **decided, "files": written_files(partial)})
                _put(partial, self.place(stage))
            checkpoints.remove()
        finally:
            progress.usage = ""
            shutil.rmtree(partial, ignore_errors=True)
        return tuple(monitor.usages)

    def _checkpoints(self, stage: Stage, progress: StageProgress) -> StageCheckpoints:
        about = {"name": stage.name, "key": stage.key, "subject": dict(stage.subject)}
        folder = self.root / FOLDER / self.place(stage).name
        return StageCheckpoints(folder, about, lambda text: say(progress.console, text))

    @contextmanager
    def _kept(self, stage: Stage, partial: Path) -> Iterator[None]:
        """Say what is wrong with the disk while what a stage has written is there, and if it is not there any more."""
        try:
            with explained(self.root):
                yield
        except StorageError:
            raise
        except Exception as error:
            if os.path.lexists(partial):
                raise
            said = f"What stage '{stage.name}' was writing disappeared from cache {self.root}"
            raise StorageError(said, got=_reason(error), then=_MADE_AGAIN) from error

    def _sweep(self) -> None:
        """Remove what was left: folders in progress, files half written, checkpoints that were given up."""
        sweep_given_up(self.root)
        for left in [*self.root.glob(f"{PARTIAL}*"), *self.root.glob(f".*{TEMPORARY}")]:
            with suppress(OSError):
                age_s = time.time() - left.stat().st_mtime
                if age_s <= DEAD_S:
                    continue
                if left.suffix == TEMPORARY:  # written in seconds
                    left.unlink()
                elif age_s > ABANDONED_S or is_dead(left.name.rpartition(OWNER)[2]):
                    shutil.rmtree(left, ignore_errors=True)

    def _result(self, stage: Stage, *, cached: bool) -> StageResult:
        path = self.place(stage)
        manifest = read_json(path / MANIFEST)
        seconds, peak_mb = manifest["seconds"], manifest["peak_memory_mb"]
        return StageResult(stage.name, stage.key, path, seconds, peak_mb, manifest["energy_wh"], cached)


def _reason(error: Exception) -> str:
    """Return an error in short; what one of ours advises would contradict what is advised here."""
    return error.problem if isinstance(error, BenchError) else f"{type(error).__name__}: {error!s:.200}"


def _put(partial: Path, path: Path) -> None:
    """Rename a complete stage to its place; if another run was first, its stage stands."""
    for _ in range(PUT_TRIES):
        try:
            partial.rename(path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            return
        if not damage(path):
            return
        remove_stage(path)
    raise StorageError(f"Stage {path} is damaged again and again", then="Look at its disk ('dmesg').")


def remove_stage(path: Path) -> None:
    """Take a folder away at once, so that no other run finds half of it, then delete its files."""
    away = path.with_name(f"{PARTIAL}removed-{OWNER}{own_name()}")
    try:
        path.rename(away)
    except FileNotFoundError:  # another run has removed it
        return
    shutil.rmtree(away, ignore_errors=True)


def _touch(path: Path) -> None:
    with suppress(OSError):  # a store that may only be read is as good
        os.utime(path)


def damage(path: Path) -> str:
    """Say what is wrong with a finished stage's folder; empty if nothing is.

    Raises
    ------
    OSError
        If the disk does not answer: what it keeps may be whole.
    """
    try:
        expected = {name: (size, digest) for name, (size, digest) in read_json(path / MANIFEST)["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if does_not_answer(error):
            raise
        return f"{MANIFEST} cannot be read ({type(error).__name__})"
    return damage_of(path, expected)

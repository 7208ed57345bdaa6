"""Keeps how far the trainings of an unfinished stage are, so that a stage that was killed goes on from there."""

from __future__ import annotations

import os
import secrets
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from eeg2speech_bench.core.stages.json_files import read_json, write_json

#: where checkpoints lie in a store: outside the folders of stages, which are removed when a stage fails
FOLDER = ".checkpoints"
#: what a folder of checkpoints says of its stage
ABOUT = "about.json"
#: a stage that nobody went on with for so long was given up
GIVEN_UP_S = 14 * 24 * 3600.0


class StageCheckpoints:
    """Keeps one file for each training of a stage.

    They lie under the stage's key: whatever changes the result changes the key, so an old state is never gone on from.

    Parameters
    ----------
    folder : Path
        Made when the first file is written.
    about : dict
        ``name``, ``key`` and ``subject`` of the stage.
    tell : callable
        Takes one line for the user.

    Attributes
    ----------
    resumed_from_steps : list of int
        Where the trainings of this attempt went on; empty if all began from the start.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], tell: Callable[[str], None]) -> None:
        self.folder, self.about, self.tell = folder, about, tell
        self.resumed_from_steps: list[int] = []
        self._started = time.monotonic()
        self._earlier_s = 0.0
        self._told: set[str] = set()

    @property
    def seconds(self) -> float:
        """Seconds of this attempt and of the earlier ones that it goes on from; lost work does not count twice."""
        return self._earlier_s + time.monotonic() - self._started

    def file(self, name: str) -> CheckpointFile:
        """Return the file of one training, whether it is there or not."""
        return CheckpointFile(self, name)

    def make_folder(self) -> None:
        """Make the folder, with what people are told of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / ABOUT).exists():
            write_json(self.folder / ABOUT, dict(self.about))

    def goes_on(self, name: str, step: int, earlier_s: float, *, unit: str = "step") -> None:
        """Take down, and tell, that a training goes on, or what else goes step by step."""
        self._earlier_s = max(self._earlier_s, earlier_s)  # the files of one stage hold the same clock
        self.resumed_from_steps.append(step)
        self.tell(f"Stage {self.about['name']}: {name} goes on from {unit} {step}.")

    def tell_once(self, text: str) -> None:
        """Tell what would come again with every file that is written."""
        if text not in self._told:
            self._told.add(text)
            self.tell(text)

    def remove(self) -> None:
        """Remove all files, once the stage is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)


class CheckpointFile:
    """Holds the state of one training, written whole or not at all."""

    def __init__(self, stage: StageCheckpoints, name: str) -> None:
        self.stage, self.name = stage, name
        self.path = stage.folder / f"{name.replace(' ', '-')}.pt"
        self._earlier_s = 0.0

    def read(self) -> dict[str, Any] | None:
        """Read the state; None if there is none, or if it is damaged or another stage's, which is told in a line.

        Returns
        -------
        dict
            What was given to `write`, with tensors on the CPU.
        """
        import torch

        if not self.path.exists():
            return None
        try:
            with zipfile.ZipFile(self.path) as archive:  # torch does not look at the checksums that it writes
                if damaged := archive.testzip():
                    raise ValueError(f"{damaged} is damaged")
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            if content["key"] != self.stage.about["key"]:
                raise ValueError("it belongs to another stage")
            self._earlier_s = float(content["seconds"])
            state: dict[str, Any] = content["state"]
        except Exception as error:  # a damaged file can raise anything
            self.refuse(_reason(error))
            return None
        return state

    def refuse(self, reason: str) -> None:
        """Tell that the training starts from the beginning although there is a file."""
        self.stage.tell(f"Checkpoint {self.path} cannot be used ({reason}). Training starts from the beginning.")

    def goes_on(self, step: int) -> None:
        """Take down, and tell, that the state that was read is gone on from."""
        self.stage.goes_on(self.name, step, self._earlier_s)

    def write(self, state: Mapping[str, Any]) -> None:
        """Write a state of tensors and plain values; if that fails it is told, and costs nothing else."""
        import torch

        content = {"key": self.stage.about["key"], "seconds": self.stage.seconds, "state": dict(state)}
        temporary = self.path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.tmp")
        try:
            self.stage.make_folder()
            with temporary.open("wb") as stream:
                torch.save(content, stream)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(self.path)
        except Exception as error:  # the disk is full, or a plugin's module holds what cannot be written
            reason = _reason(error)
            self.stage.tell_once(f"No checkpoint can be written in {self.path.parent} ({reason}). Training goes on.")
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    named = error.strerror if isinstance(error, OSError) else str(error).partition("\n")[0]
    return named or type(error).__name__


def unfinished(root: Path) -> Iterator[dict[str, Any]]:
    """Yield what the checkpoints in a store say of their stages, with ``path`` and ``used`` (seconds since 1970)."""
    for folder in sorted(root.joinpath(FOLDER).glob("*-*")):
        with suppress(OSError, ValueError, TypeError):
            yield {**read_json(folder / ABOUT), "path": folder, "used": folder.stat().st_mtime}


def sweep_given_up(root: Path) -> None:
    """Remove the checkpoints of stages that nobody went on with."""
    for folder in root.joinpath(FOLDER).glob("*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > GIVEN_UP_S:
                shutil.rmtree(folder, ignore_errors=True)

"""Describes a fetched folder: where its files are from, and the size and SHA-256 of each."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.core.stages.json_files import write_json

#: name of the file in the folder; it is written last
FILE = "fetched.json"


class _Described(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class PlacedFile(_Described):
    """A file: its path below the folder with ``/`` between parts, its bytes, and their SHA-256."""

    path: str
    size: int
    sha256: str


class Manifest(_Described):
    """What a finished fetch left in a folder.

    Attributes
    ----------
    version : int
    name : str
        What users type.
    source : str
        Repository that the files are from.
    revision : str
        Its commit.
    n_listeners : int, optional
        Only the first so many were fetched; None for all.
    downloaded : list of PlacedFile
        Files of the repository, as they arrived; archives among them were unpacked and removed.
    files : list of PlacedFile
        What lies in the folder.
    sound_s : float
        Length of all sound files together, in seconds.
    """

    version: Literal[1] = 1
    name: str
    source: str
    revision: str
    n_listeners: int | None = None
    downloaded: list[PlacedFile]
    files: list[PlacedFile]
    sound_s: float = 0.0

    @property
    def size(self) -> int:
        """Bytes of all files in the folder."""
        return sum(file.size for file in self.files)

    def lacking(self, folder: Path) -> list[str]:
        """Return the files that are not there or have another size; nothing is read."""
        return [file.path for file in self.files if not _has_size(folder / file.path, file.size)]

    def damaged(self, folder: Path, hashes: FileHashes) -> list[str]:
        """Return the files that are not there or whose content is another; what is not remembered is read."""
        lacking = set(self.lacking(folder))
        with hashes.saved_once():
            return [f.path for f in self.files if f.path in lacking or hashes.of(folder / f.path) != f.sha256]

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """Read the manifest of a folder; None where there is none.

        Raises
        ------
        StorageError
            If it cannot be read.
        """
        path = folder / FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValidationError) as error:
            then = f"Delete {folder} and fetch it again."
            raise StorageError(f"{path} cannot be read", got=str(error).splitlines()[0], then=then) from error

    @classmethod
    def notes_on(cls, folder: Path) -> tuple[str, ...]:
        """Return a line on where a folder was fetched from, for the record; none of a folder that was not."""
        known = cls.read(folder)
        return (f"fetched from {known.source} at revision {known.revision}",) if known else ()

    def write(self, folder: Path) -> None:
        """Write it, atomically."""
        write_json(folder / FILE, self.model_dump(mode="json"))


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.is_file() and path.stat().st_size == size
    except OSError:
        return False

"""Downloads files: continued where they stopped, several at once, and each verified."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.fetching.manifest import PlacedFile
from eeg2speech_bench.datasets.fetching.network import is_transient
from eeg2speech_bench.datasets.fetching.remote_files import Opener, RemoteFile

#: files that are downloaded at once
N_STREAMS = 4
#: times that a connection may be lost, one after the other, without a byte in between
MAX_FAILURES = 5
#: seconds before the first new attempt; each further one waits twice as long
PAUSE_S = 1.0
READ_BYTES = 1 << 20


@dataclass
class Downloads:
    """A folder in which files wait until all have arrived; each is named by its content.

    A file that is being downloaded ends in ``.part``. One that does not is whole and verified, so a fetch that was
    killed goes on where it was.

    Attributes
    ----------
    folder : Path
    opens : Opener
    arrived : callable
        Told how many more bytes are on the disk; called from several threads, one at a time.
    """

    folder: Path
    opens: Opener
    arrived: Callable[[int], None]
    _stop: Event = field(default_factory=Event, init=False)
    _telling: Lock = field(default_factory=Lock, init=False)

    def missing_bytes(self, files: Iterable[RemoteFile]) -> int:
        """Return how many bytes of these files are still to be downloaded."""
        return sum(file.size - self._n_bytes_of(file) for file in distinct(files))

    def forget_others(self, files: Iterable[RemoteFile]) -> None:
        """Delete what an interrupted fetch of another revision left."""
        kept = {path.name for file in files for path in (self.place_of(file), self._part(file))}
        for path in self.folder.iterdir():
            if path.name not in kept:
                path.unlink()

    def fetch(self, files: Sequence[RemoteFile]) -> list[PlacedFile]:
        """Download and verify files, each content once; return their SHA-256 in the same order.

        Raises
        ------
        DataError
            If a file is not what the repository says it is; it is deleted.
        Exception
            What the last attempt raised, if a connection was lost too often.
        """
        self._stop.clear()
        with ThreadPoolExecutor(N_STREAMS) as pool:
            started = {file.digest: pool.submit(self._fetch_one, file) for file in distinct(files)}
            try:
                done, _ = wait(started.values(), return_when=FIRST_EXCEPTION)
                for one in done:
                    one.result()
            except BaseException:  # Ctrl-C too: the others end at their next bytes
                self._stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        hashes = {digest: one.result() for digest, one in started.items()}
        return [PlacedFile(path=file.path, size=file.size, sha256=hashes[file.digest]) for file in files]

    def place_of(self, file: RemoteFile) -> Path:
        """Return where a whole file lies."""
        return self.folder / file.digest

    def _n_bytes_of(self, file: RemoteFile) -> int:
        for path in (self.place_of(file), self._part(file)):
            if path.is_file():
                return min(path.stat().st_size, file.size)
        return 0

    def _part(self, file: RemoteFile) -> Path:
        return self.folder / f"{file.digest}.part"

    def _fetch_one(self, file: RemoteFile) -> str:
        place, part = self.place_of(file), self._part(file)
        if not place.is_file():
            self._complete(file, part)
        source = place if place.is_file() else part
        sha256 = self._verified(file, source)
        source.replace(place)
        return sha256

    def _complete(self, file: RemoteFile, part: Path) -> None:
        """Append to a file until it has its size."""
        part.touch()
        if part.stat().st_size > file.size:
            part.unlink()
            part.touch()
        failures = 0
        while (before := part.stat().st_size) < file.size:
            try:
                self._append(file, part, before)
                error: Exception = ConnectionError(f"the server ended {file.path} early")
            except Exception as raised:
                if not is_transient(raised):
                    raise
                error = raised
            failures = 0 if part.stat().st_size > before else failures + 1
            if failures > MAX_FAILURES:
                raise error
            if self._stop.wait(PAUSE_S * 2 ** (failures - 1) if failures else 0):
                raise InterruptedError(f"download of {file.path} was stopped")

    def _append(self, file: RemoteFile, part: Path, offset: int) -> None:
        with self.opens(file, offset) as (start, chunks), part.open("r+b") as out:
            if start > offset:
                raise ConnectionError(f"the server sent {file.path} from byte {start} on instead of {offset}")
            out.truncate(start)  # a server that continues nothing begins anew
            out.seek(start)
            self._tell(start - offset)
            for chunk in chunks:
                if self._stop.is_set():
                    return
                out.write(chunk)
                out.flush()  # what a fetch that is killed has received need not be sent again
                self._tell(len(chunk))
                if out.tell() > file.size:
                    raise self._wrong(file, out.tell(), f"{file.size} bytes", part)

    def _tell(self, n_bytes: int) -> None:
        with self._telling:
            self.arrived(n_bytes)

    def _verified(self, file: RemoteFile, path: Path) -> str:
        """Return the SHA-256 of a whole file; delete it if it is not what the repository says."""
        sha256, said = hashlib.sha256(), file.new_hash()
        with path.open("rb") as content:
            while chunk := content.read(READ_BYTES):
                sha256.update(chunk)
                if file.algorithm != "sha256":
                    said.update(chunk)
        found = (sha256 if file.algorithm == "sha256" else said).hexdigest()
        if path.stat().st_size != file.size or found != file.digest:
            raise self._wrong(file, found, file.digest, path)
        return sha256.hexdigest()

    def _wrong(self, file: RemoteFile, got: object, expected: str, path: Path) -> DataError:
        path.unlink(missing_ok=True)
        return DataError(
            f"{file.path} did not arrive as the repository says",
            got=got,
            expected=expected,
            then="It was deleted. Type the same command again; if it happens twice, a proxy may change it on the way.",
        )


def distinct(files: Iterable[RemoteFile]) -> list[RemoteFile]:
    """Return one file of each content: BIDS repeats small tables for every listener."""
    return list({file.digest: file for file in files}.values())

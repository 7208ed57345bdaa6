"""Lists and streams the files of a data set repository of the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from eeg2speech_bench.core.errors import BenchError, StorageError, UsageError
from eeg2speech_bench.core.terminal.progress import OutputClosed

#: answers that may be another one a moment later
TRANSIENT_STATUS = (408, 425, 429, 500, 502, 503, 504)
#: seconds without a byte after which a connection counts as lost
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository.

    Attributes
    ----------
    path : str
    size : int
        Bytes.
    sha256 : str
        Of the content; empty for small files, which the hub names by git's hash alone.
    blob : str
        Git's SHA-1 of the content, or of the pointer that stands for it.
    """

    path: str
    size: int
    sha256: str
    blob: str

    @property
    def key(self) -> str:
        """Name of the content."""
        return self.sha256 or self.blob


@dataclass(frozen=True)
class Snapshot:
    """A repository at one commit."""

    repository: str
    revision: str
    files: tuple[RemoteFile, ...]

    @contextmanager
    def stream(self, file: RemoteFile, offset: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Open a file from ``offset`` on; give the offset that the server really starts at, and the bytes.

        Raises
        ------
        Exception
            Whatever the library of the hub and its HTTP client raise; `is_transient` tells what may pass.
        """
        from huggingface_hub import get_session, hf_hub_url
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

        url = hf_hub_url(self.repository, file.path, repo_type="dataset", revision=self.revision)
        # compressed on the way, the file could not be continued in the middle
        headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        with get_session().stream("GET", url, headers=headers, timeout=TIMEOUT_S, follow_redirects=True) as response:
            if response.status_code >= 400:
                response.read()  # the reason stands in the body
            hf_raise_for_status(response)
            start = _start_of(response.headers.get("Content-Range", "")) if response.status_code == 206 else 0
            yield start, response.iter_bytes()


def open_snapshot(repository: str, revision: str) -> Snapshot:
    """Ask the hub for the commit and the files of a repository.

    Raises
    ------
    StorageError
        If it cannot be asked, or does not let one in.
    """
    from huggingface_hub import HfApi

    with explained_hub(f"hf://datasets/{repository}"):
        info = HfApi().dataset_info(repository, revision=revision, files_metadata=True, timeout=TIMEOUT_S)
    files = [_remote_file(sibling) for sibling in info.siblings or () if sibling.rfilename != ".gitattributes"]
    if not info.sha or not files:
        raise StorageError(f"Repository hf://datasets/{repository} holds no files", then="See whether it was moved.")
    return Snapshot(repository, info.sha, tuple(files))


def _remote_file(sibling: Any) -> RemoteFile:
    lfs = sibling.lfs
    size = lfs.size if lfs else sibling.size
    return RemoteFile(sibling.rfilename, int(size or 0), lfs.sha256 if lfs else "", sibling.blob_id or "")


def _start_of(content_range: str) -> int:
    """Return the first number of ``bytes 100-199/200``."""
    return int(content_range.removeprefix("bytes ").partition("-")[0] or 0)


def is_transient(error: Exception) -> bool:
    """Whether the same question may be answered a moment later: a lost connection, a busy server."""
    if is_of_this_machine(error):
        return False
    status = _status(error)
    return status is None or status in TRANSIENT_STATUS


def is_of_this_machine(error: BaseException) -> bool:
    """Whether we or the system raised it, and not the other side; the HTTP client's errors have no number."""
    return isinstance(error, BenchError | OutputClosed) or (isinstance(error, OSError) and error.errno is not None)


def _status(error: BaseException) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


@contextmanager
def explained_hub(name: str) -> Iterator[None]:
    """Say what is wrong with a repository and what to type, whatever the hub's library raises of it."""
    from huggingface_hub import errors

    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise StorageError(f"{name} is not asked while offline", then="Unset HF_HUB_OFFLINE.") from error
    except errors.GatedRepoError as error:
        raise StorageError(f"{name} is gated", then="Ask for access on its page, then 'hf auth login'.") from error
    except errors.RepositoryNotFoundError as error:
        then = "If it is private, type 'hf auth login'; else it was moved or removed."
        raise StorageError(f"{name} was not found", then=then) from error
    except errors.RevisionNotFoundError as error:
        raise UsageError(f"{name} has no such revision", then="Give a commit or a branch to --revision.") from error
    except Exception as error:  # the HTTP client has errors of its own
        if is_of_this_machine(error):
            raise
        said = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        then = "Check the network, then type the same command again: what has arrived is kept."
        raise StorageError(f"{name} could not be reached", got=said, then=then) from error

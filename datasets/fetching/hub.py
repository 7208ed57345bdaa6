"""Lists and streams the files of a data set repository of the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from eeg2speech_bench.core.errors import StorageError, UsageError
from eeg2speech_bench.datasets.fetching.network import TIMEOUT_S, explained_network
from eeg2speech_bench.datasets.fetching.remote_files import RemoteFile, Snapshot, start_of


def open_hub(repository: str, revision: str) -> Snapshot:
    """Ask the hub for the commit and the files of a data set repository.

    Raises
    ------
    StorageError
        If it cannot be asked, or does not let one in.
    UsageError
        If it has no such revision.
    """
    from huggingface_hub import HfApi

    address = f"hf://datasets/{repository}"
    with explained(address):
        info = HfApi().dataset_info(repository, revision=revision or None, files_metadata=True, timeout=TIMEOUT_S)
    files = tuple(_remote_file(sibling) for sibling in info.siblings or () if sibling.rfilename != ".gitattributes")
    if not info.sha or not files:
        raise StorageError(f"Repository {address} holds no files", then="See whether it was moved.")
    return Snapshot(address, info.sha, files, partial(_stream, repository, info.sha), explained)


def _remote_file(sibling: Any) -> RemoteFile:
    """Describe a file by what the hub says: SHA-256 of large ones, git's hash of small ones."""
    if sibling.lfs:
        return RemoteFile(sibling.rfilename, int(sibling.lfs.size), "sha256", sibling.lfs.sha256)
    return RemoteFile(sibling.rfilename, int(sibling.size or 0), "git", sibling.blob_id or "")


@contextmanager
def _stream(repository: str, revision: str, file: RemoteFile, offset: int) -> Iterator[tuple[int, Iterator[bytes]]]:
    from huggingface_hub import get_session, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

    url = hf_hub_url(repository, file.path, repo_type="dataset", revision=revision)
    # compressed on the way, the file could not be continued in the middle
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    with get_session().stream("GET", url, headers=headers, timeout=TIMEOUT_S, follow_redirects=True) as response:
        if response.status_code >= 400:
            response.read()  # the reason stands in the body
        hf_raise_for_status(response)
        start = start_of(response.headers.get("Content-Range", "")) if response.status_code == 206 else 0
        yield start, response.iter_bytes()


@contextmanager
def explained(address: str) -> Iterator[None]:
    """Say what is wrong with a repository of the hub and what to type."""
    from huggingface_hub import errors

    try:
        with explained_network(address):
            yield
    except StorageError as error:
        cause = error.__cause__
        if isinstance(cause, errors.OfflineModeIsEnabled):
            raise StorageError(f"{address} is not asked while offline", then="Unset HF_HUB_OFFLINE.") from cause
        if isinstance(cause, errors.GatedRepoError):
            then = "Ask for access on its page, then 'hf auth login'."
            raise StorageError(f"{address} is gated", then=then) from cause
        if isinstance(cause, errors.RepositoryNotFoundError):
            then = "If it is private, type 'hf auth login'; else it was moved or removed."
            raise StorageError(f"{address} was not found", then=then) from cause
        if isinstance(cause, errors.RevisionNotFoundError):
            then = "Give a commit or a branch to --revision."
            raise UsageError(f"{address} has no such revision", then=then) from cause
        raise

"""Lists and streams the files of a BIDS data set of NEMAR, which also mirrors OpenNeuro."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from eeg2speech_bench.core.errors import BenchError, DataError, StorageError, UsageError
from eeg2speech_bench.datasets.fetching.network import TIMEOUT_S, explained_network, status_of
from eeg2speech_bench.datasets.fetching.remote_files import Algorithm, RemoteFile, Snapshot, start_of

#: what NEMAR's client calls hashes, surest first
_HASHES: tuple[tuple[str, Algorithm], ...] = (("sha256", "sha256"), ("git_sha1", "git"), ("md5", "md5"))


def open_nemar(dataset: str, version: str) -> Snapshot:
    """Ask NEMAR for the files of a data set, through its client nemar-py; its downloads are not used.

    Parameters
    ----------
    dataset : str
        As NEMAR names it: ``nm000180``, or ``on004408`` for OpenNeuro's ds004408.
    version : str
        Empty for the latest.

    Raises
    ------
    BenchError
        If nemar-py is not installed.
    StorageError
        If NEMAR cannot be reached.
    UsageError
        If it has no such version.
    DataError
        If it lists a file without its size or hash.
    """
    try:
        import nemar
        from nemar.errors import DatasetIndexError
    except ImportError as error:
        raise BenchError(f"{dataset} needs nemar-py", then="Type: pip install 'eeg2speech-bench[nemar]'.") from error
    address = f"nemar://{dataset}"
    try:
        with nemar.NEMARClient(metadata_timeout=TIMEOUT_S, max_retries=2) as client, explained_network(address):
            index = client.fetch_index(dataset)
            published = index.resolve_version(version or None)
            listed = {file.path: file for file in client.fetch_manifest(index, published)}
    except StorageError as error:
        if isinstance(error.__cause__, DatasetIndexError):
            raise UsageError(f"{address} has no such version", got=str(error.__cause__)) from error
        raise
    files = tuple(_remote_file(address, file) for file in listed.values())
    return Snapshot(address, published.version, files, partial(_stream, listed), explained_network)


def _remote_file(address: str, file: Any) -> RemoteFile:
    known = [(algorithm, getattr(file, name)) for name, algorithm in _HASHES if getattr(file, name)]
    if file.size is None or not known:
        raise DataError(f"{address} lists {file.path} without size or hash, so that it cannot be verified")
    algorithm, digest = known[0]
    return RemoteFile(file.path, file.size, algorithm, digest.lower())


@contextmanager
def _stream(listed: Mapping[str, Any], file: RemoteFile, offset: int) -> Iterator[tuple[int, Iterator[bytes]]]:
    one = listed[file.path]
    try:
        with _opened(one.url, offset) as opened:
            yield opened
    except Exception as error:
        # a signed address is good for a while; the other one stays
        if status_of(error) != 403 or one.bytes_url in (None, one.url):
            raise
        with _opened(one.bytes_url, offset) as opened:
            yield opened


@contextmanager
def _opened(url: str, offset: int) -> Iterator[tuple[int, Iterator[bytes]]]:
    import httpx

    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={offset}-"} if offset else {})}
    with httpx.stream("GET", url, headers=headers, timeout=TIMEOUT_S, follow_redirects=True) as response:
        response.raise_for_status()
        start = start_of(response.headers.get("Content-Range", "")) if response.status_code == 206 else 0
        yield start, response.iter_bytes()

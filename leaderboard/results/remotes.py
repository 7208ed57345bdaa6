"""Reads and writes results folders elsewhere: data set repositories of the Hugging Face hub, and any fsspec URL."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from eeg2speech_bench.core.errors import BenchError, StorageError, UsageError
from eeg2speech_bench.core.weights.hub_access import error_line, explained_hub, hub_api, hub_name, is_of_disk
from eeg2speech_bench.leaderboard.results.validation import cell_of

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
#: what to install for a protocol, where fsspec does not say so itself
_EXTRAS = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}
#: what the hub is asked for; the names that match and are not of a results folder are left out one by one
_PATTERNS = ["records/*.json", "cells/*/segments*.parquet", "cells/*/audio/*.flac"]


class Remote(Protocol):
    """A results folder elsewhere; file names are relative to it and have forward slashes."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def sizes(self) -> dict[str, int]:
        """List all files with their sizes in bytes; the names are as the other side gives them, and not safe."""

    def fetch(self, names: Sequence[str], folder: Path) -> None:
        """Download files, all of which `cell_of` knows, into the same places below ``folder``."""

    def send(self, files: Mapping[str, Path], title: str) -> str:
        """Upload files and return where they can be seen."""


def open_remote(text: str, *, direct: bool = False) -> Remote:
    """Return the place that a user named.

    Parameters
    ----------
    text : str
        ``OWNER/NAME`` or ``hf://datasets/OWNER/NAME``: a data set repository of the hub. Any other URL: fsspec.
    direct : bool
        Commit to the hub's main branch; otherwise open a pull request.

    Raises
    ------
    UsageError
        If it is neither, names a protocol that is not there, or carries a password.
    """
    repository = text.removeprefix("hf://datasets/")
    if _HUB_NAME.fullmatch(repository) and ".." not in repository:
        return HubRepository(repository, direct=direct)
    if "://" not in text or "::" in text or text.startswith("hf://"):
        then = "For a folder type file:///PATH, or use 'leaderboard merge'."
        raise UsageError("Unknown place", got=repr(text), expected="OWNER/NAME of the hub, or a URL", then=then)
    if urlsplit(text).password or urlsplit(text).username:
        then = "Leave them out; they are read from where the storage's own tools keep them."
        raise UsageError("A URL with a name and a password ends up in shell histories", then=then)
    return UrlFolder(text)


class HubRepository:
    """A data set repository of the Hugging Face hub.

    The token is the hub's own business (``hf auth login`` or ``HF_TOKEN``); nothing here reads or keeps it.

    Parameters
    ----------
    repository : str
        ``OWNER/NAME``.
    direct : bool
        Commit to the main branch; otherwise open a pull request.
    """

    def __init__(self, repository: str, *, direct: bool) -> None:
        self.repository, self.direct = repository, direct

    @property
    def name(self) -> str:
        """What messages call it."""
        return hub_name(self.repository, "dataset")

    @cached_property
    def _api(self) -> Any:
        return hub_api()

    @cached_property
    def _commit(self) -> str:
        # one commit for the listing and all downloads, so that nothing is exchanged in between
        return str(self._api.repo_info(self.repository, repo_type="dataset").sha)

    @cached_property
    def _sizes(self) -> dict[str, int]:
        tree = self._api.list_repo_tree(self.repository, repo_type="dataset", revision=self._commit, recursive=True)
        return {entry.path: entry.size for entry in tree if hasattr(entry, "size")}

    def sizes(self) -> dict[str, int]:
        """List all files with their sizes in bytes."""
        with explained_hub(self.repository, "dataset"):
            return self._sizes

    def fetch(self, names: Sequence[str], folder: Path) -> None:
        """Download files into the same places below ``folder``."""
        unwanted = [glob.escape(name) for name in self._sizes.keys() - set(names)]
        with explained_hub(self.repository, "dataset"):
            self._api.snapshot_download(
                self.repository,
                repo_type="dataset",
                revision=self._commit,
                local_dir=folder,
                allow_patterns=[p for p in _PATTERNS if names],
                ignore_patterns=unwanted,
            )

    def send(self, files: Mapping[str, Path], title: str) -> str:
        """Commit files, all at once, and return the address of the pull request or commit."""
        from huggingface_hub import CommitOperationAdd

        operations = [CommitOperationAdd(name, str(path)) for name, path in files.items()]
        with explained_hub(self.repository, "dataset"):
            commit = self._api.create_commit(
                self.repository, operations, commit_message=title, repo_type="dataset", create_pr=not self.direct
            )
        return str(commit.pr_url or commit.commit_url)


class UrlFolder:
    """A folder that fsspec reaches: ``s3://``, ``gs://``, ``file://``, ``memory://`` and others.

    Parameters
    ----------
    url : str
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.url

    @cached_property
    def _place(self) -> tuple[Any, str]:
        import fsspec.core

        protocol = self.url.partition("://")[0]
        options = {"auto_mkdir": True} if protocol in ("file", "local") else {}
        try:
            return fsspec.core.url_to_fs(self.url, **options)
        except (ImportError, ValueError) as error:
            package = _EXTRAS.get(protocol)
            then = f"Type: pip install {package}" if package else "Use a protocol that fsspec knows."
            raise UsageError(f"Protocol '{protocol}' is not there", got=str(error), then=then) from error

    def sizes(self) -> dict[str, int]:
        """List all files with their sizes in bytes; links are left out, since they can lead out of the folder."""
        with _explained_url(self.name):
            files, root = self._place
            files.invalidate_cache()
            listing = files.find(root, detail=True)
            prefix = f"{root.rstrip('/')}/"
            return {
                path.removeprefix(prefix): entry.get("size") or 0
                for path, entry in listing.items()
                if path.startswith(prefix) and not entry.get("islink")
            }

    def fetch(self, names: Sequence[str], folder: Path) -> None:
        """Download files into the same places below ``folder``."""
        places = [folder / name for name in names]
        for place in places:
            place.parent.mkdir(parents=True, exist_ok=True)
        with _explained_url(self.name):
            files, root = self._place
            files.get([f"{root}/{name}" for name in names], [str(place) for place in places])

    def send(self, files: Mapping[str, Path], title: str) -> str:
        """Upload files, records last, so that no record is seen before what belongs to it."""
        with _explained_url(self.name):
            storage, root = self._place
            for records in (False, True):
                part = {name: path for name, path in files.items() if name.startswith("records/") == records}
                storage.put([str(path) for path in part.values()], [f"{root}/{name}" for name in part])
        return self.url


@contextmanager
def _explained_url(name: str) -> Iterator[None]:
    try:
        yield
    except BenchError:
        raise
    except FileNotFoundError as error:
        raise StorageError(f"{name} was not found", got=error_line(error), then="Check the name.") from error
    except Exception as error:  # every storage has errors of its own
        if is_of_disk(error):
            raise
        kind = type(error).__name__
        if isinstance(error, PermissionError) or "Credential" in kind:
            then = "Log in with the storage's own tools (for s3: AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret)."
            raise StorageError(f"{name} does not let you in", got=error_line(error), then=then) from error
        then = "Check the network and the URL, then type the same command again."
        raise StorageError(f"{name} could not be reached", got=error_line(error), then=then) from error


def wanted(sizes: Mapping[str, int]) -> tuple[dict[str, int], list[str]]:
    """Separate the files that a results folder has from those that it lacks.

    Parameters
    ----------
    sizes : mapping of str to int
        Names as a `Remote` gives them.

    Returns
    -------
    kept : dict of str to int
        Files of cells that have a record.
    ignored : list of str
        All others: code, archives, names that lead elsewhere.
    """
    cells = {cell_of(name) for name in sizes if name.startswith("records/")} - {None}
    kept = {name: size for name, size in sizes.items() if cell_of(name) in cells and cell_of(name) is not None}
    return kept, sorted(sizes.keys() - kept.keys())

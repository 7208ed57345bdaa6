"""Describes what a public place holds: files with their sizes and hashes, at one revision."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal

#: names a content: SHA-256, MD5, or the SHA-1 that git gives it
Algorithm = Literal["sha256", "md5", "git"]


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository.

    Attributes
    ----------
    path : str
    size : int
        Bytes.
    algorithm : str
        Of the hash that the repository gives.
    digest : str
        That hash of the content, in hexadecimal digits.
    """

    path: str
    size: int
    algorithm: Algorithm
    digest: str

    def new_hash(self) -> Any:
        """Return what the content must be fed to; its ``hexdigest`` must come to ``digest``."""
        if self.algorithm == "git":
            return hashlib.sha1(f"blob {self.size}\0".encode(), usedforsecurity=False)
        return hashlib.new(self.algorithm, usedforsecurity=False)


#: opens a file from an offset on; gives the offset that it really starts at, and the bytes
Opener = Callable[[RemoteFile, int], AbstractContextManager[tuple[int, Iterator[bytes]]]]


@dataclass(frozen=True)
class Snapshot:
    """A repository at one revision.

    Attributes
    ----------
    address : str
    revision : str
        What names this state for ever: a commit, a published version.
    files : tuple of RemoteFile
    opens : Opener
    explained : callable
        Given the address, makes a block in which errors of the place say what to do.
    """

    address: str
    revision: str
    files: tuple[RemoteFile, ...] = field(repr=False)
    opens: Opener = field(repr=False)
    explained: Callable[[str], AbstractContextManager[None]] = field(repr=False)


def start_of(content_range: str) -> int:
    """Return the first number of ``bytes 100-199/200``, which a server says of a part."""
    return int(content_range.removeprefix("bytes ").partition("-")[0] or 0)

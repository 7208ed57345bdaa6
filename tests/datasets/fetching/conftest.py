"""A local server that speaks the hub's protocol for downloads, and misbehaves as networks do."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.datasets.fetching import download
from eeg2speech_bench.datasets.fetching.fetch import Wanted, fetch
from eeg2speech_bench.datasets.fetching.manifest import Manifest
from eeg2speech_bench.datasets.fetching.sources import Source

REPO = "lab/listening"
HEAD = "b" * 40
SOURCE = Source("listening", REPO, "a test", "CC0", "ls {folder}")


class DownloadHub(ThreadingHTTPServer):
    """One data set repository; what it does wrong is set per file or for all.

    Attributes
    ----------
    files : dict of str to bytes
        What the repository says it holds; all but ``README.md`` are stored as large files, with their SHA-256.
    sent : dict of str to bytes
        What is sent instead of it.
    drops : list of int
        After how many bytes the next answers end, one after the other.
    ranges : bool
        Whether a download can be continued.
    stalls_after : int, optional
        After how many bytes answers wait until the server is closed.
    refuses : dict of str to int
        Status that is answered instead of a file.
    log : list of (str, str)
        Files that were asked for, and the header Range.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.repository, self.head = REPO, HEAD
        self.stalls_after: int | None = None
        self.closed = threading.Event()
        self.files: dict[str, bytes] = {}
        self.sent: dict[str, bytes] = {}
        self.drops: list[int] = []
        self.ranges = True
        self.refuses: dict[str, int] = {}
        self.log: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: DownloadHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith(f"/api/datasets/{self.server.repository}"):
            self._describe(path)
        elif f"{self.server.repository}/resolve/" in path:
            self._send_file(path.partition("/resolve/")[2].partition("/")[2])
        else:
            self._json(404, {"error": "Repository not found"}, "RepoNotFound")

    def _describe(self, path: str) -> None:
        revision = path.partition("/revision/")[2] or "main"
        if revision not in ("main", self.server.head):
            self._json(404, {"error": "Invalid rev id"}, "RevisionNotFound")
            return
        siblings = [{"rfilename": ".gitattributes", "size": 1, "blobId": "0" * 40}]
        for name, content in self.server.files.items():
            one = {"rfilename": name, "size": len(content), "blobId": git_hash(content)}
            if name != "README.md":
                one["lfs"] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "pointerSize": 134}
            siblings.append(one)
        self._json(
            200,
            {
                "id": self.server.repository,
                "sha": self.server.head,
                "siblings": siblings,
                "tags": [],
                "private": False,
                "downloads": 0,
            },
        )

    def _send_file(self, name: str) -> None:
        hub, asked = self.server, self.headers.get("Range", "")
        hub.log.append((name, asked))
        if name in hub.refuses:
            self._json(hub.refuses[name], {"error": "no"}, "")
            return
        content = hub.sent.get(name, hub.files[name])
        start = int(asked.removeprefix("bytes=").rstrip("-") or 0) if hub.ranges else 0
        body = content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        stops_after = hub.drops.pop(0) if hub.drops else len(body)
        if hub.stalls_after is not None:
            self.wfile.write(b"" if hub.closed.is_set() else body[: hub.stalls_after])
            hub.closed.wait(60)
            stops_after = 0
        self.wfile.write(body[:stops_after])
        if stops_after < len(body):
            self.close_connection = True

    def _json(self, status: int, value: object, code: str = "") -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def git_hash(content: bytes) -> str:
    """Return the name that git gives a content."""
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


def zipped(files: dict[str, bytes]) -> bytes:
    """Return a zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.fixture
def make_zip() -> Callable[[dict[str, bytes]], bytes]:
    """See `zipped`."""
    return zipped


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[DownloadHub]:
    """Serve a repository, and point the hub's library at it as HF_ENDPOINT would."""
    server = DownloadHub()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(download, "PAUSE_S", 0.0)
    yield server
    server.closed.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the tests fetch to."""
    return tmp_path / "fetched" / "listening"


@pytest.fixture
def said() -> list[str]:
    """Lines that the last fetch reported."""
    return []


@pytest.fixture
def fetch_into(hub: DownloadHub, folder: Path, said: list[str]) -> Callable[..., Manifest]:
    """Fetch the repository."""

    def call(revision: str = "", n_listeners: int | None = None) -> Manifest:
        wanted = Wanted(revision, n_listeners)
        return fetch(SOURCE, folder, FileHashes(), lambda note, share: None, said.append, wanted)

    return call

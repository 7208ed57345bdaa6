"""A local server that speaks the hub's protocol, and the two actions of sharing over it."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from eeg2speech_bench.leaderboard.results.sharing import configure_pull, configure_push, run_pull, run_push
from eeg2speech_bench.leaderboard.results.validation import read_results

TOKEN = "hf_thisIsASecretToken"
REPO = "lab/records"
HEAD = "a" * 40


class Hub(ThreadingHTTPServer):
    """One data set repository in memory; ``files`` is its main branch, ``requests`` what was proposed to it."""

    daemon_threads = True
    repo, token = REPO, TOKEN

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files: dict[str, bytes] = {".gitattributes": b"*.flac filter=lfs"}
        self.large: dict[str, bytes] = {}
        self.proposed: list[dict[str, bytes]] = []
        self.log: list[str] = []
        self.refuses = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def take(self, folder: Path) -> None:
        """Put a results folder into the main branch."""
        kept = (p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
        self.files |= {p.relative_to(folder).as_posix(): p.read_bytes() for p in kept}


class _Answer(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def _send(self, status: int, body: bytes | dict | list = b"", **headers: str) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self) -> None:
        body = self._body()
        path = self.path.partition("?")[0]
        self.server.log.append(f"{self.command} {self.path}")
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if path.startswith("/lfs/"):
            self.server.large[path.removeprefix("/lfs/")] = body
            self._send(200)
        elif REPO not in path:
            self._send(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
        elif self.server.refuses:
            self._send(403, {"error": f"no: {self.headers.get('Authorization')}"}, X_Error_Code=self.server.refuses)
        elif self.command == "POST" and not known:
            self._send(401, {"error": "Invalid username or password."})
        else:
            self._repository(path, body)

    do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815

    def _repository(self, path: str, body: bytes) -> None:
        files = self.server.files
        if "/tree/" in path:
            listed = [{"type": "file", "path": n, "size": len(b), "oid": _oid(b)} for n, b in files.items()]
            self._send(200, listed)
        elif "/resolve/" in path:
            content = files[path.split(f"/resolve/{HEAD}/")[1]]
            self._send(200, content, ETag=f'"{_oid(content)}"', X_Repo_Commit=HEAD)
        elif "/preupload/" in path:
            asked = [f["path"] for f in json.loads(body)["files"]]
            modes = {n: "regular" if n.endswith(".json") else "lfs" for n in asked}
            answers = [{"path": n, "uploadMode": mode, "shouldIgnore": False} for n, mode in modes.items()]
            self._send(200, {"files": answers})
        elif path.endswith("/objects/batch"):
            self._send(200, {"objects": [self._place(one) for one in json.loads(body)["objects"]]})
        elif "/commit/" in path:
            self._commit([json.loads(line) for line in body.splitlines()])
        else:
            self._send(200, {"id": REPO, "sha": HEAD, "siblings": [], "tags": [], "private": False, "downloads": 0})

    def _place(self, one: dict) -> dict:
        upload = {"href": f"{self.server.url}/lfs/{one['oid']}"}
        return {"oid": one["oid"], "size": one["size"], "actions": {"upload": upload}}

    def _commit(self, lines: list[dict]) -> None:
        made = {v["path"]: base64.b64decode(v["content"]) for line in lines if (v := line["value"]).get("content")}
        large = [line["value"] for line in lines if line["key"] == "lfsFile"]
        made |= {value["path"]: self.server.large[value["oid"]] for value in large}
        answer = {"commitUrl": f"{self.server.url}/datasets/{REPO}/commit/{HEAD}", "commitOid": HEAD}
        if "create_pr=1" in self.path:
            self.server.proposed.append(made)
            answer["pullRequestUrl"] = f"{self.server.url}/datasets/{REPO}/discussions/1"
        else:
            self.server.files |= made
        self._send(200, answer)


def _oid(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """Serve a repository, and point the hub's library at it as its environment variables would."""
    server = Hub()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    values = {
        "ENDPOINT": server.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
    }
    for name, value in values.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def push(verb: Callable[..., int], tmp_path: Path) -> Callable[..., int]:
    """Push what is below ``own``."""
    own = str(tmp_path / "own")
    return lambda *options, place=REPO: verb(configure_push, run_push, place, "--results", own, *options)


@pytest.fixture
def pull(verb: Callable[..., int], tmp_path: Path) -> Callable[..., int]:
    """Pull into what is below ``own``."""
    own = str(tmp_path / "own")
    return lambda *options, place=REPO: verb(configure_pull, run_pull, place, "--results", own, *options)


def list_encoders(results: Path) -> list[str]:
    """Return the encoders of the records in a folder, none of which may be refused."""
    records, refusals = read_results(results)
    assert not refusals
    return [record.cell.encoder for record in records]


@pytest.fixture
def encoders() -> Callable[[Path], list[str]]:
    """See `list_encoders`."""
    return list_encoders

"""A local server that speaks the hub's protocol, as far as its library is used here."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

TOKEN = "hf_thisIsASecretToken"
#: what the hub keeps beside git
LARGE = (".flac", ".parquet", ".safetensors")


class Hub(ThreadingHTTPServer):
    """One repository in memory; ``files`` is its main branch, ``proposed`` what pull requests would add.

    Parameters
    ----------
    repo : str
        ``OWNER/NAME``.
    exists : bool
        Or it is made when somebody asks for it.
    """

    daemon_threads = True
    token = TOKEN

    def __init__(self, repo: str, *, exists: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.repo, self.exists, self.private = repo, exists, False
        self.files: dict[str, bytes] = {".gitattributes": b"*.flac filter=lfs"}
        self.tags: dict[str, dict[str, bytes]] = {}
        self.large: dict[str, bytes] = {}
        self.proposed: list[dict[str, bytes]] = []
        self.log: list[str] = []
        self.refuses = ""
        #: files whose contents break off in the middle, and how often
        self.drops: dict[str, int] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def take(self, folder: Path) -> None:
        """Put a folder into the main branch."""
        kept = (p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
        self.files |= {p.relative_to(folder).as_posix(): p.read_bytes() for p in kept}

    def revision(self, name: str) -> dict[str, bytes] | None:
        """Return the files of a branch, a tag or a commit."""
        known = {"main": self.files, **self.tags}
        return next((files for tag, files in known.items() if name in (tag, commit_of(files))), None)

    def fetched(self) -> set[str]:
        """Return the names of files whose contents were asked for."""
        asked = [line.partition("/resolve/")[2] for line in self.log if line.startswith("GET") and "/resolve/" in line]
        return {line.partition("/")[2] for line in asked}


def commit_of(files: dict[str, bytes]) -> str:
    listed = [f"{_oid(content)} {name}" for name, content in sorted(files.items())]
    return _oid("\n".join(listed).encode())


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
        hub, path = self.server, self.path.partition("?")[0]
        hub.log.append(f"{self.command} {self.path}")
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if path.startswith("/lfs/"):
            hub.large[path.removeprefix("/lfs/")] = body
            self._send(200)
        elif self.command == "POST" and not known:
            self._send(401, {"error": "Invalid username or password."})
        elif path == "/api/validate-yaml":
            self._validate(json.loads(body)["content"])
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif not hub.exists or hub.repo not in path or (hub.private and not known):
            self._send(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
        elif hub.refuses:
            self._send(403, {"error": f"no: {self.headers.get('Authorization')}"}, X_Error_Code=hub.refuses)
        else:
            self._repository(path, body)

    do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815

    def _validate(self, card: str) -> None:
        """Take metadata that are a mapping with a licence, as the hub does with much else."""
        metadata = yaml.safe_load(card.split("---")[1])
        errors = [] if isinstance(metadata, dict) and "license" in metadata else [{"message": '"license" is required'}]
        self._send(400 if errors else 200, {"errors": errors, "warnings": []})

    def _create(self, asked: dict) -> None:
        hub = self.server
        if f"{asked['organization']}/{asked['name']}" != hub.repo:
            self._send(403, {"error": "You don't have the rights to create a model under this namespace"})
            return
        made = not hub.exists
        hub.exists = True
        hub.private = asked.get("visibility") == "private" if made else hub.private
        self._send(200 if made else 409, {"url": f"{hub.url}/{hub.repo}", "error": "You already created this repo"})

    def _repository(self, path: str, body: bytes) -> None:
        if "/resolve/" in path:
            self._content(*path.split("/resolve/")[1].split("/", 1))
        elif "/preupload/" in path:
            asked = [f["path"] for f in json.loads(body)["files"]]
            modes = {n: "lfs" if n.endswith(LARGE) else "regular" for n in asked}
            answers = [{"path": n, "uploadMode": mode, "shouldIgnore": False} for n, mode in modes.items()]
            self._send(200, {"files": answers})
        elif path.endswith("/objects/batch"):
            self._send(200, {"objects": [self._place(one) for one in json.loads(body)["objects"]]})
        elif "/commit/" in path:
            self._commit([json.loads(line) for line in body.splitlines()])
        else:
            self._about(path)

    def _about(self, path: str) -> None:
        """Describe a revision or list its files."""
        hub = self.server
        asked = re.search(r"/(?:tree|revision)/([^/]+)", path)
        name = asked[1] if asked else "main"
        files = hub.revision(name)
        if files is None:
            self._send(404, {"error": f"Invalid rev id: {name}"}, X_Error_Code="RevisionNotFound")
        elif "/tree/" in path:
            self._send(200, [_entry(name, content) for name, content in files.items()])
        else:
            siblings = [{"rfilename": name} for name in files]
            about = {"id": hub.repo, "sha": commit_of(files), "siblings": siblings, "tags": [], "private": hub.private}
            self._send(200, about | {"downloads": 0})

    def _content(self, commit: str, name: str) -> None:
        files = self.server.revision(commit) or {}
        if name not in files:
            self._send(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound")
            return
        content, headers = files[name], {"ETag": f'"{_oid(files[name])}"', "X_Repo_Commit": commit_of(files)}
        start = int((self.headers.get("Range") or "bytes=0-")[6:].partition("-")[0])
        if self.command == "GET" and self.server.drops.get(name, 0) > 0:
            self.server.drops[name] -= 1
            self._break_off(content, start, headers)
        elif start:
            whole = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._send(206, content[start:], Content_Range=whole, **headers)
        else:
            self._send(200, content, **headers)

    def _break_off(self, content: bytes, start: int, headers: dict[str, str]) -> None:
        """Send half of what is left, and hang up; nothing at all to whoever comes back."""
        self.send_response(206 if start else 200)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(b"" if start else content[: len(content) // 2])
        self.close_connection = True

    def _place(self, one: dict) -> dict:
        upload = {"href": f"{self.server.url}/lfs/{one['oid']}"}
        return {"oid": one["oid"], "size": one["size"], "actions": {"upload": upload}}

    def _commit(self, lines: list[dict]) -> None:
        hub = self.server
        made = {v["path"]: base64.b64decode(v["content"]) for line in lines if (v := line["value"]).get("content")}
        large = [line["value"] for line in lines if line["key"] == "lfsFile"]
        made |= {value["path"]: hub.large[value["oid"]] for value in large}
        gone = {line["value"]["path"] for line in lines if line["key"] == "deletedFile"}
        answer = {"commitUrl": f"{hub.url}/{hub.repo}/commit/{commit_of(made)}", "commitOid": commit_of(made)}
        if "create_pr=1" in self.path:
            hub.proposed.append(made)
            answer["pullRequestUrl"] = f"{hub.url}/datasets/{hub.repo}/discussions/1"
        else:
            hub.files = {name: content for name, content in (hub.files | made).items() if name not in gone}
        self._send(200, answer)


def _entry(name: str, content: bytes) -> dict:
    entry = {"type": "file", "path": name, "size": len(content), "oid": _oid(content)}
    large = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return entry | ({"lfs": large} if name.endswith(LARGE) else {})


def _oid(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()

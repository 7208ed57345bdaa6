"""Records over the wire: against a local server that speaks the hub's protocol, and what a hostile one gets."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from eeg2speech_bench.core.errors import StorageError, UsageError
from eeg2speech_bench.leaderboard.remotes import open_remote, wanted
from eeg2speech_bench.leaderboard.sharing import configure_pull, configure_push, run_pull, run_push
from eeg2speech_bench.leaderboard.validation import read_results

TOKEN = "hf_thisIsASecretToken"
REPO = "lab/records"
HEAD = "a" * 40


class Hub(ThreadingHTTPServer):
    """One data set repository in memory; ``files`` is its main branch, ``requests`` what was proposed to it."""

    daemon_threads = True

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
def push(verb, tmp_path):
    own = str(tmp_path / "own")
    return lambda *options, place=REPO: verb(configure_push, run_push, place, "--results", own, *options)


@pytest.fixture
def pull(verb, tmp_path):
    own = str(tmp_path / "own")
    return lambda *options, place=REPO: verb(configure_pull, run_pull, place, "--results", own, *options)


def encoders(results):
    records, refusals = read_results(results)
    assert not refusals
    return [record.cell["encoder"] for record in records]


def test_a_push_is_a_pull_request_with_records_values_and_audio(hub, tmp_path, cell, push, capsys):
    name = cell(tmp_path / "own", "a").stem
    assert push() == 0
    own = f"cells/{name}"
    (proposed,) = hub.proposed
    assert set(proposed) == {f"records/{name}.json", f"{own}/segments.parquet", f"{own}/audio/eeg/clip_000.flac"}
    assert all(content == (tmp_path / "own" / path).read_bytes() for path, content in proposed.items())
    assert set(hub.files) == {".gitattributes"}
    assert f"{hub.url}/datasets/{REPO}/discussions/1" in capsys.readouterr().out


def test_a_direct_push_comes_back_on_another_machine_as_it_was(hub, tmp_path, cell, push, verb):
    path = cell(tmp_path / "own", "a")
    cell(tmp_path / "own", "b", status="failed")
    assert push("--direct") == 0
    other = tmp_path / "other"
    assert verb(configure_pull, run_pull, f"hf://datasets/{REPO}", "--results", str(other)) == 0
    assert encoders(other) == ["a", "b"]
    for file in ("segments.parquet", "audio/eeg/clip_000.flac"):
        assert (other / "cells" / path.stem / file).read_bytes() == (
            tmp_path / "own/cells" / path.stem / file
        ).read_bytes()


def test_what_is_there_already_is_not_sent_or_fetched_again(hub, tmp_path, cell, push, pull, capsys):
    cell(tmp_path / "own", "a")
    push("--direct")
    hub.log.clear()
    assert push() == 0
    assert pull() == 0
    assert capsys.readouterr().out.count("0 new, 1 there already") == 2
    assert not [line for line in hub.log if line.startswith("POST") or ".parquet" in line]


def test_other_numbers_of_a_cell_are_not_pushed_over_those_that_are_there(hub, tmp_path, cell, push):
    cell(tmp_path / "theirs", "a", shift=0.1)
    hub.take(tmp_path / "theirs")
    cell(tmp_path / "own", "a")
    with pytest.raises(StorageError, match=rf"hf://datasets/{REPO} and .*own collide: records/a.* has other numbers"):
        push("--direct")
    assert not [line for line in hub.log if line.startswith("POST")]


def test_a_pulled_cell_with_other_numbers_is_refused_and_the_own_one_kept(hub, tmp_path, cell, pull, capsys):
    cell(tmp_path / "theirs", "a", shift=0.1)
    cell(tmp_path / "theirs", "b")
    hub.take(tmp_path / "theirs")
    before = cell(tmp_path / "own", "a").read_bytes()
    assert pull() == 1
    assert encoders(tmp_path / "own") == ["a", "b"]
    assert next((tmp_path / "own/records").glob("a__*")).read_bytes() == before
    said = capsys.readouterr().err
    assert f"refused: hf://datasets/{REPO}/records/a__" in said
    assert "has other numbers than in" in said


def test_bad_records_are_left_there_and_good_ones_come(hub, tmp_path, cell, spoil, pull, capsys):
    theirs = tmp_path / "theirs"
    cell(theirs, "good")
    spoil(cell(theirs, "tampered"), "metrics.0.value", 0.6)
    spoil(cell(theirs, "future"), "schema", 9)
    cell(theirs, "truncated").write_text('{"schema": 1')
    nan = cell(theirs, "nan")
    nan.write_text(nan.read_text().replace("0.01", "NaN"))
    (theirs / "cells" / cell(theirs, "alone").stem / "segments.parquet").unlink()
    hub.take(theirs)
    assert pull() == 1
    assert encoders(tmp_path / "own") == ["good"]
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("refused: ")]
    assert len(lines) == 5
    assert all(str(tmp_path) not in line for line in lines)
    assert not list((tmp_path / "own").glob(".incoming*"))


def test_records_of_another_split_are_not_taken_in(hub, tmp_path, cell, pull, capsys):
    cell(tmp_path / "own", "a")
    for name in ("b", "c"):
        cell(tmp_path / "theirs", name, split="ee" * 32)
    hub.take(tmp_path / "theirs")
    assert pull() == 1
    assert encoders(tmp_path / "own") == ["a"]
    assert capsys.readouterr().err.count("it was tested on other windows") == 2


def test_code_and_archives_are_named_and_never_fetched(hub, tmp_path, cell, pull, capsys):
    name = cell(tmp_path / "theirs", "a").stem
    hub.take(tmp_path / "theirs")
    evil = [
        "evil.py",
        "records/evil.pkl",
        "records/sub/x.json",
        f"cells/{name}/model.pt",
        f"cells/{name}/audio/eeg/run.sh",
        f"cells/{name}/audio/eeg/[x].flac",
        "cells/no_record/segments.parquet",
        "records/a\x1b[2J.json",
    ]
    hub.files |= dict.fromkeys(evil, b"boom")
    assert pull() == 0
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert all(path in said for path in evil[:-1])
    assert not [line for line in hub.log if "/resolve/" in line and re.search(r"evil|sub|model|run|x%5D|no_rec", line)]
    kept = {p.suffix for p in (tmp_path / "own").rglob("*") if p.is_file() and not p.name.startswith(".")}
    assert kept == {".json", ".parquet", ".flac"}


@pytest.mark.parametrize("name", ["records/../../evil.json", "../evil.json", "/tmp/evil.json", "cells/../../x.flac"])
def test_a_listing_that_leads_out_of_the_folder_writes_nothing_there(hub, tmp_path, cell, pull, name):
    cell(tmp_path / "theirs", "a")
    hub.take(tmp_path / "theirs")
    hub.files[name] = b"{}"
    assert pull() == 0
    assert not list(tmp_path.rglob("evil*"))
    assert not Path("/tmp/evil.json").exists()


def test_a_record_that_is_too_large_is_not_even_fetched(hub, tmp_path, cell, pull, capsys):
    cell(tmp_path / "theirs", "a")
    hub.take(tmp_path / "theirs")
    hub.files["records/bomb.json"] = b" " * 5_000_001
    assert pull() == 1
    assert "bomb.json: it is too large: 5000001 bytes" in capsys.readouterr().err
    assert not [line for line in hub.log if "/resolve/" in line and "bomb" in line]


def test_no_token_reaches_a_file_or_the_output(hub, tmp_path, cell, push, pull, capsys):
    cell(tmp_path / "own", "a")
    push("--direct")
    (tmp_path / "own" / "records").rename(tmp_path / "own" / "old")
    pull()
    hub.refuses = "SomethingElse"
    with pytest.raises(StorageError, match="does not let you in") as caught:
        pull()
    shown = capsys.readouterr()
    assert TOKEN not in shown.out + shown.err + str(caught.value)
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and TOKEN.encode() in p.read_bytes()]
    assert TOKEN not in repr(hub.files)


def test_a_dry_run_sends_and_takes_in_nothing(hub, tmp_path, cell, push, pull, capsys):
    cell(tmp_path / "own", "a")
    assert push("--dry-run") == 0
    assert "would send: a__" in capsys.readouterr().out
    assert not hub.proposed
    cell(tmp_path / "theirs", "b")
    hub.take(tmp_path / "theirs")
    assert pull("--dry-run") == 0
    assert "would add: b__" in capsys.readouterr().out
    assert encoders(tmp_path / "own") == ["a"]


def test_an_invalid_record_is_not_pushed(hub, tmp_path, cell, spoil, push):
    cell(tmp_path / "own", "a")
    spoil(cell(tmp_path / "own", "b"), "metrics.0.value", 0.6)
    assert push() == 1
    assert {path.split("/")[1].split("__")[0] for path in hub.proposed[0]} == {"a"}


def test_a_repository_that_is_not_there_says_how_to_make_it(hub, pull):
    with pytest.raises(StorageError, match=r"was not found, or is private.*hf repo create lab/nothing --repo-type"):
        pull(place="lab/nothing")


def test_a_gated_repository_says_where_to_ask(hub, pull):
    hub.refuses = "GatedRepo"
    with pytest.raises(StorageError, match=r"is gated\. Ask for access on its page"):
        pull()


def test_pushing_without_a_login_says_how_to_log_in(hub, tmp_path, cell, push, monkeypatch):
    cell(tmp_path / "own", "a")
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(StorageError, match=r"does not let you in.*Type 'hf auth login'"):
        push()


def test_offline_says_which_variable_does_it(hub, pull, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(StorageError, match="Unset HF_HUB_OFFLINE"):
        pull()


def test_without_a_network_the_command_says_so(hub, pull):
    hub.shutdown()
    hub.server_close()
    with pytest.raises(StorageError, match=f"{REPO} could not be reached: got ConnectError.*Check the network"):
        pull()


def test_a_repository_without_records_is_said_to_have_none(hub, tmp_path, pull):
    with pytest.raises(UsageError, match="has no records: got 1 other files"):
        pull()
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("records", "Unknown place"),
        ("/home/me/results", "file:///PATH"),
        ("lab/..", "Unknown place"),
        ("zip::s3://bucket/x.zip", "Unknown place"),
        ("hf://models/lab/x", "Unknown place"),
        ("s3://key:secret@bucket/x", "shell histories"),
    ],
)
def test_a_place_that_is_none_is_refused(text, said):
    with pytest.raises(UsageError, match=said) as caught:
        open_remote(text)
    assert "secret" not in str(caught.value)


def test_only_files_of_cells_with_a_record_are_wanted():
    names = ["records/a.json", "cells/a/segments.parquet", "cells/b/segments.parquet", "setup.py"]
    kept, ignored = wanted(dict.fromkeys(names, 1))
    assert list(kept) == names[:2]
    assert ignored == names[2:]


def test_the_actions_parse_without_the_hubs_library():
    script = (
        "import argparse, sys\n"
        "from eeg2speech_bench.leaderboard import merging, sharing, validation\n"
        "for f in (sharing.configure_push, sharing.configure_pull, merging.configure_merge,"
        " validation.configure_validate): f(argparse.ArgumentParser())\n"
        "heavy = ('huggingface_hub', 'fsspec', 'pyarrow', 'pandas', 'torch', 'scipy')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

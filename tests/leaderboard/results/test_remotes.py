"""Records in any folder that fsspec reaches: local, in memory, and in a bucket of a local S3 server."""

from __future__ import annotations

from collections.abc import Iterator

import fsspec
import pytest

from eeg2speech_bench.core.errors import StorageError, UsageError
from eeg2speech_bench.leaderboard.results import remotes
from eeg2speech_bench.leaderboard.results.remotes import open_remote
from eeg2speech_bench.leaderboard.results.sharing import configure_pull, configure_push, run_pull, run_push
from eeg2speech_bench.leaderboard.results.validation import read_results


@pytest.fixture
def push(verb, tmp_path):
    return lambda url, *options: verb(configure_push, run_push, url, "--results", str(tmp_path / "own"), *options)


@pytest.fixture
def pull(verb, tmp_path):
    return lambda url: verb(configure_pull, run_pull, url, "--results", str(tmp_path / "other"))


def encoders(results):
    records, refusals = read_results(results)
    assert not refusals
    return [record.cell.encoder for record in records]


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """Start an S3 server and return the URL of a bucket on it."""
    server = pytest.importorskip("moto.server", reason="needs the test extra (moto)")
    pytest.importorskip("s3fs", reason="needs the extra s3")
    import boto3

    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    endpoint = "http://{}:{}".format(*running.get_host_and_port())
    environment = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="lab")
        yield "s3://lab/records"
    running.stop()


@pytest.fixture(params=["file", "memory", "s3"])
def url(request, tmp_path) -> str:
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket')}/{tmp_path.name}"
    return f"file://{tmp_path}/shared" if request.param == "file" else f"memory://{tmp_path.name}"


def test_records_go_there_and_come_back_as_they_were(url, tmp_path, cell, push, pull, capsys):
    path = cell(tmp_path / "own", "a")
    cell(tmp_path / "own", "b", status="failed")
    assert push(url) == 0
    assert pull(url) == 0
    assert encoders(tmp_path / "other") == ["a", "b"]
    for name in ("segments.parquet", "audio/eeg/clip_000.flac"):
        copy = tmp_path / "other" / "cells" / path.stem / name
        assert copy.read_bytes() == (tmp_path / "own" / "cells" / path.stem / name).read_bytes()
    assert push(url) == 0
    assert "0 new, 2 there already" in capsys.readouterr().out


def test_other_numbers_are_not_written_over_those_that_are_there(url, tmp_path, cell, push):
    there = cell(tmp_path / "own", "a")
    push(url)
    before = there.read_bytes()
    (tmp_path / "own").rename(tmp_path / "before")
    cell(tmp_path / "own", "a", shift=0.1)
    with pytest.raises(StorageError, match="has other numbers there"):
        push(url)
    with fsspec.open(f"{url}/records/{there.name}") as stream:
        assert stream.read() == before


def test_foreign_files_stay_there_and_are_named(url, tmp_path, cell, push, pull, capsys):
    name = cell(tmp_path / "own", "a").stem
    push(url)
    for foreign in ("setup.py", f"cells/{name}/model.pt", "records/x.pkl"):
        with fsspec.open(f"{url}/{foreign}", "wb", **({"auto_mkdir": True} if url.startswith("file") else {})) as out:
            out.write(b"boom")
    assert pull(url) == 0
    assert "ignored, not of a results folder: cells/" in capsys.readouterr().err
    assert not [p for p in (tmp_path / "other").rglob("*") if p.suffix in (".py", ".pt", ".pkl")]


def test_an_empty_place_has_no_records(url, pull, tmp_path):
    with pytest.raises(UsageError, match="has no records: got 0 other files"):
        pull(url)
    assert not (tmp_path / "other").exists()


def test_a_link_in_a_shared_folder_is_not_followed(tmp_path, cell, push, pull):
    cell(tmp_path / "own", "a")
    push(f"file://{tmp_path}/shared")
    (tmp_path / "secret.json").write_text("{}")
    (tmp_path / "shared" / "records" / "b.json").symlink_to(tmp_path / "secret.json")
    assert pull(f"file://{tmp_path}/shared") == 0
    assert encoders(tmp_path / "other") == ["a"]


class Listing:
    """A storage that lists names which lead elsewhere."""

    def __init__(self, names: list[str]) -> None:
        self.names, self.fetched = names, []

    def invalidate_cache(self) -> None:
        """Keep nothing."""

    def find(self, root: str, detail: bool) -> dict[str, dict]:
        return {f"{root}/{name}": {"size": 2} for name in self.names}

    def get(self, sources: list[str], targets: list[str]) -> None:
        self.fetched += sources
        for target in targets:
            with open(target, "wb") as stream:  # noqa: PTH123
                stream.write(b"{}")


def test_names_that_lead_out_of_the_folder_are_never_fetched(tmp_path, pull, monkeypatch):
    storage = Listing(["records/../../evil.json", "records/ok.json", "records//evil.json", "../evil.json"])
    monkeypatch.setattr("fsspec.core.url_to_fs", lambda url, **_: (storage, "bucket/x"))
    assert pull("s3://bucket/x") == 1
    assert storage.fetched == ["bucket/x/records/ok.json"]
    assert not list(tmp_path.rglob("evil*"))


def test_a_bucket_that_is_not_there_is_named(bucket, tmp_path, cell, push):
    cell(tmp_path / "own", "a")
    with pytest.raises(StorageError, match=r"s3://nothing/x was not found: .*Check the name"):
        push("s3://nothing/x")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError("Access Denied"), r"does not let you in: got PermissionError: Access Denied.*AWS_PROFILE"),
        (type("NoCredentialsError", (Exception,), {})("no keys"), "does not let you in: got NoCredentialsError"),
        (ConnectionError("refused"), "could not be reached: got ConnectionError: refused, .*Check the network|network"),
        (RuntimeError("key testing-secret-2 is bad"), r"got RuntimeError: key \*\*\* is bad"),
    ],
)
def test_what_a_storage_says_becomes_what_to_type(monkeypatch, error, said):
    def fail(*_, **__):
        raise error

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing-secret-2")
    storage = Listing([])
    monkeypatch.setattr(storage, "find", fail)
    monkeypatch.setattr("fsspec.core.url_to_fs", lambda url, **_: (storage, "bucket/x"))
    with pytest.raises(StorageError, match=said):
        open_remote("s3://bucket/x").sizes()


def test_a_full_disk_is_not_called_a_network_fault(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    storage = Listing([])
    monkeypatch.setattr(storage, "get", fail)
    monkeypatch.setattr("fsspec.core.url_to_fs", lambda url, **_: (storage, "bucket/x"))
    with pytest.raises(OSError, match="No space left"):
        open_remote("s3://bucket/x").fetch(["records/a.json"], tmp_path)


def test_a_protocol_without_its_package_says_what_to_install(monkeypatch):
    def missing(url, **_):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    with pytest.raises(UsageError, match=r"Protocol 's3' is not there: .*pip install s3fs"):
        open_remote("s3://bucket/x").sizes()


def test_a_protocol_that_nobody_knows_is_a_usage_error():
    with pytest.raises(UsageError, match="Protocol 'warp' is not there"):
        open_remote("warp://bucket/x").sizes()


def test_every_extra_that_is_named_is_known_to_fsspec():
    assert all(protocol in fsspec.available_protocols() for protocol in remotes._EXTRAS)

"""BIDS data sets of NEMAR: listed by its client, downloaded and verified by us, all or some listeners of them."""

from __future__ import annotations

import hashlib
import sys

import pytest

from eeg2speech_bench.core.errors import BenchError, DataError, UsageError
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.datasets.fetching.fetch import Wanted, fetch
from eeg2speech_bench.datasets.fetching.manifest import Manifest
from eeg2speech_bench.datasets.fetching.sources import Source

SOURCE = Source("alice", "nm000999", "a test", "CC0", host="nemar")
FILES = {
    "dataset_description.json": b'{"Name": "Alice"}',
    "stimuli/a.wav": b"RIFF" + bytes(2000),
    "sourcedata/words.zip": b"no archive at all",
    "derivatives/clean/sub-02/eeg/sub-02_eeg.fif": b"derived",
    **{f"sub-{k:02}/eeg/sub-{k:02}_eeg.eeg": bytes([k]) * 3000 for k in (1, 2, 10)},
    **{f"sub-{k:02}/eeg/sub-{k:02}_eeg.json": b'{"SamplingFrequency": 500}' for k in (1, 2, 10)},
}


def listed(hub, name: str) -> dict[str, object]:
    """Return what NEMAR says of a file: git's hash of small ones, SHA-256 of recordings, MD5 of sounds."""
    content = FILES[name]
    url = f"{hub.url}/datasets/{hub.repository}/resolve/{'b' * 40}/{name}"
    entry = {"path": name, "size": len(content), "url": url}
    if name.endswith(".eeg"):
        return {**entry, "checksum_algorithm": "sha256", "checksum": hashlib.sha256(content).hexdigest()}
    if name.endswith(".wav"):
        return {**entry, "checksum_algorithm": "md5", "checksum": hashlib.md5(content).hexdigest()}
    said = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
    return {**entry, "checksum_algorithm": "git", "checksum": said}


@pytest.fixture
def entries(hub, monkeypatch) -> list[dict[str, object]]:
    """What NEMAR lists; a test may change it. Only its two requests are answered by the test."""
    nemar = pytest.importorskip("nemar", reason="needs: pip install nemar-py")
    models = pytest.importorskip("nemar._models")
    hub.files = dict(FILES)
    entries = [listed(hub, name) for name in FILES]
    index = {"dataset_id": "nm000999", "latest": "v1.0.0"}
    versions = [{"version": "v1.0.0", "manifest_url": "nm000999/v1.0.0/manifest.json"}]

    def fetch_index(self, dataset):
        return models.parse_dataset_index({**index, "versions": versions})

    def fetch_manifest(self, index, version):
        place = self.endpoint.url_for(version.manifest_url)
        return models.VersionManifest.parse({"files": entries}, manifest_url=place, endpoint=self.endpoint)

    monkeypatch.setattr(nemar.NEMARClient, "fetch_index", fetch_index)
    monkeypatch.setattr(nemar.NEMARClient, "fetch_manifest", fetch_manifest)
    return entries


@pytest.fixture
def fetch_alice(entries, folder):
    """Fetch the data set."""

    def call(n_listeners: int | None = None, version: str = "") -> Manifest:
        said = lambda *_: None  # noqa: E731
        return fetch(SOURCE, folder, FileHashes(), said, said, Wanted(version, n_listeners))

    return call


def names(folder) -> set[str]:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return found - {"fetched.json"}


def test_every_file_lies_where_the_data_set_has_it_and_archives_stay_packed(fetch_alice, folder):
    manifest = fetch_alice()
    assert {name: (folder / name).read_bytes() for name in names(folder)} == FILES
    assert (manifest.source, manifest.revision) == ("nemar://nm000999", "v1.0.0")


def test_files_of_equal_content_are_downloaded_once_and_are_no_links_to_each_other(fetch_alice, hub, folder):
    fetch_alice()
    assert sum(name.endswith("_eeg.json") for name, _ in hub.log) == 1
    assert {(folder / name).stat().st_nlink for name in FILES} == {1}


def test_the_first_listeners_come_with_all_that_is_nobodys(fetch_alice, folder):
    fetch_alice(2)
    assert names(folder) == {name for name in FILES if "sub-10" not in name}


def test_further_listeners_are_added_without_downloading_the_first_again(fetch_alice, hub, folder):
    fetch_alice(2)
    hub.log.clear()
    fetch_alice()
    assert names(folder) == set(FILES)
    assert [name for name, _ in hub.log if name.endswith(".eeg")] == ["sub-10/eeg/sub-10_eeg.eeg"]


def test_more_listeners_than_there_are_is_a_usage_error(fetch_alice):
    with pytest.raises(UsageError, match="not so many listeners: got 4, expected 1 to 3"):
        fetch_alice(4)


@pytest.mark.parametrize("name", ["sub-01/eeg/sub-01_eeg.eeg", "stimuli/a.wav", "dataset_description.json"])
def test_other_content_than_listed_is_refused_whatever_the_hash(fetch_alice, hub, name):
    hub.sent[name] = b"x" * len(FILES[name])
    with pytest.raises(DataError, match=f"{name} did not arrive"):
        fetch_alice()


def test_a_file_without_a_hash_is_refused_since_nobody_could_verify_it(fetch_alice, entries):
    del entries[0]["checksum"]
    with pytest.raises(DataError, match=r"lists dataset_description.json without size or hash"):
        fetch_alice()


def test_a_signed_address_that_expired_is_replaced_by_the_lasting_one(fetch_alice, entries, hub, folder):
    expired = {**entries[1], "bytes_url": entries[1]["url"], "url": f"{hub.url}/datasets/lab/listening/resolve/x/old"}
    entries[1] = expired
    hub.files["old"] = b""
    hub.refuses["old"] = 403
    fetch_alice()
    assert (folder / "stimuli" / "a.wav").read_bytes() == FILES["stimuli/a.wav"]


def test_a_version_that_is_not_published_is_a_usage_error(fetch_alice):
    with pytest.raises(UsageError, match=r"nemar://nm000999 has no such version.*v9"):
        fetch_alice(version="v9")


def test_without_the_client_the_error_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "nemar", None)
    with pytest.raises(BenchError, match=r"needs nemar-py. Type: pip install 'eeg2speech-bench\[nemar\]'"):
        fetch(SOURCE, folder, FileHashes(), lambda *_: None, lambda *_: None)


def test_the_manifest_gives_the_record_a_line_on_where_the_data_are_from(fetch_alice, folder):
    fetch_alice()
    assert Manifest.notes_on(folder) == ("fetched from nemar://nm000999 at revision v1.0.0",)
    assert Manifest.notes_on(folder / "stimuli") == ()

"""Fetching: whatever the network, the disk and the user do, the folder is whole or an error says what is wrong."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eeg2speech_bench.core.errors import DataError, StorageError, UsageError
from eeg2speech_bench.core.stages.disk_trouble import explained
from eeg2speech_bench.datasets.fetching import download
from eeg2speech_bench.datasets.fetching.fetch import working_folder
from eeg2speech_bench.datasets.fetching.manifest import FILE, Manifest

CONTENT = {"dataset/metadata/root.json": b"{}", "dataset/a.bin": bytes(range(256)) * 400, "dataset/empty.txt": b""}
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def archive(hub, make_zip) -> bytes:
    """The one archive of the repository, beside a small text."""
    hub.files = {"listening.zip": make_zip(CONTENT), "README.md": b"# Listening\n"}
    return hub.files["listening.zip"]


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder but the manifest."""
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    found.pop(FILE)
    return found


WHOLE = {**CONTENT, "README.md": b"# Listening\n"}


def test_an_archive_is_unpacked_and_removed_and_small_files_lie_beside_its_content(archive, fetch_into, folder):
    fetch_into()
    assert contents(folder) == WHOLE
    assert sorted(p.name for p in folder.parent.iterdir() if p.is_dir()) == ["listening"]


def test_the_manifest_says_revision_size_and_sha256_of_every_file(archive, fetch_into, folder):
    manifest = fetch_into()
    assert Manifest.read(folder) == manifest
    assert (manifest.source, manifest.revision) == ("hf://datasets/lab/listening", "b" * 40)
    assert {f.path: (f.size, f.sha256) for f in manifest.files} == {
        name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in WHOLE.items()
    }
    assert {f.path: f.sha256 for f in manifest.downloaded}["listening.zip"] == hashlib.sha256(archive).hexdigest()


def test_a_whole_folder_asks_nothing_of_the_network(archive, fetch_into, hub):
    fetch_into()
    hub.log.clear()
    hub.shutdown()
    assert len(fetch_into().files) == 4
    assert hub.log == []


def test_a_branch_that_has_not_moved_is_asked_for_and_not_downloaded_again(archive, fetch_into, hub, said):
    fetch_into()
    hub.log.clear()
    fetch_into("main")
    assert (hub.log, said[-1]) == ([], "Everything is here already: nothing was fetched")


def test_a_branch_that_has_moved_replaces_what_was_there(archive, fetch_into, hub, folder, make_zip):
    fetch_into()
    hub.head = "c" * 40
    hub.files = {"listening.zip": make_zip({"dataset/new.bin": b"new"})}
    assert fetch_into("main").revision == "c" * 40
    assert contents(folder) == {"dataset/new.bin": b"new"}


def test_without_a_revision_what_is_there_is_kept_although_the_branch_has_moved(archive, fetch_into, hub):
    fetch_into()
    hub.head = "c" * 40
    assert fetch_into().revision == "b" * 40


def test_a_dropped_connection_is_continued_where_it_ended(archive, fetch_into, hub, folder):
    hub.files.pop("README.md")
    hub.drops = [1000, 5000]
    fetch_into()
    assert [asked for _, asked in hub.log] == ["", "bytes=1000-", "bytes=6000-"]
    assert contents(folder) == CONTENT


def test_a_server_that_continues_nothing_begins_the_file_anew(archive, fetch_into, hub, folder):
    hub.drops, hub.ranges = [3000], False
    fetch_into()
    assert contents(folder) == WHOLE


def test_a_connection_that_is_always_lost_is_named_and_the_next_fetch_goes_on(archive, fetch_into, hub, folder):
    hub.files.pop("README.md")
    hub.drops = [700] + [0] * (download.MAX_FAILURES + 1)
    with pytest.raises(StorageError, match=r"hf://datasets/lab/listening could not be reached.*what has arrived is"):
        fetch_into()
    assert not folder.exists()
    hub.log.clear()
    fetch_into()
    assert hub.log == [("listening.zip", "bytes=700-")]
    assert contents(folder) == CONTENT


def test_other_bytes_of_the_right_length_are_refused_and_the_next_fetch_heals(archive, fetch_into, hub, folder):
    hub.sent["listening.zip"] = archive[:500] + b"\0" + archive[501:]
    with pytest.raises(DataError, match=r"listening.zip did not arrive as the repository says"):
        fetch_into()
    assert not folder.exists()
    hub.sent.clear()
    fetch_into()
    assert contents(folder) == WHOLE


def test_a_small_file_is_verified_by_the_hash_that_git_gives_it(archive, fetch_into, hub):
    hub.sent["README.md"] = b"# listening\n"
    with pytest.raises(DataError, match=r"README.md did not arrive as the repository says"):
        fetch_into()


def test_a_longer_file_than_was_announced_is_refused(archive, fetch_into, hub):
    hub.sent["README.md"] = b"# Listening\n" * 2
    with pytest.raises(DataError, match=r"README.md did not arrive"):
        fetch_into()


def test_what_a_killed_fetch_left_is_continued(archive, fetch_into, hub, folder):
    hub.files.pop("README.md")
    waiting = working_folder(folder) / "downloads"
    waiting.mkdir(parents=True)
    (waiting / f"{hashlib.sha256(archive).hexdigest()}.part").write_bytes(archive[:4321])
    (waiting / "0123.part").write_bytes(b"of another revision")
    (working_folder(folder) / "content" / "dataset").mkdir(parents=True)
    (working_folder(folder) / "content" / "dataset" / "a.bin").write_bytes(b"half")
    fetch_into()
    assert hub.log == [("listening.zip", "bytes=4321-")]
    assert contents(folder) == CONTENT
    assert not working_folder(folder).exists()


def test_a_half_empty_folder_is_healed_and_other_files_in_it_stay(archive, fetch_into, folder, said):
    fetch_into()
    (folder / "dataset" / "a.bin").unlink()
    (folder / "README.md").write_bytes(b"# Listening?")
    (folder / "mine.txt").write_text("notes")
    fetch_into()
    assert said[-1].startswith("2 of 4 files are missing or damaged")
    assert contents(folder) == {**WHOLE, "mine.txt": b"notes"}


def test_a_folder_of_somebody_else_is_left_alone(archive, fetch_into, folder):
    folder.mkdir(parents=True)
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(StorageError, match=r"holds files that were not fetched.*--out"):
        fetch_into()
    assert (folder / "thesis.tex").read_text() == "years of work"


def test_too_little_room_is_named_before_anything_is_downloaded(archive, fetch_into, hub, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1, 1, 1000))
    with pytest.raises(StorageError, match=r"too little room for listening, downloaded and unpacked: got 0.00 GB free"):
        fetch_into()
    assert hub.log == []


def test_a_disk_that_fills_up_on_the_way_is_named_and_the_next_fetch_heals(archive, fetch_into, folder, monkeypatch):
    def full(self, n_bytes):
        raise OSError(errno.ENOSPC, "No space left on device", str(folder.parent))

    with monkeypatch.context() as patched:
        patched.setattr(download.Downloads, "_tell", full)
        with pytest.raises(StorageError, match=r"The disk of .* is full"), explained(folder):
            fetch_into()
    assert not folder.exists()
    fetch_into()
    assert contents(folder) == WHOLE


def test_ctrl_c_stops_all_downloads_and_the_next_fetch_goes_on(archive, fetch_into, hub, folder, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(download, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch_into()
    assert not folder.exists()
    fetch_into()
    assert contents(folder) == WHOLE


def test_two_fetches_at_once_download_every_file_once(archive, fetch_into, hub, folder):
    with ThreadPoolExecutor(2) as pool:
        manifests = list(pool.map(lambda _: fetch_into(), range(2)))
    assert manifests[0] == manifests[1]
    assert sorted(name for name, _ in hub.log) == ["README.md", "listening.zip"]


def test_parts_of_an_archive_are_joined_in_natural_order(hub, make_zip, fetch_into, folder):
    whole = make_zip(CONTENT)
    step = len(whole) // 11 + 1
    hub.files = {f"all.zip.part{k + 1}": whole[k * step : (k + 1) * step] for k in range(11)}
    fetch_into()
    assert contents(folder) == CONTENT


def test_a_part_that_the_repository_lacks_is_named(hub, fetch_into):
    hub.files = {f"all.zip.part{k}": b"x" for k in (1, 2, 4)}
    with pytest.raises(DataError, match=r"Archive all.zip lacks a part: got no part 3"):
        fetch_into()


def test_a_busy_server_is_asked_again_and_a_refusal_is_not(archive, fetch_into, hub):
    hub.files.pop("README.md")
    hub.refuses["listening.zip"] = 403
    with pytest.raises(StorageError, match=r"could not be reached"):
        fetch_into()
    assert len(hub.log) == 1
    hub.refuses["listening.zip"] = 503
    with pytest.raises(StorageError, match=r"could not be reached"):
        fetch_into()
    assert len(hub.log) == 1 + download.MAX_FAILURES + 1


def test_an_empty_repository_is_named(hub, fetch_into):
    hub.files = {}
    with pytest.raises(StorageError, match=r"holds no files"):
        fetch_into()


def test_an_unknown_revision_is_a_usage_error(archive, fetch_into):
    with pytest.raises(UsageError, match=r"has no such revision"):
        fetch_into("v9")


def test_being_offline_is_named(archive, fetch_into, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(StorageError, match=r"is not asked while offline. Unset HF_HUB_OFFLINE"):
        fetch_into()


def test_a_damaged_manifest_is_named(archive, fetch_into, folder):
    fetch_into()
    (folder / FILE).write_text("{}")
    with pytest.raises(StorageError, match=r"fetched.json cannot be read.*Delete"):
        fetch_into()

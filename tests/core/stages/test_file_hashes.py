"""Hashes follow every byte of a file, and a file that did not change is read once."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.stages import file_hashes
from eeg2speech_bench.core.stages.file_hashes import MEMORY, FileHashes


@pytest.fixture
def later(monkeypatch):
    """The files of a test are old enough to be remembered."""
    now = time.time() + 60
    monkeypatch.setattr(file_hashes.time, "time", lambda: now)


@pytest.fixture
def files_read(monkeypatch):
    """Names of the files whose content was read, in order."""
    names = []
    digest = hashlib.file_digest
    monkeypatch.setattr(
        file_hashes.hashlib, "file_digest", lambda f, a: names.append(Path(f.name).name) or digest(f, a)
    )
    return names


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "weights"
    (made / "inner").mkdir(parents=True)
    (made / "a.bin").write_bytes(b"a")
    (made / "inner" / "b.bin").write_bytes(b"b")
    return made


def test_the_hash_of_a_file_is_what_sha256sum_prints(folder):
    assert FileHashes().of(folder / "a.bin") == hashlib.sha256(b"a").hexdigest()


def test_the_hash_of_a_folder_follows_a_byte_in_an_inner_file(folder):
    before = FileHashes().of(folder)
    (folder / "inner" / "b.bin").write_bytes(b"c")
    assert FileHashes().of(folder) != before


def test_the_hash_of_a_folder_follows_the_name_of_a_file(folder):
    before = FileHashes().of(folder)
    (folder / "a.bin").rename(folder / "z.bin")
    assert FileHashes().of(folder) != before


def test_a_copy_of_a_folder_under_another_name_has_the_same_hash(folder, tmp_path):
    before = FileHashes().of(folder)
    assert FileHashes().of(folder.rename(tmp_path / "moved")) == before


def test_a_link_counts_as_the_file_that_it_leads_to(folder, tmp_path):
    before = FileHashes().of(folder)
    (folder / "a.bin").rename(tmp_path / "elsewhere")
    (folder / "a.bin").symlink_to(tmp_path / "elsewhere")
    assert FileHashes().of(folder) == before


def test_a_folder_that_links_to_itself_has_a_hash(folder):
    (folder / "inner" / "up").symlink_to(folder)
    assert len(FileHashes().of(folder)) == 64


def test_a_link_to_nothing_gives_another_hash_once_its_file_is_there(folder, tmp_path):
    (folder / "a.bin").unlink()
    (folder / "a.bin").symlink_to(tmp_path / "annexed")
    before = FileHashes().of(folder)
    (tmp_path / "annexed").write_bytes(b"a")
    assert FileHashes().of(folder) != before


def test_a_second_run_reads_nothing_again(folder, tmp_path, later, files_read):
    first = FileHashes(tmp_path / "cache").of(folder)
    assert FileHashes(tmp_path / "cache").of(folder) == first
    assert files_read == ["a.bin", "b.bin"]


def test_a_file_that_changed_is_read_again_though_its_size_and_time_are_restored(folder, tmp_path, later):
    path = folder / "a.bin"
    was = path.stat()
    before = FileHashes(tmp_path / "cache").of(path)
    path.write_bytes(b"x")
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert FileHashes(tmp_path / "cache").of(path) != before


def test_a_file_written_a_moment_ago_is_not_remembered(folder, tmp_path, files_read):
    for _ in range(2):
        FileHashes(tmp_path / "cache").of(folder / "a.bin")
    assert files_read == ["a.bin", "a.bin"]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"a": 1}', b'{"a": [["x"], "y"]}', b"\xff"])
def test_a_damaged_memory_is_ignored_and_replaced(folder, tmp_path, later, content):
    (tmp_path / MEMORY).write_bytes(content)
    FileHashes(tmp_path).of(folder / "a.bin")
    assert list(json.loads((tmp_path / MEMORY).read_text())) == [str(folder / "a.bin")]


def test_two_runs_at_a_time_both_add_to_the_memory(folder, tmp_path, later, files_read):
    one, other = FileHashes(tmp_path), FileHashes(tmp_path)
    assert one.bytes_to_read([folder / "a.bin"]) == other.bytes_to_read([folder / "a.bin"]) == 1
    one.of(folder / "a.bin")
    other.of(folder / "inner" / "b.bin")
    FileHashes(tmp_path).of(folder)
    assert files_read == ["a.bin", "b.bin"]


def test_a_cache_that_cannot_be_written_costs_no_hash(folder, tmp_path, later):
    (tmp_path / "file").write_text("no folder")
    assert FileHashes(tmp_path / "file").of(folder / "a.bin") == hashlib.sha256(b"a").hexdigest()


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"nowhere\.bin does not exist"):
        FileHashes().of(tmp_path / "nowhere.bin")


def test_bytes_to_read_are_those_of_files_that_are_not_remembered(folder, tmp_path, later):
    FileHashes(tmp_path / "cache").of(folder / "a.bin")
    (folder / "inner" / "b.bin").write_bytes(b"1234")
    files = [folder / "a.bin", folder / "inner" / "b.bin"]
    assert FileHashes(tmp_path / "cache").bytes_to_read(files) == 4


def test_the_memory_of_many_files_is_written_once(folder, tmp_path, later):
    hashes = FileHashes(tmp_path / "cache")
    with hashes.saved_once():
        hashes.of(folder / "a.bin")
        assert not (tmp_path / "cache").exists()
    assert (tmp_path / "cache" / MEMORY).is_file()

"""Trouble with a disk is called by its name, whichever library met it; other errors keep theirs."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from eeg2speech_bench.core.errors import ContractError, DataError, StorageError, naming_plugin
from eeg2speech_bench.core.stages import disk_trouble
from eeg2speech_bench.core.stages.disk_trouble import explained

Usage = namedtuple("Usage", "total used free")
SAMPLES = np.random.default_rng(0).uniform(-1, 1, 200_000).astype(np.float32)


class SafetensorError(Exception):
    """Stands for the class of safetensors, which is made in Rust."""


class LibsndfileError(RuntimeError):
    """Stands for the class of soundfile."""


#: what libraries raise where a disk is full, as they do on a real one (see `test_a_disk_that_is_really_full`)
RAISED = {
    "python": OSError(errno.ENOSPC, "No space left on device"),
    "numpy": OSError("67808 requested and 992 written"),
    "numpy, half precision": OSError("problem writing element 2048 to file"),
    "torch": RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 12928 vs 12824"),
    "torch, small": RuntimeError("basic_ios::clear: iostream error"),
    "torch, old format": RuntimeError("write(): fd 3 failed with No space left on device"),
    "safetensors": SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    "arrow": OSError("Error writing bytes to file. Detail: [errno 28] No space left on device"),
    "soundfile": LibsndfileError("System error."),
    "soundfile, at once": LibsndfileError("Error : problem with initialization of the flac decoder."),
}


def save_numpy(path):
    np.save(path, SAMPLES)


def save_halves(path):
    np.save(path, np.asfortranarray(SAMPLES.reshape(400, -1).astype(np.float16)))


def save_archive(path):
    np.savez(path.with_suffix(".npz"), samples=SAMPLES)


def save_weights(path):
    import torch

    torch.save({"weight": torch.from_numpy(SAMPLES)}, path)


def save_tensors(path):
    from safetensors.numpy import save_file

    save_file({"weight": SAMPLES}, path)


def save_sound(path):
    import soundfile

    soundfile.write(path.with_suffix(".flac"), SAMPLES, 16000)


def save_table(path):
    import pandas as pd

    pd.DataFrame({"samples": SAMPLES}).to_parquet(path)


def save_text(path):
    path.write_text(str(SAMPLES.tolist()))


def copy(path):
    source = Path(tempfile.gettempdir()) / f"{os.getpid()}-{path.name}"
    source.write_bytes(SAMPLES.tobytes())
    try:
        shutil.copyfile(source, path)
    finally:
        source.unlink()


WAYS = [save_numpy, save_halves, save_archive, save_weights, save_tensors, save_sound, save_table, save_text, copy]


@pytest.fixture
def small_disk(tmp_path):
    """Return a disk of 64 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=8", "tmpfs", place], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def room(monkeypatch):
    """Set how many bytes every disk has free."""

    def leave(free: int) -> None:
        monkeypatch.setattr(disk_trouble.shutil, "disk_usage", lambda place: Usage(10**12, 10**12 - free, free))

    return leave


def said_of(error: BaseException, folder: Path) -> StorageError:
    with pytest.raises(StorageError) as caught, explained(folder):
        raise error
    return caught.value


@pytest.mark.parametrize("save", WAYS)
@pytest.mark.parametrize("taken", [0, 65536])
def test_a_disk_that_is_really_full(small_disk, save, taken):
    (small_disk / "taken").write_bytes(b"0" * taken)
    said = rf"^The disk of {small_disk} is full: got 0 MB free\. Free some space"
    with pytest.raises(StorageError, match=said), explained(small_disk):
        save(small_disk / "saved")


def test_a_disk_that_takes_no_more_files(small_disk):
    said = r"takes no more files: got 0 inodes free\. 'df -i' shows it"
    with pytest.raises(StorageError, match=said), explained(small_disk):
        for number in range(10):
            (small_disk / f"{number}").touch()


@pytest.mark.parametrize("error", RAISED.values(), ids=RAISED)
def test_what_libraries_raise_on_a_full_disk_is_called_so(tmp_path, room, error):
    room(0)
    said = said_of(error, tmp_path)
    assert said.problem == f"The disk of {tmp_path} is full"
    assert said.__cause__ is error


@pytest.mark.parametrize("library", ["soundfile", "soundfile, at once"])
def test_sound_that_cannot_be_read_is_not_called_a_full_disk(tmp_path, room, library):
    room(10**9)
    with pytest.raises(LibsndfileError), explained(tmp_path):
        raise RAISED[library]


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_a_write_that_ends_early_where_there_is_room_is_called_neither_full_nor_nothing(tmp_path, room, library):
    room(10**9)
    said = said_of(RAISED[library], tmp_path)
    assert said.problem == f"A file of {tmp_path} was not written to its end"
    assert "quota" in said.then


@pytest.mark.parametrize("error", [ValueError("no such thing"), RuntimeError("mat1 and mat2 shapes"), KeyError("a")])
def test_an_error_of_a_program_keeps_its_name_on_a_full_disk(tmp_path, room, error):
    room(0)
    with pytest.raises(type(error)) as caught, explained(tmp_path):
        raise error
    assert caught.value is error


def test_a_plugin_that_meets_a_full_disk_is_not_blamed(tmp_path, room):
    room(0)
    with pytest.raises(StorageError, match="is full"), explained(tmp_path), naming_plugin("Target 'mel'"):
        raise RAISED["torch"]


def test_a_fault_of_a_plugin_stays_one(tmp_path, room):
    room(0)
    with pytest.raises(ContractError, match="Target 'mel' failed"), explained(tmp_path), naming_plugin("Target 'mel'"):
        raise ValueError("a fault")


def test_a_full_disk_elsewhere_is_told_from_ours(tmp_path, room):
    room(0)
    said = said_of(OSError(errno.ENOSPC, "No space left on device", "/elsewhere/file"), tmp_path)
    assert said.problem == "The disk of /elsewhere is full"


def test_a_full_folder_of_temporary_files_is_told_from_ours(tmp_path, monkeypatch):
    place, ours = tmp_path / "temporary", tmp_path / "ours"
    monkeypatch.setattr(disk_trouble.tempfile, "gettempdir", lambda: str(place))
    free = {place: 0, ours: 10**9}
    monkeypatch.setattr(disk_trouble, "_free", free.get)
    said = said_of(OSError(errno.ENOSPC, "No space left on device"), ours)
    assert said.problem == f"The disk of {place} is full"
    assert "TMPDIR" in said.then


@pytest.mark.parametrize(
    ("number", "problem", "then"),
    [
        (errno.EDQUOT, "The quota on the disk of {} is used up", "quota -s"),
        (errno.EFBIG, "A file of {} is larger than is allowed here", "ulimit -f"),
        (errno.ESTALE, "The disk of {} does not answer", "type the same command"),
        (errno.EIO, "The disk of {} does not answer", "type the same command"),
        (errno.EROFS, "Folder {} cannot be written", "Choose another folder"),
        (errno.EACCES, "Folder {} cannot be written", "Choose another folder"),
    ],
)
def test_what_the_system_says_is_named_with_what_to_type(tmp_path, number, problem, then):
    said = said_of(OSError(number, os.strerror(number)), tmp_path)
    assert said.problem == problem.format(tmp_path)
    assert then in said.then


def test_a_network_disk_that_is_gone_is_named(tmp_path):
    said = said_of(OSError(errno.ENOTCONN, "not connected", str(tmp_path / "eeg.npy")), tmp_path)
    assert said.problem == f"The disk of {tmp_path} does not answer"


def test_a_socket_of_a_plugin_is_no_disk(tmp_path):
    with pytest.raises(OSError, match="not connected"), explained(tmp_path):
        raise OSError(errno.ENOTCONN, "not connected")


def test_temporary_files_that_cannot_be_written_are_named(tmp_path, monkeypatch):
    place = tmp_path / "temporary"
    monkeypatch.setattr(disk_trouble.tempfile, "gettempdir", lambda: str(place))
    said = said_of(OSError(errno.EROFS, "Read-only file system", str(place / "tmp0")), tmp_path / "ours")
    assert said.problem == f"Folder {place} cannot be written"
    assert "TMPDIR" in said.then


def test_no_folder_of_temporary_files_at_all_is_named(tmp_path):
    said = said_of(FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"), tmp_path)
    assert said.problem == "There is no folder for temporary files"


def test_what_a_plugin_may_not_read_elsewhere_keeps_its_name(tmp_path):
    with pytest.raises(PermissionError), explained(tmp_path / "ours"):
        raise PermissionError(errno.EACCES, "Permission denied", "/elsewhere/file")


def test_an_error_of_ours_about_other_files_stays(tmp_path):
    with pytest.raises(DataError, match="cannot be read"), explained(tmp_path / "ours"):
        try:
            raise PermissionError(errno.EACCES, "Permission denied", "/data/a.vhdr")
        except PermissionError as error:
            raise DataError("a.vhdr cannot be read") from error

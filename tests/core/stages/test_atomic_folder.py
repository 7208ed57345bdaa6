"""A folder is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from eeg2speech_bench.core.stages.atomic_folder import atomic_folder


def write(out: Path, text: str) -> None:
    with atomic_folder(out) as folder:
        (folder / "file").write_text(text)


def test_the_folder_appears_at_the_end_of_the_block(tmp_path: Path) -> None:
    out = tmp_path / "parent" / "out"
    with atomic_folder(out) as folder:
        (folder / "file").write_text("new")
        assert not out.exists()
    assert (out / "file").read_text() == "new"


def test_a_folder_that_is_there_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "left over").touch()
    write(tmp_path / "out", "new")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["file"]


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".partial-out").mkdir()
    (tmp_path / ".partial-out" / "left over").touch()
    write(tmp_path / "out", "new")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "file"]


def test_after_an_error_the_old_folder_stands_alone(tmp_path: Path) -> None:
    write(tmp_path / "out", "old")
    with pytest.raises(KeyError), atomic_folder(tmp_path / "out") as folder:
        (folder / "file").write_text("half")
        raise KeyError
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "file"]
    assert (tmp_path / "out" / "file").read_text() == "old"

"""The board as a folder: written by one process or many, written again over itself, and from the command line."""

from __future__ import annotations

import json

import pytest

from eeg2speech_bench.core.cli import main
from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.leaderboard.page import portions as making
from eeg2speech_bench.leaderboard.page.folder import build


def test_every_record_on_the_board_is_copied_byte_by_byte_and_listed_with_its_hash(tmp_path, write, board):
    import hashlib

    record = write(tmp_path)
    out = build([tmp_path], tmp_path / "out").index.parent
    (listed,) = board(out)["records"]
    source = RecordStore(tmp_path).path(record.cell.id).read_bytes()
    assert (out / listed["file"]).read_bytes() == source
    assert listed["sha256"] == hashlib.sha256(source).hexdigest()


def test_a_row_whose_cells_were_read_by_different_processes_is_still_one_page(tmp_path, write, monkeypatch):
    records = [write(tmp_path, seed=seed) for seed in range(4)]
    monkeypatch.setattr(
        making, "_each_portion", lambda s, out: [making.make_portion(part, out) for part in (s[:2], s[2:])]
    )
    out = build([tmp_path], tmp_path / "out").index.parent
    (page,) = (out / "rows").glob("*.html")
    assert all(f'id="{r.cell.id}"' in page.read_text() for r in records)


def test_many_records_are_shared_out_over_processes_and_come_out_the_same(tmp_path, write, board, monkeypatch):
    for seed in range(4):
        write(tmp_path, "one", seed=seed)
        write(tmp_path, "two", 0.3, seed=seed)
    build([tmp_path], tmp_path / "alone")
    monkeypatch.setattr(making, "MANY", 2)
    monkeypatch.setattr(making, "PORTION", 4)
    monkeypatch.setattr(making.os, "cpu_count", lambda: 2)
    build([tmp_path], tmp_path / "shared")
    assert board(tmp_path / "shared")["rows"] == board(tmp_path / "alone")["rows"]


def test_a_board_is_replaced_and_anything_else_is_left_alone(tmp_path, write):
    write(tmp_path)
    build([tmp_path], tmp_path / "out")
    build([tmp_path], tmp_path / "out")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="holds something else"):
        build([tmp_path], mine)
    assert (mine / "thesis.txt").read_text() == "precious"
    assert not list(tmp_path.glob(".partial*")) + list(tmp_path.glob(".old*"))


def test_files_that_say_the_same_are_kept_others_are_new_files_and_those_of_gone_records_leave(tmp_path, write):
    kept, changed, gone = (write(tmp_path, name).cell.id for name in ("kept", "changed", "gone"))
    records = build([tmp_path], tmp_path / "out").index.parent / "records"
    inode = (records / f"{kept}.json").stat().st_ino
    with (records / f"{changed}.json").open() as last:
        write(tmp_path, "changed", 0.9)
        RecordStore(tmp_path).path(gone).unlink()
        build([tmp_path], tmp_path / "out")
        assert json.load(last)["metrics"][0]["value"] == 0.5  # the last board's file was not written to
    assert (records / f"{kept}.json").stat().st_ino == inode
    assert json.loads((records / f"{changed}.json").read_text())["metrics"][0]["value"] == 0.9
    assert {path.stem for path in records.iterdir()} == {kept, changed}
    assert len(list((tmp_path / "out" / "rows").iterdir())) == 2


def test_on_a_disk_without_links_all_files_are_written_anew(tmp_path, write, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    write(tmp_path)
    build([tmp_path], tmp_path / "out")
    monkeypatch.setattr("os.link", refuse)
    out = build([tmp_path], tmp_path / "out").index.parent
    assert len(list((out / "records").iterdir())) == len(list((out / "rows").iterdir())) == 1


def test_no_records_at_all_says_what_to_type(tmp_path, capsys):
    assert main(["leaderboard", "build", "--results", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "No records in" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_results_folder_may_stand_before_build(tmp_path, write, board):
    write(tmp_path)
    assert main(["leaderboard", "--results", str(tmp_path), "build", "--out", str(tmp_path / "out")]) == 0
    assert board(tmp_path / "out")["rows"]


@pytest.mark.parametrize("arguments", [["--format", "csv"], ["--format", "csv", "show"], ["show", "--format", "csv"]])
def test_options_of_the_table_may_stand_before_or_after_show(tmp_path, write, capsys, arguments):
    write(tmp_path)
    assert main(["leaderboard", "--results", str(tmp_path), *arguments]) == 0
    assert capsys.readouterr().out.startswith("encoder,")

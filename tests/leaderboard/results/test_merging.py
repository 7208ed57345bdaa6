"""Folders become one: equal cells once, contradicting ones never, and never half a cell."""

from __future__ import annotations

import json

import pytest

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.leaderboard.results import merging
from eeg2speech_bench.leaderboard.results.merging import configure_merge, run_merge
from eeg2speech_bench.leaderboard.results.validation import read_results


@pytest.fixture
def merge(verb, tmp_path):
    into = str(tmp_path / "all")
    return lambda *folders: verb(configure_merge, run_merge, *map(str, folders), "--results", into)


def encoders(results):
    records, refusals = read_results(results)
    assert not refusals
    return [(record.cell.encoder, record.status) for record in records]


def test_cells_of_all_folders_come_together_with_their_files(tmp_path, cell, merge):
    cell(tmp_path / "one", "a")
    cell(tmp_path / "two", "b")
    assert merge(tmp_path / "one", tmp_path / "two") == 0
    assert encoders(tmp_path / "all") == [("a", "done"), ("b", "done")]
    assert (tmp_path / "all/cells/b__simulated__quick__seed0__0/audio/eeg/clip_000.flac").is_file()


def test_the_same_numbers_from_another_machine_are_one_cell(tmp_path, cell, spoil, merge, capsys):
    cell(tmp_path / "one", "a")
    spoil(cell(tmp_path / "two", "a"), "provenance.command", "elsewhere")
    assert merge(tmp_path / "one", tmp_path / "two") == 0
    assert "1 new, 1 there already" in capsys.readouterr().out
    assert merge(tmp_path / "two") == 0
    assert "0 new, 1 there already" in capsys.readouterr().out


def test_other_numbers_of_one_cell_collide_and_nothing_is_copied(tmp_path, cell, merge):
    cell(tmp_path / "one", "a")
    cell(tmp_path / "one", "b")
    cell(tmp_path / "two", "a", shift=0.1)
    with pytest.raises(StorageError, match=r"1 cells collide: .*two/records/a.*than in .*one/records/a.*in metrics"):
        merge(tmp_path / "one", tmp_path / "two")
    assert not (tmp_path / "all").exists()


def test_a_cell_that_is_there_with_other_numbers_is_kept(tmp_path, cell, merge):
    there = cell(tmp_path / "all", "a")
    before = there.read_bytes()
    cell(tmp_path / "two", "a", shift=0.1)
    with pytest.raises(StorageError, match=r"has other numbers than in .*all/records/a"):
        merge(tmp_path / "two")
    assert there.read_bytes() == before


@pytest.mark.parametrize("order", [("failed", "done"), ("done", "failed")])
def test_a_finished_cell_takes_the_place_of_a_failed_one(tmp_path, cell, merge, order):
    for status in order:
        cell(tmp_path / status, "a", status=status)
    assert merge(*(tmp_path / status for status in order)) == 0
    assert encoders(tmp_path / "all") == [("a", "done")]


def test_a_cell_of_another_split_collides_with_what_is_there(tmp_path, cell, merge):
    cell(tmp_path / "all", "a")
    for name in ("b", "c"):
        cell(tmp_path / "two", name, split="ee" * 32)
    with pytest.raises(StorageError, match=r"2 cells collide: .*split eeeeeeeeeeee is not the 5c5c5c5c5c5c of .*all"):
        merge(tmp_path / "two")


def test_cells_of_another_revision_of_the_data_may_have_another_split(tmp_path, cell, spoil, merge):
    cell(tmp_path / "all", "a")
    spoil(cell(tmp_path / "two", "b", split="ee" * 32), "dataset.revision", "corrected")
    assert merge(tmp_path / "two") == 0
    assert encoders(tmp_path / "all") == [("a", "done"), ("b", "done")]


def test_one_cell_of_two_revisions_of_the_data_collides_and_says_so(tmp_path, cell, spoil, merge):
    cell(tmp_path / "all", "a")
    spoil(cell(tmp_path / "two", "a"), "dataset.revision", "corrected")
    with pytest.raises(StorageError, match=r"it is of other data: revision corrected, and r1 there"):
        merge(tmp_path / "two")


def test_a_bad_record_is_named_and_the_others_are_merged(tmp_path, cell, spoil, merge, capsys):
    cell(tmp_path / "one", "a")
    spoil(cell(tmp_path / "one", "b"), "metrics.0.value", 0.6)
    assert merge(tmp_path / "one") == 1
    assert encoders(tmp_path / "all") == [("a", "done")]
    assert "refused: " in capsys.readouterr().err


def test_a_dry_run_says_what_it_would_add_and_writes_nothing(tmp_path, cell, verb, capsys):
    cell(tmp_path / "one", "a")
    into = tmp_path / "all"
    assert verb(configure_merge, run_merge, str(tmp_path / "one"), "--results", str(into), "--dry-run") == 0
    assert "would add: a__simulated" in capsys.readouterr().out
    assert not into.exists()


def test_code_and_caches_beside_a_cell_are_left_behind(tmp_path, cell, merge):
    path = cell(tmp_path / "one", "a")
    own = tmp_path / "one" / "cells" / path.stem
    (own / "evil.py").write_text("x")
    (own / "audio" / "eeg" / "evil.sh").write_text("x")
    assert merge(tmp_path / "one") == 0
    copied = {file.name for file in (tmp_path / "all").rglob("*") if file.is_file() and not file.name.startswith(".")}
    assert copied == {path.name, "segments.parquet", "clip_000.flac"}


def test_a_full_disk_leaves_no_half_cell_and_says_what_to_do(tmp_path, cell, merge, monkeypatch):
    cell(tmp_path / "one", "a")

    def full(source, target, **_):
        if str(target).endswith(".flac"):
            raise OSError(28, "No space left on device")
        return target.write_bytes(source.read_bytes())

    monkeypatch.setattr(merging.shutil, "copyfile", full)
    with pytest.raises(StorageError, match=r"The disk of .*all is full: .*Free some space"):
        merge(tmp_path / "one")
    assert not list((tmp_path / "all").rglob("*.parquet"))
    assert not list((tmp_path / "all").rglob("*.json"))


def test_a_record_that_is_there_and_broken_is_named(tmp_path, cell, merge):
    name = cell(tmp_path / "one", "a").name
    (tmp_path / "all" / "records").mkdir(parents=True)
    (tmp_path / "all" / "records" / name).write_text("{")
    with pytest.raises(StorageError, match=r"is there and not valid: .*Remove it"):
        merge(tmp_path / "one")


def test_what_is_written_is_what_was_checked(tmp_path, cell, merge):
    path = cell(tmp_path / "one", "a")
    merge(tmp_path / "one")
    copied = RecordStore(tmp_path / "all").path(path.stem)
    assert json.loads(copied.read_text()) == json.loads(path.read_text())

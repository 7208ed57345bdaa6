"""Records come from the hub: good ones, and nothing of what a hostile repository holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.leaderboard.results.remotes import wanted


def test_a_pulled_cell_with_other_numbers_is_refused_and_the_own_one_kept(hub, tmp_path, encoders, cell, pull, capsys):
    cell(tmp_path / "theirs", "a", shift=0.1)
    cell(tmp_path / "theirs", "b")
    hub.take(tmp_path / "theirs")
    before = cell(tmp_path / "own", "a").read_bytes()
    assert pull() == 1
    assert encoders(tmp_path / "own") == ["a", "b"]
    assert next((tmp_path / "own/records").glob("a__*")).read_bytes() == before
    said = capsys.readouterr().err
    assert f"refused: hf://datasets/{hub.repo}/records/a__" in said
    assert "has other numbers than in" in said


def test_bad_records_are_left_there_and_good_ones_come(hub, tmp_path, encoders, cell, spoil, pull, capsys):
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


def test_records_of_another_split_are_not_taken_in(hub, tmp_path, encoders, cell, pull, capsys):
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


def test_a_repository_without_records_is_said_to_have_none(hub, tmp_path, pull):
    with pytest.raises(UsageError, match="has no records: got 1 other files"):
        pull()
    assert not (tmp_path / "own").exists()


def test_only_files_of_cells_with_a_record_are_wanted():
    names = ["records/a.json", "cells/a/segments.parquet", "cells/b/segments.parquet", "setup.py"]
    kept, ignored = wanted(dict.fromkeys(names, 1))
    assert list(kept) == names[:2]
    assert ignored == names[2:]

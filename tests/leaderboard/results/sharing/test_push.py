"""Records go to the hub: as a pull request, or directly, and never over what is there."""

from __future__ import annotations

import pytest

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.leaderboard.results.sharing import configure_pull, run_pull


def test_a_push_is_a_pull_request_with_records_values_and_audio(hub, tmp_path, cell, push, capsys):
    name = cell(tmp_path / "own", "a").stem
    assert push() == 0
    own = f"cells/{name}"
    (proposed,) = hub.proposed
    assert set(proposed) == {f"records/{name}.json", f"{own}/segments.parquet", f"{own}/audio/eeg/clip_000.flac"}
    assert all(content == (tmp_path / "own" / path).read_bytes() for path, content in proposed.items())
    assert set(hub.files) == {".gitattributes"}
    assert f"{hub.url}/datasets/{hub.repo}/discussions/1" in capsys.readouterr().out


def test_a_direct_push_comes_back_on_another_machine_as_it_was(hub, tmp_path, encoders, cell, push, verb):
    path = cell(tmp_path / "own", "a")
    cell(tmp_path / "own", "b", status="failed")
    assert push("--direct") == 0
    other = tmp_path / "other"
    assert verb(configure_pull, run_pull, f"hf://datasets/{hub.repo}", "--results", str(other)) == 0
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
    said = rf"hf://datasets/{hub.repo} and .*own collide: records/a.* has other numbers"
    with pytest.raises(StorageError, match=said):
        push("--direct")
    assert not [line for line in hub.log if line.startswith("POST")]


def test_a_dry_run_sends_and_takes_in_nothing(hub, tmp_path, encoders, cell, push, pull, capsys):
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

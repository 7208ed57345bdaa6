"""A record with a wrong field costs itself: the table and the page show the rest, and nobody sees a traceback."""

from __future__ import annotations

import json
import re

import pytest

from eeg2speech_bench.core.cli import main
from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.leaderboard.page.folder import build

WRONG = [
    ("cell", True), ("cell.label", {}), ("cell.seed", "zero"), ("cell.dataset", 1.5), ("target", 1), ("target.name", 5),
    ("encoder", []), ("encoder.modality", {}), ("dataset", "x"), ("dataset.n_segments", 7), ("split", "x"),
    ("split.hash", "../../x"), ("split.hash", "a\0b"), ("split.hash", 7), ("files", "x"), ("verdict", 1.5),
    ("verdict.top1", []), ("verdict.top1.distinguishable", ""), ("verdict.top1.p", "small"), ("tests.0", {}),
    ("tests", {}), ("metrics.0", [1]), ("metrics.1.value", "x"), ("metrics.1.confidence", "x"), ("metrics.0.low", 0.9),
    ("metrics.1.low", 0.9), ("metrics.0.per_subject", [1]), ("metrics.0.n_pool", "many"), ("training", [1]),
    ("provenance", []), ("provenance.stages", [{}]), ("skipped", 3), ("sets", [{}]), ("config", 2),
]  # fmt: skip
#: numbers that Python reads as infinity, in places that nobody looks at one by one
HUGE = ("dataset.n_subjects", "metrics.0.value", "metrics.1.high", "tests.0.p", "verdict.top1.p")


@pytest.fixture
def two(tmp_path, cell):
    """Write a good cell and one to be spoilt, and return the record of the latter."""
    cell(tmp_path, "good")
    return cell(tmp_path, "bad")


@pytest.mark.parametrize(("place", "value"), WRONG)
def test_a_wrong_field_costs_its_own_record_at_most(tmp_path, two, spoil, place, value, capsys):
    spoil(two, place, value)
    assert main(["leaderboard", "--controls", "--results", str(tmp_path)]) in (0, 1)
    said = capsys.readouterr()
    assert "good" in said.out and "Traceback" not in said.err
    report = build([tmp_path], tmp_path / "board")
    rows = json.loads((tmp_path / "board" / "board.json").read_text())["rows"]
    assert "good" in {row["e"] for row in rows}
    assert len(report.refused) + report.n_cells == 2


@pytest.mark.parametrize("place", HUGE)
def test_a_number_that_is_infinite_to_python_is_refused(tmp_path, two, spoil, place, capsys):
    spoil(two, place, 12345678987654321)
    two.write_text(two.read_text().replace("12345678987654321", "1e999"))
    assert main(["leaderboard", "build", "--results", str(tmp_path), "--out", str(tmp_path / "board")]) == 1
    assert re.search("1e999 is not finite", capsys.readouterr().err)
    assert json.loads((tmp_path / "board" / "board.json").read_text())["rows"][0]["e"] == "good"


def test_the_other_seeds_of_a_row_are_not_refused_with_one(tmp_path, cell, spoil):
    cell(tmp_path, "net", seed=1)
    spoil(cell(tmp_path, "net"), "verdict.top1.distinguishable", "")
    report = build([tmp_path], tmp_path / "board")
    assert [refusal.path.name for refusal in report.refused] == ["net__simulated__quick__seed0__0.json"]


def test_a_results_folder_above_the_working_one_is_no_way_out(tmp_path, cell, monkeypatch):
    cell(tmp_path / "results")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert main(["leaderboard", "build", "--results", "../results"]) == 0


def test_a_board_is_not_replaced_by_nothing(tmp_path, two, spoil):
    index = build([tmp_path], tmp_path / "board").index
    before = index.read_bytes()
    for path in tmp_path.glob("records/*.json"):
        spoil(path, "schema", 99)
    with pytest.raises(StorageError, match="None of 2 record"):
        build([tmp_path], tmp_path / "board")
    assert index.read_bytes() == before


def test_what_others_put_beside_a_board_stays(tmp_path, two):
    build([tmp_path], tmp_path / "board")
    (tmp_path / "board" / "CNAME").write_text("board.example.org")
    build([tmp_path], tmp_path / "board")
    assert (tmp_path / "board" / "CNAME").read_text() == "board.example.org"


def test_what_a_killed_build_left_is_removed_by_the_next(tmp_path, two):
    left = tmp_path / ".partial-board-999999999"
    left.mkdir()
    build([tmp_path], tmp_path / "board")
    assert not left.exists()


def test_the_same_folder_twice_is_one(tmp_path, two):
    report = build([tmp_path, tmp_path / "records" / ".."], tmp_path / "board")
    assert (report.n_cells, report.refused) == (2, [])

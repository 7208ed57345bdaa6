"""Downloads from the table: the rows as shown, safe in the format that they are in."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest


def test_csv_holds_the_rows_as_shown_with_numbers_as_numbers(tab, folder, open_board, download, hostile):
    open_board(tab, folder)
    tab.uncheck("#show-baseline")
    table = list(csv.DictReader(io.StringIO(download(tab, "csv"))))
    assert [row["encoder"] for row in table] == ["net", hostile, "twin", "dull", "broken"]
    assert float(table[0]["top-1"]) == pytest.approx(0.51)
    assert float(table[0]["top-1 spread"]) == pytest.approx(0.01)
    beside = {name: table[0][f"ESTOI {name}"] for name in ("best control", "best control is", "ceiling", "seeds")}
    assert beside == {
        "best control": "0.02", "best control is": "EEG of other segments", "ceiling": "0.9", "seeds": "2"
    }  # fmt: skip
    assert table[3]["retrieval"] == "not distinguishable from no signal"


def test_exports_hold_rank_intervals_and_their_letters(tab, folder, open_board, download):
    open_board(tab, folder)
    first, *_ = [row for row in csv.DictReader(io.StringIO(download(tab, "csv"))) if row["encoder"] == "twin"]
    found = {name: first[f"rank, top-1 {name}"] for name in ("low", "high", "of", "letters")}
    assert found == {"low": "2", "high": "3", "of": "4", "letters": "B"}
    rows = {row["encoder"]: row for row in json.loads(download(tab, "json"))}
    assert rows["net"]["rank, top-1 high"] == 1 and rows["ridge"]["rank, top-1 low"] is None
    assert rows["ridge"]["rank, top-1 says"] == "baseline"
    assert "| 2–3 of 4, B |" in download(tab, "markdown")
    assert "2--3 of 4, B" in download(tab, "latex")


def test_exports_hold_the_margin_over_the_best_baseline_in_three_columns(tab, folder, open_board, download):
    open_board(tab, folder)
    rows = {row["encoder"]: row for row in json.loads(download(tab, "json"))}
    name = "top-1 above best baseline"
    assert rows["net"][name] == pytest.approx(0.51 - 0.7)
    assert rows["net"][f"{name} p"] < 0.001 and rows["net"][f"{name} is"] == "ridge"
    assert rows["ridge"][name] is None
    assert "| -0.190, p &lt; 0.001 (ridge) |" in download(tab, "markdown")


def test_what_people_read_has_a_caption_that_explains_its_signs_and_dates_the_board(tab, folder, open_board, download):
    open_board(tab, folder)
    built = json.loads((folder / "board.json").read_text())["built"][:16].replace("T", " ")
    latex, markdown = download(tab, "latex"), download(tab, "markdown")
    caption = re.search(r"\\caption\{(.*)\}\n\\begin\{tabular\}", latex)[1]
    for said in (
        "Brackets: bootstrap interval",
        "standard deviation between seeds",
        "share a letter",
        f"built {built} UTC",
    ):
        assert said in caption and said in markdown.splitlines()[-1]


def test_latex_and_markdown_escape_what_would_break_the_table(tab, folder, open_board, download):
    open_board(tab, folder)
    latex, markdown = download(tab, "latex"), download(tab, "markdown")
    assert r"$<$/script$>$" in latex
    assert latex.count(r"\\") == 7  # one head, six rows
    assert "<img" not in markdown
    bars = {line.replace("\\|", "").count("|") for line in markdown.partition("\n\n")[0].splitlines()}
    assert len(bars) == 1


def test_json_holds_the_rows_as_shown(tab, folder, open_board, names, download):
    open_board(tab, folder)
    assert [row["encoder"] for row in json.loads(download(tab, "json"))] == names(tab)

"""Tables: values with intervals, verdicts in words, and text that cannot break out of its cell."""

from __future__ import annotations

import pytest

from eeg2speech_bench.core.cli import main
from eeg2speech_bench.core.records import Record, RecordStore
from eeg2speech_bench.leaderboard.export import to_csv, to_markdown
from eeg2speech_bench.leaderboard.table import board, controls


def record(encoder: str = "net", top1: float = 0.5, *, real: bool = True, status: str = "done") -> Record:
    def entry(condition: str, value: float) -> dict:
        return {
            "name": "top1",
            "condition": condition,
            "value": value,
            "low": value - 0.1,
            "high": value + 0.1,
            "unit": "",
            "chance": 0.02,
            "n_pool": 50,
        }

    verdict = {"distinguishable": real, "p": 0.0005 if real else 0.4, "hardest_control": "shuffle", "alpha": 0.05}
    cell = {"id": f"{encoder}__0", "encoder": encoder, "dataset": "simulated", "preset": "quick", "seed": 0}
    made = Record(cell, status, {}, encoder={"baseline": encoder == "ridge"}, target={"name": "mel"})
    if status == "done":
        made.metrics = [entry("eeg", top1), entry("shuffle", 0.02), entry("audio", 1.0)]
        made.tests = [{"metric": "top1", "control": "shuffle", "p": verdict["p"]}]
        made.verdict = {"top1": verdict}
    else:
        made.error = {"phase": "align", "type": "RuntimeError", "message": "no"}
    return made


def column(table, name):
    return [row[table.columns.index(name)] for row in table.rows]


def test_a_score_stands_beside_its_interval_and_verdict():
    table = board([record()])
    assert column(table, "top-1") == ["0.500 [0.40, 0.60]"]
    assert column(table, "retrieval") == ["signal, p < 0.001"]
    assert "50 candidates, chance 0.020" in table.notes[0]


def test_a_score_that_noise_also_reaches_is_said_to_be_no_signal():
    assert column(board([record(real=False)]), "retrieval") == ["not distinguishable from no signal"]


def test_the_best_comes_first_and_a_failed_cell_stays_on_the_board():
    table = board([record("a", 0.2), record("b", status="failed"), record("ridge", 0.4)])
    assert column(table, "encoder") == ["ridge (baseline)", "a", "b"]
    assert column(table, "retrieval")[-1] == "FAILED in align"
    assert column(table, "top-1")[-1] == "-"


def test_controls_are_rows_with_the_p_of_the_eeg_against_them():
    table = controls(record())
    assert column(table, "condition") == [
        "EEG",
        "EEG of other segments",
        "ceiling: true audio embedding",
        "chance",
    ]
    assert column(table, "p, top-1") == ["", "< 0.001", "", ""]
    assert table.notes[-1].startswith("top-1: above every no-signal control (p < 0.001")


def test_a_plugin_name_cannot_break_a_markdown_table():
    hostile = record("a|b<script>\n# x")
    lines = to_markdown(board([hostile])).splitlines()
    assert "<script>" not in "".join(lines)
    assert lines[4].count(" | ") == lines[2].count(" | ")


def test_csv_has_a_header_and_a_row_per_cell():
    lines = to_csv(board([record("a"), record("b")])).splitlines()
    assert lines[0].startswith("encoder,data set,preset,seed")
    assert len(lines) == 3


@pytest.mark.parametrize("form", ["table", "markdown", "csv", "svg"])
def test_the_verb_shows_every_record(tmp_path, capsys, form):
    for name in ("first", "second"):
        RecordStore(tmp_path).write(record(name))
    assert main(["leaderboard", "--results", str(tmp_path), "--format", form, "--controls"]) == 0
    shown = capsys.readouterr().out
    assert "first" in shown
    assert "second" in shown


def test_a_damaged_record_is_named_and_the_rest_is_shown(tmp_path, capsys):
    RecordStore(tmp_path).write(record("good"))
    (tmp_path / "records" / "bad.json").write_text("{")
    assert main(["leaderboard", "--results", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert "good" in shown.out
    assert "bad.json cannot be read" in shown.err


def test_a_folder_without_records_says_what_to_type(tmp_path, capsys):
    assert main(["leaderboard", "--results", str(tmp_path)]) == 2
    assert "has no records. Run 'eeg2speech-bench run" in capsys.readouterr().err

"""Tables: values with intervals, verdicts in words, and text that cannot break out of its cell."""

from __future__ import annotations

import argparse
import csv
import io
from pathlib import Path

import pytest
from rich.console import Console

from eeg2speech_bench.core.cli import main
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.records.training import Training
from eeg2speech_bench.leaderboard.commands import configure
from eeg2speech_bench.leaderboard.standings.identity import Competition
from eeg2speech_bench.leaderboard.standings.ranks import Rank
from eeg2speech_bench.leaderboard.standings.standings import Standing
from eeg2speech_bench.leaderboard.tables.export import print_table, show, to_csv, to_markdown
from eeg2speech_bench.leaderboard.tables.table import Table, board, controls


def record(encoder: str = "net", top1: float = 0.5, *, real: bool = True, status: str = "done") -> Record:
    def entry(condition: str, value: float) -> dict:
        return {
            "name": "top1",
            "label": "top-1",
            "version": 1,
            "condition": condition,
            "value": value,
            "low": value - 0.1,
            "high": value + 0.1,
            "confidence": 0.95,
            "n": 40,
            "unit": "",
            "higher_is_better": True,
            "chance": 0.02,
            "n_pool": 50,
            "per_subject": {"01": value},
        }

    verdict = {"distinguishable": real, "p": 0.0005 if real else 0.4, "hardest_control": "shuffle", "alpha": 0.05}
    name = "".join(c for c in encoder if c.isalnum())
    cell = {"id": f"{name}__0", "encoder": encoder, "dataset": "simulated", "dataset_argument": "simulated"}
    tree = {
        "cell": cell | {"preset": "quick", "seed": 0},
        "status": status,
        "config": {},
        "encoder": {"name": encoder, "distribution": "dist", "version": "1", "source_hash": "a"},
        "dataset": {"name": "simulated", "revision": "1", "n_subjects": 1},
        "split": {"hash": "5c" * 32},
        "target": {"name": "mel"},
    }
    tree["encoder"]["baseline"] = encoder == "ridge"
    if status != "done":
        return Record(**tree, error={"phase": "align", "type": "RuntimeError", "message": "no"})
    test = {"metric": "top1", "control": "shuffle", "p": verdict["p"], "effect": 0.5, "dz": None, "n_units": 4}
    return Record(
        **tree,
        metrics=[entry("eeg", top1), entry("shuffle", 0.02), entry("audio", 1.0)],
        tests=[test | {"exact": True}],
        verdict={"top1": verdict},
        files={"segments": f"cells/{name}__0/segments.parquet"},
    )


def column(table, name):
    return [row[table.columns.index(name)] for row in table.rows]


def test_a_score_stands_beside_its_interval_and_verdict():
    table = board([record()], {})
    assert column(table, "top-1") == ["0.500 [0.40, 0.60]"]
    assert column(table, "retrieval") == ["signal, p < 0.001"]
    assert "50 candidates, chance 0.020" in table.notes[0]


def test_a_score_that_noise_also_reaches_is_said_to_be_no_signal():
    assert column(board([record(real=False)], {}), "retrieval") == ["not distinguishable from no signal"]


def test_the_best_comes_first_and_a_failed_cell_stays_on_the_board():
    table = board([record("a", 0.2), record("b", status="failed"), record("ridge", 0.4)], {})
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
    lines = to_markdown(board([hostile], {})).splitlines()
    assert "<script>" not in "".join(lines)
    assert lines[4].count(" | ") == lines[2].count(" | ")


def test_csv_has_a_header_and_a_row_per_cell():
    lines = to_csv(board([record("a"), record("b")], {})).splitlines()
    assert lines[0].startswith("encoder,data set,preset,seed")
    assert len(lines) == 3


def standings(**ranks: Rank | str) -> dict[tuple[str, str], Standing]:
    """Return where encoders stand in top-1: a rank, or why there is none."""
    terms = Competition("simulated", "quick", "5c", "mel", "", "", "r")
    return {
        (f"{name}__0", "top1"): Standing(terms, None, found) if isinstance(found, str) else Standing(terms, found)
        for name, found in ranks.items()
    }


def test_a_rank_is_an_interval_with_its_ties_and_who_does_not_compete_is_named():
    top = record("oracle", 0.9)
    top.encoder.ceiling = True
    cells = [record("a", 0.5), record("b", 0.3), record("ridge", 0.4), top, record("c", status="failed")]
    table = board(cells, standings(a=Rank(1, 2, (1,), 3, 8), b="Cell 'b' has no segments here"))
    assert dict(zip(column(table, "encoder"), column(table, "rank, top-1"), strict=True)) == {
        "oracle (ceiling)": "ceiling", "a": "1-2 of 3, A", "ridge (baseline)": "baseline", "b": "not ranked", "c": "-"
    }  # fmt: skip
    assert "b on simulated is not ranked: Cell 'b' has no segments here." in table.notes


def test_ties_for_lack_of_data_are_explained_below_the_table():
    table = board([record("a")], standings(a=Rank(1, 3, (1,), 3, 2)))
    said = "top-1 on simulated: 2 listeners or blocks of audio are too few to tell 3 encoders apart."
    assert table.notes[-1] == said


def test_a_metric_of_a_plugin_is_called_by_its_own_name():
    made = record()
    made.verdict = {"cosine": made.verdict["top1"]}
    assert controls(made).notes[-1].startswith("cosine: above every no-signal control")


def test_tables_in_a_pipe_are_never_cut(capsys):
    show("table", [Table("T", ["name", "long"], [["a", "x" * 400]])])
    assert "x" * 400 in capsys.readouterr().out


def test_a_narrow_terminal_says_once_what_all_rows_share():
    table = Table("T", ["name", "same", "other"], [["a", "s" * 40, "1"], ["b", "s" * 40, "2"]])
    stream = io.StringIO()
    print_table(table, Console(file=stream, width=50, force_terminal=True, color_system=None))
    assert "All rows: same " + "s" * 35 in stream.getvalue().replace("\n", "")
    assert stream.getvalue().count("sss" * 10) == 1


def test_names_in_a_table_cannot_steer_the_terminal_and_need_no_letters_that_it_lacks():
    hostile = record("\x1b[31mred\x07 [bold] ☃")
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    for table in (controls(hostile), board([hostile], {})):
        print_table(table, Console(file=stream, width=200))
    stream.flush()
    shown = stream.buffer.getvalue().decode("ascii")
    assert shown.count(" [31mred  [bold] ?") == 2
    assert not {c for c in shown if not c.isprintable()} - {"\n"}


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


def shown(capsys, *arguments: str) -> list[str]:
    """Return the encoders that the verb shows."""
    assert main(["leaderboard", "--format", "csv", *arguments]) == 0
    return [line.split(",")[0] for line in capsys.readouterr().out.strip().splitlines()[1:]]


def test_the_table_is_filtered_by_data_set_preset_and_budget(tmp_path, capsys):
    for name, changes in {"a": {}, "b": {"dataset": "dtu"}, "c": {"preset": "full"}, "d": {}}.items():
        made = record(name)
        made.cell = made.cell.model_copy(update=changes)
        made.config = {"alignment": {"batch_size": 64}}
        made.training = {"align": Training(n_steps=640 if name == "d" else 320)}
        RecordStore(tmp_path).write(made)
    where = ["--results", str(tmp_path)]
    assert shown(capsys, *where, "--dataset", "dtu") == ["b"]
    assert shown(capsys, *where, "--preset", "full", "--preset", "quick", "--dataset", "simulated") == ["c", "a", "d"]
    assert shown(capsys, *where, "--budget", "640 x 64") == ["d"]
    assert main(["leaderboard", *where, "--dataset", "none"]) == 2
    assert "No record of" in capsys.readouterr().err


@pytest.mark.parametrize("action", [["compare", "a", "b"], ["merge", "other"], ["push", "file:///x"], ["pull", "x/y"]])
def test_what_stands_before_an_action_is_not_undone_by_it(action):
    parser = argparse.ArgumentParser()
    configure(parser)
    before = parser.parse_args(["--results", "mine", *action])
    after = parser.parse_args(["--results", "mine", *action, "--results", "other"])
    assert (before.results, after.results) == (Path("mine"), Path("other"))
    assert parser.parse_args(action).results == Path("results")


def test_the_format_may_stand_before_compare():
    parser = argparse.ArgumentParser()
    configure(parser)
    assert parser.parse_args(["--format", "csv", "compare", "a", "b"]).format == "csv"
    assert parser.parse_args(["compare", "a", "b"]).format == "table"


def test_merge_takes_into_the_folder_named_before_it(tmp_path, cell, capsys):
    cell(tmp_path / "from")
    assert main(["leaderboard", "--results", str(tmp_path / "mine"), "merge", str(tmp_path / "from")]) == 0
    assert len(RecordStore(tmp_path / "mine").read_all()) == 1


def test_pairs_of_encoder_and_data_set_without_scores_are_named():
    cells = [record("a"), record("b")]
    cells[1].cell.dataset = "other"
    said = "Coverage: 2 of 4 pairs of encoder and data set have scores; not b on simulated, a on other."
    assert said in board(cells, {}).notes
    assert not any("Coverage" in note for note in board(cells[:1], {}).notes)


def test_revisions_of_the_data_of_one_name_are_told_apart():
    cells = [record("a", 0.5), record("a", 0.4)]
    for made, revision in zip(cells, ("1f3a5c7e", "corrected"), strict=True):
        made.dataset.revision = revision
    table = board(cells, {})
    assert column(table, "data set") == ["simulated (1f3a5c7e)", "simulated (corrected)"]
    assert "simulated: 2 revisions of the data; only encoders on one revision are compared." in table.notes
    assert not any("revision" in note for note in board(cells[:1], {}).notes)


def printed(table: Table, width: int) -> str:
    stream = io.StringIO()
    print_table(table, Console(file=stream, width=width, force_terminal=True, color_system=None))
    return stream.getvalue()


def test_a_narrow_terminal_goes_without_optional_columns_then_without_intervals():
    rows = [["net", f"0.6{i}1 [0.50, 0.73]", f"0.1{i}6 [-0.11, 0.19]", f"20.{i}", str(i)] for i in range(2)]
    table = Table("T", ["encoder", "top-1", "mel r", "LSD, dB", 60 * "n"], rows, optional=("LSD, dB", "gone"))
    assert "LSD, dB" in printed(table, 140) and "Too narrow" not in printed(table, 140)
    some = printed(table, 118)
    assert "Too narrow for: LSD, dB. A wider terminal has them" in some and "0.601 [0.50, 0.73]" in some
    few = printed(table, 100)
    assert "Too narrow for: LSD, dB; intervals." in few and "[" not in few.split("Too narrow")[0]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("[click](http://x)", r"[click\](http:\//x)"),
        ("![p](data:x)", r"![p\](data:x)"),
        ("[a]: b", r"[a\]: b"),
        ("see https://x.y", r"see https:\//x.y"),
        ("www.x.y", r"www\.x.y"),
        ("`a", r"\`a"),
        ("a\rb", "a b"),
        ("0.662 [0.54, 0.78] ± 0.014", "0.662 [0.54, 0.78] ± 0.014"),
    ],
)
def test_a_name_is_no_link_no_code_and_no_line_in_markdown(name, written):
    assert f"| {written} |" in to_markdown(Table("t", ["encoder"], [[name]], []))


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1+cmd|' /C calc'!A0", "-2+3*A1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("x")']
)
def test_a_cell_that_a_spreadsheet_would_run_is_text_in_csv(cell):
    (_, row) = csv.reader(io.StringIO(to_csv(Table("t", ["encoder"], [[cell]], []))))
    assert row == [f"'{cell}".replace("\t", " ").replace("\r", " ")]


@pytest.mark.parametrize("cell", ["-0.021, p = 1.000 (ridge)", "+0.454 [-0.1, 0.9]", "-3", "-", "–", "a"])
def test_numbers_with_a_sign_stay_numbers_in_csv(cell):
    (_, row) = csv.reader(io.StringIO(to_csv(Table("t", ["effect"], [[cell]], []))))
    assert row == [cell]

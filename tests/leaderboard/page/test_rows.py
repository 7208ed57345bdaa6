"""Rows of the board: seeds, verdicts, failures, who competes and who leads."""

from __future__ import annotations

import hashlib
import re

import numpy as np
import pytest

from eeg2speech_bench.core.cli import main
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.leaderboard.page.folder import build


def around(mean: float) -> np.ndarray:
    """Return 80 values spread around a mean, which differ with it."""
    return mean + 0.01 * np.random.default_rng(int(100 * mean)).standard_normal(80)


def test_seeds_become_one_row_with_their_mean_and_spread_that_names_its_cells(tmp_path, write, board):
    for seed, value in enumerate((0.4, 0.5, 0.6)):
        write(tmp_path, top1=value, seed=seed)
    report = build([tmp_path], tmp_path / "out")
    (row,) = board(report.index.parent)["rows"]
    assert (report.n_cells, report.n_rows) == (3, 1)
    assert row["m0"] == pytest.approx(0.5)
    assert row["x0"][:3] == pytest.approx([0.4, 0.6, 0.1])  # mean bounds; sample SD of 0.4, 0.5, 0.6
    assert [cell[1] for cell in row["cells"]] == [0, 1, 2]


def test_cells_of_unlike_configuration_or_split_never_share_a_mean(tmp_path, write, board):
    write(tmp_path, seed=0)
    write(tmp_path, seed=1, config={"preset": "quick", "alignment": {"patience": 9}})
    write(tmp_path, seed=2, split={"hash": "7d" * 32})
    assert build([tmp_path], tmp_path / "out").n_rows == 3
    assert all("·" in row["p"] for row in board(tmp_path / "out")["rows"][:2])


def test_a_run_of_retrieval_alone_is_one_more_seed_of_the_whole_run_and_counts_once(
    tmp_path, write, metric, test_of, board, capsys
):
    whole = write(tmp_path, top1=0.4, seed=0)
    whole.metrics += [metric("identification", c, v) for c, v in (("eeg", 0.3), ("shuffle", 0.02), ("audio", 1.0))]
    whole.verdict["identification"] = whole.verdict["top1"]
    whole.tests.append(test_of("identification", "shuffle", whole.verdict["top1"].p))
    whole.provenance.stages[0].seconds = 300.0
    RecordStore(tmp_path).write(whole)
    for seed in (0, 1):
        cell = whole.cell.model_copy(update={"id": f"net__retrieval__seed{seed}", "seed": seed})
        alone = {"preset": "quick", "scores": {"which": "retrieval"}}
        write(tmp_path, top1=0.4 + 0.2 * seed, seed=seed, cell=cell, config=alone)
    build([tmp_path], tmp_path / "out")
    (row,) = board(tmp_path / "out")["rows"]
    assert row["m0"] == pytest.approx(0.5)  # of 0.4 and 0.6; 0.467 if seed 0 counted twice
    assert row["m1"] == pytest.approx(0.3)
    assert row["min"] == 3.25  # of seed 0 as a whole, 5.0, and of seed 1
    assert main(["leaderboard", "--results", str(tmp_path), "--format", "csv"]) == 0
    assert [line.split(",")[3] for line in capsys.readouterr().out.splitlines() if "quick" in line] == ["1", "0"]


def test_what_noise_also_reaches_is_named_in_the_records_words_everywhere(tmp_path, write, board, only_page):
    write(tmp_path, real=False)
    out = build([tmp_path], tmp_path / "out").index.parent
    assert board(out)["rows"][0]["v0"] == "not distinguishable from no signal"
    assert "None is told from no signal. The highest top-1 is 0.500" in (out / "index.html").read_text()
    assert "not distinguishable from no signal" in only_page(out)


def test_seeds_that_disagree_are_counted(tmp_path, write, board):
    for seed in range(3):
        write(tmp_path, seed=seed, real=seed < 2)
    build([tmp_path], tmp_path / "out")
    said = board(tmp_path / "out")["rows"][0]["v0"]
    assert said == "signal in 2 of 3 seeds, in the others not distinguishable from no signal"


def test_a_failed_cell_is_a_row_with_phase_reason_and_traceback(tmp_path, write, board, only_page):
    error = {"phase": "align", "type": "RuntimeError", "message": "diverged <b>", "traceback": ["line one", "line two"]}
    write(tmp_path, status="failed", metrics=[], tests=[], verdict={}, split={}, error=error)
    out = build([tmp_path], tmp_path / "out").index.parent
    (row,) = board(out)["rows"]
    assert row["err"] == "FAILED in align: RuntimeError: diverged <b>"
    assert "line one\nline two" in only_page(out)
    assert "diverged &lt;b&gt;" in only_page(out)


def test_a_seed_that_failed_before_its_split_joins_the_row_of_the_others(tmp_path, write, board):
    write(tmp_path, seed=0)
    error = {"phase": "prepare", "type": "E", "message": ""}
    write(tmp_path, seed=1, status="failed", metrics=[], tests=[], verdict={}, split={}, error=error)
    build([tmp_path], tmp_path / "out")
    assert [row["n"] for row in board(tmp_path / "out")["rows"]] == ["1 of 2"]


def test_an_encoder_that_reads_the_transcript_is_a_reference_and_neither_leads_nor_competes(
    tmp_path, write, write_segments, board, capsys
):
    write_segments(tmp_path, write(tmp_path, "net", 0.3), around(0.3))
    reader = {"name": "reader", "modality": "text"}
    write_segments(tmp_path, write(tmp_path, "reader", 0.9, encoder=reader), around(0.9))
    build([tmp_path], tmp_path / "out")
    found = {row["e"]: row for row in board(tmp_path / "out")["rows"]}
    assert (found["reader"]["k"], found["net"]["k"]) == ("reference", "")
    leader = (tmp_path / "out" / "index.html").read_text().split('<p class="big">', 1)[1]
    assert ">net</a>" in leader.split("</p>", 1)[0]
    assert main(["leaderboard", "--results", str(tmp_path), "--format", "csv"]) == 0
    said = capsys.readouterr().out
    assert "reader (reference)" in said and "alone" in said


def test_a_ceiling_is_marked_and_does_not_lead(tmp_path, write, board):
    write(tmp_path, "net", 0.3)
    write(tmp_path, "oracle", 0.9, encoder={"name": "oracle", "ceiling": True})
    write(tmp_path, "ridge", 0.4, encoder={"name": "ridge", "baseline": True})
    out = build([tmp_path], tmp_path / "out").index.parent
    assert {row["e"]: row["k"] for row in board(out)["rows"]} == {"net": "", "oracle": "ceiling", "ridge": "baseline"}
    assert re.search(r'class="big"><a href="rows/ridge', (out / "index.html").read_text())


def test_every_row_has_its_rank_interval_and_tie_group_or_what_it_is_instead(tmp_path, write, write_segments, board):
    for name, mean in (("one", 0.5), ("two", 0.5), ("three", 0.1)):
        for seed in range(2):
            write_segments(tmp_path, write(tmp_path, name, mean, seed=seed), around(mean + 0.001 * seed))
    write(tmp_path, "bare", 0.2)
    write(tmp_path, "ridge", 0.4, encoder={"name": "ridge", "baseline": True})
    build([tmp_path], tmp_path / "out")
    rows = {row["e"]: row for row in board(tmp_path / "out")["rows"]}
    assert {name: row.get("q0") for name, row in rows.items()} == {
        "one": [1, 2, 3, "A", 0, ""], "two": [1, 2, 3, "A", 0, ""], "three": [3, 3, 3, "B", 0, ""],
        "bare": "Cell 'bare__data__quick__seed0' has no per-segment values here", "ridge": None,
    }  # fmt: skip
    # sorted by it, ties stay together
    assert sorted([rows["one"]["r0"], rows["two"]["r0"]]) == [0, 1] and rows["three"]["r0"] == 2
    assert "r0" not in rows["bare"]
    said = " ".join((tmp_path / "out" / "index.html").read_text().split())
    assert re.search(r'Rank 1–2 of 3 encoders; cannot be told from <a href="rows/(one|two)', said)


def test_the_page_of_a_row_says_where_it_stands_and_what_it_is_above(tmp_path, write, write_segments, only_page):
    for name, mean, baseline in (("one", 0.5, False), ("two", 0.1, False), ("ridge", 0.3, True)):
        record = write(tmp_path, name, mean, encoder={"name": name, "baseline": baseline})
        write_segments(tmp_path, record, around(mean))
    for _ in range(2):  # the second board takes over the pages of the first
        out = build([tmp_path], tmp_path / "out").index.parent
    said = "Rank 1–1 of 2 encoders on equal terms, letter A. 0.199 above the best baseline, ridge (p &lt; 0.001)."
    assert said in only_page(out, "one")
    assert "standing" not in only_page(out, "ridge").replace("<!--standing in", "")


def test_a_row_without_segments_says_why_it_has_no_rank(tmp_path, write, only_page):
    write(tmp_path, "bare <b>", 0.5)
    write(tmp_path, "other", 0.1)
    out = build([tmp_path], tmp_path / "out").index.parent
    assert "Not ranked: Cell &#39;bare--b-__data__quick__seed0&#39; has no per-segment" in only_page(out, "bare")


def test_the_values_that_ranks_rest_on_come_with_the_page(tmp_path, write, write_segments, board, only_page):
    record = write(tmp_path)
    write_segments(tmp_path, record, around(0.5))
    out = build([tmp_path], tmp_path / "out").index.parent
    (listed,) = board(out)["records"]
    content = (out / listed["segments"]).read_bytes()
    assert content == (tmp_path / record.files["segments"]).read_bytes()
    assert listed["segments_sha256"] == hashlib.sha256(content).hexdigest()
    assert f"{listed['segments_sha256']}  {listed['segments']}" in only_page(out)


def test_values_that_lie_elsewhere_are_not_published(tmp_path, write, write_segments):
    record = write(tmp_path / "results")
    write_segments(tmp_path / "results", record, around(0.5))
    place = tmp_path / "results" / record.files["segments"]
    place.rename(tmp_path / "secret.parquet")
    place.symlink_to(tmp_path / "secret.parquet")
    report = build([tmp_path / "results"], tmp_path / "out")
    assert "outside its results folder" in report.refused[0].reason
    assert not list((tmp_path / "out").glob("segments/*"))


def test_the_budgets_of_seeds_that_stopped_early_are_told_from_the_smallest_to_the_largest(tmp_path, write, board):
    for seed, n_steps in enumerate((1040, 320)):
        write(tmp_path, seed=seed, training={"align": {"n_steps": n_steps, "settings": {"batch_size": 64}}})
    build([tmp_path], tmp_path / "out")
    assert board(tmp_path / "out")["rows"][0]["bud"] == "320 x 64 to 1040 x 64"

"""What the page answers first: who leads, is it real, by how much, at what cost."""

from __future__ import annotations

import html
import re
from pathlib import Path

import numpy as np
import pytest

from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.leaderboard.page.folder import build


def answers(results: Path) -> str:
    """Return the first card of the page as text."""
    page = build([results], results / "out").index.read_text()
    card = page.split('<article class="card answer">', 1)[1].split("</article>", 1)[0]
    return " ".join(html.unescape(re.sub("<.*?>", " ", card)).split())


@pytest.fixture
def contest(tmp_path, write, write_segments):
    """Write an encoder and a baseline, whose listeners differ by these numbers from it."""

    def written(by_listener: np.ndarray) -> str:
        spread = 0.01 * np.random.default_rng(0).standard_normal(80)
        ridge = write(tmp_path, "ridge", 0.4, encoder={"name": "ridge", "baseline": True})
        net = write(tmp_path, "net", 0.5)
        write_segments(tmp_path, ridge, 0.4 + spread)
        write_segments(tmp_path, net, 0.4 + np.repeat(by_listener, 10) + spread[::-1])
        return answers(tmp_path)

    return written


def test_a_leader_that_every_listener_puts_above_the_best_baseline_is_told_from_it(contest):
    said = contest(np.full(8, 0.1))
    assert "+0.100 over ridge ( baseline ) with 0.400" in said.replace("(baseline)", "( baseline )")
    assert "told apart (p < 0.001)" in said


def test_a_leader_that_owes_its_lead_to_one_listener_cannot_be_told_from_the_baseline(contest):
    said = contest(np.array([0.8, *np.zeros(7)]))
    assert "which cannot be told from it (p = 0." in said


def test_a_leader_is_not_held_against_itself_with_another_budget(tmp_path, write):
    write(tmp_path, "net", 0.5)
    write(tmp_path, "net", 0.45, seed=1, config={"preset": "quick", "scores": {}, "alignment": {"max_epochs": 2}})
    write(tmp_path, "other", 0.4)
    assert "+0.100 over other with 0.400" in answers(tmp_path)


def test_the_best_control_is_the_one_that_is_best_on_average(tmp_path, write, metric, board):
    # the best of each seed are 0.3 and 0.3, and belong to no one control
    for seed, (shift, shuffle) in enumerate(((0.3, 0.1), (0.0, 0.3))):
        made = write(tmp_path, seed=seed)
        made.metrics = [metric("top1", c, v) for c, v in (("eeg", 0.5), ("shift", shift), ("shuffle", shuffle))]
        RecordStore(tmp_path).write(made)
    assert "the best control (EEG of other segments) reaches 0.200" in answers(tmp_path)
    assert board(tmp_path / "out")["rows"][0]["x0"][4:6] == [0.2, "EEG of other segments"]


def test_where_the_ceiling_is_no_better_than_a_control_nothing_can_be_shown(tmp_path, write, metric, board):
    made = write(tmp_path, real=False)
    made.metrics = [metric("top1", c, v) for c, v in (("eeg", 0.5), ("shuffle", 0.02), ("audio", 0.01))]
    RecordStore(tmp_path).write(made)
    build([tmp_path], tmp_path / "out")
    said = "not testable: the true audio embedding itself is no better than a control, at 0.010"
    assert board(tmp_path / "out")["rows"][0]["v0"] == said


def test_seeds_that_differ_in_their_last_digits_alone_have_no_spread(tmp_path, write, board):
    for seed, value in enumerate((0.4, 0.4 + 1e-16)):
        write(tmp_path, top1=value, seed=seed)
    build([tmp_path], tmp_path / "out")
    assert board(tmp_path / "out")["rows"][0]["x0"][2] is None


def test_retrieval_costs_what_its_stages_took(tmp_path, write, board):
    made = write(tmp_path)
    seconds = {"prepare": 30.0, "align": 60.0, "embed": 30.0, "diffuse": 120.0, "generate": 60.0}
    (stage,) = made.provenance.stages
    made.provenance.stages = [stage.model_copy(update={"name": n, "seconds": s}) for n, s in seconds.items()]
    RecordStore(tmp_path).write(made)
    assert "2.0 minutes (what retrieval needs)" in answers(tmp_path)
    row = board(tmp_path / "out")["rows"][0]
    assert (row["min"], row["all"]) == (2.0, 5.0)


def test_what_a_data_set_says_of_itself_stands_above_its_scores(tmp_path, write):
    write(tmp_path, dataset={"revision": "1", "about": "Simulated <b>listeners</b>"})
    build([tmp_path], tmp_path / "out")
    assert "Simulated &lt;b&gt;listeners&lt;/b&gt;." in (tmp_path / "out" / "index.html").read_text()


def test_revisions_of_the_data_of_one_name_are_two_data_sets(tmp_path, write, board):
    write(tmp_path, "net", 0.5, dataset={"revision": "1f3a5c7e", "n_subjects": 2})
    write(tmp_path, "other", 0.6, dataset={"revision": "corrected", "n_subjects": 2})
    page = build([tmp_path], tmp_path / "out").index.read_text()
    made = board(tmp_path / "out")
    assert made["datasets"] == ["data (1f3a5c7e)", "data (corrected)"]
    assert [(row["e"], row["d"]) for row in made["rows"]] == [("net", 0), ("other", 1)]
    assert page.count("Encoders on different revisions are never compared.") == 2


def test_data_sets_without_signal_are_left_out_of_what_is_pooled(tmp_path, write):
    for number, dataset in enumerate(("a", "b", "c", "null")):
        made = write(tmp_path, "net", 0.1 if dataset == "null" else 0.5, seed=number)
        made.cell.dataset, made.dataset.is_null = dataset, dataset == "null"
        RecordStore(tmp_path).write(made)
    page = build([tmp_path], tmp_path / "out").index.read_text()
    assert "+0.480<small>" in page.split("Over data sets", 1)[1]

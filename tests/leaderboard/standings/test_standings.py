"""Standings: who takes part, what is read, and what is said of a run in place of a rank."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.training import Training
from eeg2speech_bench.core.weights.strategies import twin_options
from eeg2speech_bench.leaderboard.standings import standings as module
from eeg2speech_bench.leaderboard.standings.differences import SegmentFile
from eeg2speech_bench.leaderboard.standings.identity import Competition, identify
from eeg2speech_bench.leaderboard.standings.ranks import Rank
from eeg2speech_bench.leaderboard.standings.standings import (
    ALONE,
    Competitor,
    MetricVariant,
    Standing,
    competitor,
    find_standings,
)

TERMS = Competition("data", "quick", "5c", "mel", "", "", "r1")
VARIANT = MetricVariant(version=1, pool="", n_pool=50, higher_is_better=True)
LISTENER, BLOCK = (a.ravel() for a in np.indices((8, 10)))


def cell(name: str, seed: int = 0, *, place: Path | None = None, **changes) -> Competitor:
    """Return a cell that takes part; its segments lie at ``place``."""
    segments = SegmentFile(f"{name}-{seed}", place)
    return Competitor(
        name, seed, name, baseline=False, competition=TERMS, segments=segments, variants={"top1": VARIANT}
    )._replace(**changes)


@pytest.fixture
def scored(tmp_path):
    """Return a cell whose segments spread a little around a mean."""

    def write(name: str, mean: float, seed: int = 0, **changes) -> Competitor:
        place = tmp_path / f"{name}-{seed}.parquet"
        columns = {"metric": "top1", "condition": "eeg", "subject": LISTENER.astype(str), "recording": LISTENER}
        columns |= {"stimulus": 0, "start_s": BLOCK * 15.0, "block": BLOCK}
        spread = 0.01 * np.random.default_rng(int(1000 * mean) + seed).standard_normal(80)
        pd.DataFrame(columns | {"value": mean + spread}).to_parquet(place)
        return cell(name, seed, place=place, **changes)

    return write


@pytest.fixture
def record(tmp_path, cell):
    """A finished record and where it lies."""
    path = cell(tmp_path)
    return path, Record.read(path)


def test_a_finished_cell_takes_part_in_the_metrics_that_it_has_a_verdict_on(record):
    path, made = record
    found = competitor(path, made, identify(made))
    assert (found.name, found.seed, found.baseline) == ("net", 0, False)
    assert found.variants == {"top1": MetricVariant(1, "", 10, True)}
    assert found.segments.path == path.parents[1] / made.files["segments"]


@pytest.mark.parametrize(
    "change",
    [
        lambda made: setattr(made, "status", "failed"),
        lambda made: setattr(made.encoder, "ceiling", True),
        lambda made: setattr(made.encoder, "modality", "text"),
    ],
)
def test_what_failed_or_does_not_read_the_eeg_takes_no_part(record, change):
    path, made = record
    change(made)
    assert competitor(path, made, identify(made)) is None


def test_a_run_without_rivals_is_alone_and_nothing_is_read(monkeypatch):
    monkeypatch.setattr(module, "seed_values", lambda *_: pytest.fail("it was read"))
    found = find_standings([cell("net"), cell("net", 1)])
    assert found == dict.fromkeys([("net-0", "top1"), ("net-1", "top1")], Standing(TERMS, ALONE))
    assert found["net-0", "top1"].text == "alone"


def test_baselines_without_an_encoder_have_no_standing():
    assert find_standings([cell("ridge", baseline=True), cell("mean", baseline=True)]) == {}


def test_all_seeds_of_a_run_stand_alike(scored):
    found = find_standings([scored("a", 0.5), scored("a", 0.5, seed=1), scored("b", 0.1)])
    assert found["a-0", "top1"] == found["a-1", "top1"]
    assert (found["a-0", "top1"].text, found["b-0", "top1"].text) == ("1-1 of 2, A", "2-2 of 2, B")


def test_a_run_whose_only_rival_cannot_be_read_is_alone(scored):
    found = find_standings([scored("a", 0.5), cell("b")])
    assert found["a-0", "top1"].text == "alone"
    assert (found["b-0", "top1"].text, found["b-0", "top1"].reason) == (
        "not ranked",
        "Cell 'b-0' has no per-segment values here",
    )


def test_a_cell_stands_in_the_metrics_that_it_has_and_in_no_others(scored):
    more = {"top1": VARIANT, "identification": VARIANT}
    found = find_standings([scored("a", 0.5, variants=more), scored("b", 0.1)])
    assert found.keys() == {("a-0", "top1"), ("a-0", "identification"), ("b-0", "top1")}
    assert found["a-0", "identification"].text == "alone"


def test_a_lone_encoder_is_held_against_the_baseline_of_its_windows(scored):
    ridge = scored("ridge", 0.3, baseline=True, competition=TERMS._replace(target="of its own", terms="others"))
    found = find_standings([scored("net", 0.5), ridge])
    assert found.keys() == {("net-0", "top1")}
    margin = found["net-0", "top1"].margin
    assert (margin.baseline, margin.difference) == ("ridge", pytest.approx(0.2, abs=0.01))


def test_a_baseline_that_was_measured_otherwise_is_no_margin(scored):
    found = find_standings(
        [scored("net", 0.5), scored("ridge", 0.3, baseline=True, variants={"top1": VARIANT._replace(n_pool=10)})]
    )
    assert found["net-0", "top1"].margin is None


def test_pretrained_weights_are_held_against_the_twin_of_the_same_strategy(scored):
    found = find_standings(
        [
            scored("probe", 0.5, family="p"),
            scored("probe-twin", 0.2, family="p", random=True),
            scored("full", 0.41, family="f"),
            scored("scratch", 0.6, family="f", random=True),
            scored("other", 0.1),
        ]
    )
    texts = {cell: standing.pretraining and standing.pretraining.verdict for (cell, _), standing in found.items()}
    assert texts == {
        "probe-0": "pretraining helps",
        "probe-twin-0": None,
        "full-0": "pretraining hurts",
        "scratch-0": None,
        "other-0": None,
    }
    assert found["probe-0", "top1"].pretraining.text == "pretraining helps: 0.299 above probe-twin (p < 0.001)"


def test_without_its_twin_nothing_is_said_of_pretraining(scored):
    found = find_standings([scored("probe", 0.5, family="p"), scored("net", 0.1)])
    assert found["probe-0", "top1"].pretraining is None


def test_a_difference_to_the_twin_that_listeners_do_not_share_is_none_that_can_be_told(scored):
    found = find_standings([scored("probe", 0.5, family="p"), scored("twin", 0.5, 1, family="p", random=True)])
    assert found["probe-0", "top1"].pretraining.verdict == "no difference by pretraining can be told"


@pytest.mark.parametrize("strategy", [None, "full", "probe"])
def test_a_record_and_that_of_its_twin_are_of_one_family(record, strategy):
    _, made = record
    options = {"weights": "owner/net"} | ({"strategy": strategy} if strategy else {})
    found = []
    for own in (options, twin_options(options)):
        made.encoder.options, made.config = own, {"preset": "quick", "encoder": {"net": own}}
        found.append(identify(made))
    assert [one.random for one in found] == [False, True]
    assert found[0].family == found[1].family != ""
    assert found[0].run != found[1].run


def test_encoders_without_weights_and_with_others_are_of_no_common_family(record):
    _, made = record
    assert (identify(made).family, identify(made).random) == ("", False)
    families = set()
    for options in ({"weights": "a/a"}, {"weights": "b/b"}, {"weights": "a/a", "strategy": "probe"}):
        made.encoder.options, made.config = options, {"preset": "quick", "encoder": {"net": options}}
        families.add(identify(made).family)
    assert len(families) == 3


def test_no_rank_is_shown_without_its_interval_and_its_ties():
    assert Standing(TERMS, Rank(1, 3, (1, 2), 4, 8)).text == "1-3 of 4, A B"
    assert Standing(TERMS, None, "it is not there").text == "not ranked"


def test_a_run_that_was_still_improving_has_no_best_rank(scored):
    found = find_standings([scored("a", 0.5), scored("b", 0.1, convergence="still improving"), scored("c", 0.3)])
    assert found["b-0", "top1"].text == "at worst 3 of 3, still improving"
    assert found["a-0", "top1"].text == "1-1 of 3, A"


def test_the_curve_of_a_record_decides_whether_its_run_was_still_improving(record):
    path, made = record
    rising = [{"step": i, "epoch": i, "valid_mrr": 0.1 * i} for i in range(1, 5)]
    made.training = {"align": Training(history=rising)}
    assert competitor(path, made, identify(made)).convergence == "still improving"


def test_minutes_are_a_competition_of_their_own_on_one_kind_of_machine(record):
    _, made = record
    steps = {"max_epochs": 4, "steps_per_epoch": 80, "batch_size": 64, "n_trials": 1}
    made.config = {"preset": "quick", "alignment": steps}
    made.provenance.hardware, made.provenance.device = {"cpu": "one", "n_cores": 2}, "cpu"
    by_steps = identify(made).competition
    made.config = {"preset": "quick", "alignment": steps | {"budget_minutes": 3.0}}
    here = identify(made).competition
    made.provenance.hardware = {"cpu": "another", "n_cores": 2}
    assert len({by_steps, here, identify(made).competition}) == 3
    assert here.budget == "at most 3 min each on 2 cores of one"

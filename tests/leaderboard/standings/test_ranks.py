"""Ranks come with intervals and ties, against simulated encoders whose order is known."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.segments.split import Split
from eeg2speech_bench.leaderboard.standings.identity import Competition, dataset_titles, identify
from eeg2speech_bench.leaderboard.standings.margins import Margin
from eeg2speech_bench.leaderboard.standings.ranks import Rank, rank_intervals, tie_groups
from eeg2speech_bench.leaderboard.standings.standings import Standing, competitor, find_standings

COMPETITION = Competition("data", "quick", "5c", "mel", "", "", "r")

LISTENER, WINDOW = (a.ravel() for a in np.indices((8, 40)))
BLOCK = WINDOW // 5


def noise(seed: int, n_encoders: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((8, 1))[LISTENER] + rng.standard_normal((8, 1))[BLOCK]
    return shared + 0.5 * rng.standard_normal((len(LISTENER), n_encoders))


def intervals(values: np.ndarray, encoder: list[int] | None = None, kept: object = slice(None)) -> list[list[int]]:
    runs = np.arange(values.shape[1]) if encoder is None else np.array(encoder)
    return rank_intervals(values, runs, LISTENER[kept], BLOCK[kept], seed=0).tolist()


def test_encoders_that_are_far_apart_have_one_rank_and_groups_of_their_own() -> None:
    values = np.add(noise(0, 3), [0.0, 2.0, 1.0])
    assert intervals(values) == [[3, 3], [1, 1], [2, 2]]
    assert tie_groups(values, LISTENER, BLOCK) == [(3,), (1,), (2,)]


def test_what_listeners_and_audio_share_does_not_blur_the_ranks() -> None:
    # the difference is a fifth of the spread between listeners, yet the same for every one of them
    assert intervals(np.add(noise(1, 2), [0.2, 0.0])) == [[1, 1], [2, 2]]


def test_equal_encoders_share_all_ranks_and_one_group() -> None:
    values = np.repeat(noise(2, 1), 3, axis=1)
    assert intervals(values) == [[1, 3]] * 3
    assert tie_groups(values, LISTENER, BLOCK) == [(1,)] * 3


def test_two_close_encoders_tie_above_a_third() -> None:
    values = np.add(noise(3, 3), [1.0, 1.0, 0.0])
    assert tie_groups(values, LISTENER, BLOCK) == [(1,), (1,), (2,)]
    assert intervals(values) == [[1, 2], [1, 2], [3, 3]]


def test_an_encoder_that_cannot_be_told_from_either_neighbour_shares_a_group_with_each() -> None:
    # the middle one is far above both for half of the listeners, and far below for the others
    values = np.add(0.1 * noise(4, 3), [1.0, 0.5, 0.0])
    values[:, 1] += np.array([1.0, -1.0] * 4)[LISTENER]
    assert tie_groups(values, LISTENER, BLOCK) == [(1,), (1, 2), (2,)]


def test_seeds_that_differ_widen_the_interval_of_their_encoder() -> None:
    values = np.add(noise(5, 3), [1.0, 0.0, 0.4])
    assert intervals(values[:, [0, 2]]) == [[1, 1], [2, 2]]
    assert intervals(values, [0, 0, 1]) == [[1, 2], [1, 2]]  # two seeds, of which one is worse than the other encoder


def test_a_listener_weighs_the_same_however_many_segments_were_kept() -> None:
    # A is better for seven listeners with few segments, B for one with many
    kept = (LISTENER == 0) | (WINDOW % 10 == 0)
    values = np.where(LISTENER[:, None] == 0, [0.0, 1.0], [1.0, 0.0])[kept]
    assert values[:, 1].mean() > 0.5 > values[:, 0].mean()
    assert intervals(values, kept=kept)[0] == [1, 1]


def segments(place: Path, **metrics: np.ndarray) -> None:
    columns = {"condition": "eeg", "subject": LISTENER.astype(str), "recording": LISTENER, "stimulus": 0}
    columns |= {"start_s": WINDOW * 2.88, "block": BLOCK}
    pd.concat([pd.DataFrame({"metric": n, "value": v, **columns}) for n, v in metrics.items()]).to_parquet(place)


@pytest.fixture
def board(tmp_path, cell):
    """Write cells of named encoders with these means and return their records by path."""

    def write(metric: str = "top1", seed: int = 0, **means: float) -> dict[Path, Record]:
        found = {}
        for i, (name, mean) in enumerate(means.items()):
            path = cell(tmp_path, name, seed=seed)
            values = noise(i + 10 * seed, 1)[:, 0] * 0.1 + mean
            segments(tmp_path / "cells" / path.stem / "segments.parquet", **{metric: values})
            found[path] = Record.read(path)
            found[path].verdict = {metric: found[path].verdict["top1"]}
        return found

    return write


def stood(records: dict[Path, Record], metric: str = "top1") -> dict[str, Standing]:
    """Return where encoders stand, by name; all cells of an encoder must stand alike."""
    competitors = [competitor(path, record, identify(record)) for path, record in records.items()]
    found = find_standings(cell for cell in competitors if cell is not None)
    by_name: dict[str, Standing] = {}
    for record in records.values():
        standing = found.get((record.cell.id, metric))
        if standing is not None:
            assert by_name.setdefault(record.cell.encoder, standing) == standing
    return by_name


def test_encoders_are_ranked_by_name_with_their_number(board) -> None:
    found = stood(board(low=0.0, high=1.0))
    assert {name: standing.rank for name, standing in found.items()} == {
        "high": Rank(1, 1, (1,), 2, 8), "low": Rank(2, 2, (2,), 2, 8)
    }  # fmt: skip
    assert found["low"].text == "2-2 of 2, B"


def test_a_metric_in_which_small_is_good_ranks_the_smallest_first(board) -> None:
    found = stood(board("median_rank", low=0.0, high=1.0), "median_rank")
    assert found["low"].text == "1-1 of 2, A"


def test_seeds_of_an_encoder_are_one_competitor(board) -> None:
    # by seed 0 alone A would lead; whichever seeds are drawn, it may or may not
    records = board(a=1.0, b=0.9) | board(seed=1, a=0.0, b=0.9)
    assert {name: standing.text for name, standing in stood(records).items()} == {
        "a": "1-2 of 2, B", "b": "1-2 of 2, A"
    }  # fmt: skip


def test_a_seed_that_was_run_twice_counts_once_by_the_cell_with_more_metrics(board, tmp_path) -> None:
    records = board(a=0.5, b=0.4) | board(seed=1, a=0.1, b=0.4)
    (path, record), *_ = records.items()
    again = path.with_name("again.json")
    part = Record.read(path)
    part.cell.id, part.files["segments"], part.verdict = "again", "cells/again/segments.parquet", {}
    assert record.verdict
    assert stood(records | {again: part}) == stood(records)


def test_baselines_and_ceilings_do_not_compete(board) -> None:
    records = board(net=0.5, floor=0.0, top=1.0)
    _, floor, top = records.values()
    floor.encoder.baseline = top.encoder.ceiling = True
    assert {name: standing.text for name, standing in stood(records).items()} == {"net": "alone"}


def test_every_encoder_is_held_against_the_best_baseline_of_the_same_windows(board) -> None:
    records = board(net=1.3, weak=0.31, floor=0.0, ridge=0.3, elsewhere=0.9, corrected=0.9)
    *_, floor, ridge, elsewhere, corrected = records.values()
    for record in (floor, ridge, elsewhere, corrected):
        record.encoder.baseline = True
        record.target.name = "of its own"  # another target is no other question
    elsewhere.split, corrected.dataset.revision = Split(hash="0" * 64), "corrected"
    found = stood(records)
    assert found["net"].margin.baseline == found["weak"].margin.baseline == "ridge"
    assert found["net"].margin.difference == pytest.approx(1.0, abs=0.15) and found["net"].margin.told
    assert found["weak"].margin.difference == pytest.approx(0.01, abs=0.15) and not found["weak"].margin.told


def test_the_best_of_two_baselines_of_one_name_is_the_one(board) -> None:
    records = board(net=1.3, ridge=0.3, other=0.9)
    _, ridge, other = records.values()
    ridge.encoder.baseline = other.encoder.baseline = True
    other.cell.label = "ridge"  # with other options
    assert stood(records)["net"].margin.difference == pytest.approx(0.4, abs=0.15)


def test_a_margin_says_on_which_side_of_the_baseline_and_whether_they_are_told_apart() -> None:
    assert Margin("ridge", -0.2, 1e-6).text == "0.200 below the best baseline, ridge (p < 0.001)"
    assert Margin("ridge", 0.2, 0.3).text == "0.200 above the best baseline, ridge (p = 0.300, not told apart)"


def test_margins_are_turned_where_small_is_good(board) -> None:
    records = board("median_rank", net=0.1, floor=0.4)
    list(records.values())[1].encoder.baseline = True
    assert stood(records, "median_rank")["net"].margin.difference == pytest.approx(0.3, abs=0.15)


@pytest.mark.parametrize(
    "change",
    [
        lambda record: setattr(record, "split", Split(hash="0" * 64)),
        lambda record: setattr(record.cell, "dataset", "other"),
        lambda record: setattr(record.dataset, "revision", "corrected"),
        lambda record: setattr(record.target, "name", "mel2"),
        lambda record: record.config.update(alignment={"batch_size": 9}),
        lambda record: record.config.update(sampling={"n_steps": 9}),
        lambda record: setattr(record.metric("top1"), "n_pool", 50),
        lambda record: setattr(record.metric("top1"), "version", 2),
    ],
)
def test_encoders_on_unequal_terms_have_no_common_rank(board, change) -> None:
    records = board(a=0.5, b=0.0)
    change(list(records.values())[1])
    assert {standing.text for standing in stood(records).values()} == {"alone"}


def test_optimisers_of_their_own_are_equal_terms(board) -> None:
    records = board(a=0.5, b=0.0)
    list(records.values())[1].config["alignment"] = {"learning_rate": 0.1}
    assert stood(records)["a"].text == "1-1 of 2, A"


def test_an_encoder_without_segments_is_left_out_with_the_reason(board, tmp_path) -> None:
    records = board(a=0.5, b=0.0, c=1.0)
    missing = next(path for path, record in records.items() if record.cell.encoder == "c")
    (tmp_path / "cells" / missing.stem / "segments.parquet").unlink()
    found = stood(records)
    assert found["a"].text == "1-1 of 2, A"
    assert found["c"].text == "not ranked"
    assert found["c"].reason == f"Cell '{missing.stem}' has no per-segment values here"


def write_text(table: pd.DataFrame, place: Path) -> None:
    place.write_text("no parquet")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (write_text, "Segments of cell '.*' cannot be read"),
        (lambda t, place: t.drop(columns="block").to_parquet(place), "Segments of cell '.*' cannot be read"),
        (lambda t, place: t.assign(value="much").to_parquet(place), "Segments of cell '.*' cannot be read"),
        (lambda t, place: t.assign(value=np.inf).to_parquet(place), "has values that are not finite"),
        (lambda t, place: pd.concat([t, t]).to_parquet(place), "has a segment twice"),
    ],
)
def test_segments_that_cannot_be_used_cost_their_own_encoder_alone(board, tmp_path, spoil, reason) -> None:
    records = board(a=0.5, b=0.0, c=1.0)
    bad = next(path for path, record in records.items() if record.cell.encoder == "c")
    place = tmp_path / "cells" / bad.stem / "segments.parquet"
    spoil(pd.read_parquet(place), place)
    found = stood(records)
    assert found["a"].text == "1-1 of 2, A"
    assert re.search(reason, found["c"].reason)


def test_segments_are_read_at_the_cells_own_place_only(board) -> None:
    records = board(a=0.5, b=0.0)
    next(iter(records.values())).files["segments"] = "cells/../elsewhere/segments.parquet"
    assert stood(records)["a"].reason.endswith("has no per-segment values here")


def test_encoders_without_a_common_segment_have_no_rank(board, tmp_path) -> None:
    records = board(a=0.5, b=0.0)
    segments(tmp_path / "cells" / next(iter(records)).stem / "segments.parquet", mrr=noise(0, 1)[:, 0])
    assert stood(records)["b"].reason == "No segment with 'top1' is common to the encoders"


def test_a_seed_that_was_scored_otherwise_costs_the_rank(board) -> None:
    records = board(a=0.5, b=0.0) | board(seed=1, a=0.5)
    list(records.values())[2].metric("top1").version = 2
    found = stood(records)
    assert found["a"].reason == "Its seeds were not measured alike in 'top1'"
    assert found["b"].text == "alone"


def test_ties_for_lack_of_units_are_said_to_be_so() -> None:
    assert Rank(1, 1, (1,), 3, 2).blind and not Rank(1, 1, (1,), 3, 3).blind
    limit = Standing(COMPETITION, Rank(1, 1, (1,), 3, 2)).limit
    assert limit == "2 listeners or blocks of audio are too few to tell 3 encoders apart"
    assert Standing(COMPETITION, Rank(1, 1, (1,), 3, 8)).limit == ""


def test_groups_are_letters() -> None:
    assert Rank(1, 1, (1, 26, 27, 53), 9, 9).letters == "A Z AA BA"


def test_those_that_share_a_letter_of_one_competition_tie() -> None:
    a, b, c = (Standing(COMPETITION, Rank(1, 1, groups, 3, 8)) for groups in ((1,), (1, 2), (2,)))
    assert a.ties(b) and b.ties(c) and not a.ties(c)
    assert not a.ties(Standing(COMPETITION._replace(target="clap"), a.rank)) and not a.ties(None)


def test_a_data_set_is_called_by_its_name_and_its_revisions_are_told_apart() -> None:
    found = [("bids", "1f3a5c7e9b2d4f60"), ("bids", "1f3a5c7ed41cb002"), ("dtu", "v1")]
    assert list(dataset_titles(found).values()) == ["bids (9b2d4f60)", "bids (d41cb002)", "dtu"]


def test_revisions_that_end_alike_are_written_in_full() -> None:
    found = [("bids", "2025-release"), ("bids", "2026-release")]
    assert list(dataset_titles(found).values()) == ["bids (2025-release)", "bids (2026-release)"]

"""Encoder against encoder: pairs of segments, what is said of them, and what cannot be paired."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from eeg2speech_bench.core.errors import DataError, StorageError, UnknownNameError, UsageError
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.leaderboard.comparison import choose, configure_compare, picture, run_compare
from eeg2speech_bench.leaderboard.standings.differences import Difference, compare
from eeg2speech_bench.leaderboard.tables.pooled import Effect, pool_effects, standard_error

N_LISTENERS, N_WINDOWS = 8, 20
LISTENER, WINDOW = (a.ravel() for a in np.indices((N_LISTENERS, N_WINDOWS)))
NAMES = np.array([f"{i:02d}" for i in range(N_LISTENERS)])
LABELS = {"top1": "top-1", "top10": "top-10", "mrr": "MRR", "median_rank": "median rank"}
BASE = np.random.default_rng(0).integers(0, 2, len(LISTENER)).astype(float)


@pytest.fixture
def write(tmp_path, cell):
    """Write a valid cell whose top-1 and median rank have these values, shape (n_listeners * n_windows,)."""

    def write(encoder: str, values: np.ndarray, *, metrics=("top1",), start_s: float = 0.0, **options) -> Path:
        path = cell(tmp_path, encoder, **options)
        record = Record.read(path)
        columns = {"condition": "eeg", "subject": NAMES[LISTENER], "recording": LISTENER, "stimulus": 3}
        columns |= {"start_s": start_s + WINDOW * 3.0, "block": WINDOW // 5, "value": values}
        table = pd.concat([pd.DataFrame({"metric": name, **columns}) for name in metrics])
        table.to_parquet(tmp_path / record.files["segments"])
        means = {name: float(values[NAMES[LISTENER] == name].mean()) for name in NAMES}
        mean = float(np.mean(list(means.values())))
        numbers = {"value": mean, "low": mean, "high": mean, "n": len(values), "per_subject": means}
        direction = {name: name != "median_rank" for name in metrics}
        first = record.metrics[0]
        numbers |= {"lowest": None, "highest": None}
        record.metrics = [
            first.model_copy(update=numbers | {"name": n, "label": LABELS[n], "higher_is_better": up})
            for n, up in direction.items()
        ]
        record.tests, record.verdict, record.dataset.n_subjects = [], {}, N_LISTENERS
        return RecordStore(tmp_path).write(record)

    return write


@pytest.fixture
def found(tmp_path):
    return lambda *names: compare(*choose(tmp_path, names)[0])


@pytest.fixture
def verb_compare(verb, tmp_path):
    return lambda *words: verb(configure_compare, run_compare, *words, "--results", str(tmp_path))


def test_a_difference_that_all_listeners_share_is_reported_in_every_number(write, found) -> None:
    gain = np.where(LISTENER == 0, 0.1, 0.3)
    write("a", 0.5 * BASE + gain)
    write("b", 0.5 * BASE)
    (top1,) = found("a", "b")
    assert top1.effect == pytest.approx((0.1 + 7 * 0.3) / 8)
    assert top1.mean_a - top1.mean_b == pytest.approx(top1.effect)
    assert top1.per_listener["00"] == pytest.approx(0.1) and top1.per_listener["07"] == pytest.approx(0.3)
    assert top1.n_better == 8 and top1.n_segments == 160
    assert 0.1 <= top1.low < top1.effect < top1.high <= 0.3 + 1e-12
    # dz: mean 0.275 over the standard deviation of one 0.1 and seven 0.3, 0.0707
    assert top1.dz == pytest.approx(0.275 / (0.2 / 8**0.5), rel=1e-6)


def test_p_is_that_of_min_f_over_listeners_and_blocks(write, found) -> None:
    difference = 0.1 * np.random.default_rng(3).standard_normal(160) + 0.05
    write("a", 0.5 * BASE + difference)
    write("b", 0.5 * BASE)
    by_unit = (means(difference, LISTENER), means(difference, WINDOW // 5))
    f = [(len(m) - 1, len(m) * m.mean() ** 2 / m.var(ddof=1)) for m in by_unit]
    min_f = 1 / sum(1 / value for _, value in f)
    freedom = sum(value for _, value in f) ** 2 / (f[0][1] ** 2 / f[1][0] + f[1][1] ** 2 / f[0][0])
    assert found("a", "b")[0].p == pytest.approx(stats.f.sf(min_f, 1, freedom))


def means(values: np.ndarray, unit: np.ndarray) -> np.ndarray:
    return np.array([values[unit == u].mean() for u in np.unique(unit)])


def test_the_order_of_the_two_turns_the_sign_and_nothing_else(write, found) -> None:
    write("a", np.random.default_rng(1).random(160))
    write("b", np.random.default_rng(2).random(160))
    one, other = found("a", "b")[0], found("b", "a")[0]
    assert (one.effect, one.dz, one.p) == (-other.effect, -other.dz, other.p)
    assert one.n_better + other.n_better == 8


def test_holm_is_over_the_metrics_shown(write, found) -> None:
    noise = 0.1 * np.random.default_rng(3).standard_normal(160)
    write("a", 0.5 * BASE + noise, metrics=("top1", "top10", "mrr"))
    write("b", 0.5 * BASE, metrics=("top1", "top10", "mrr"))
    assert [(d.metric, d.p_holm) for d in found("a", "b")] == [
        (name, pytest.approx(min(1, 2 * found("a", "b")[0].p))) for name in ("top1", "top10")
    ]


def test_a_small_rank_is_the_better_one(write, tmp_path) -> None:
    write("a", 0.1 + 0.1 * BASE, metrics=("median_rank",))
    write("b", 0.3 + 0.1 * BASE, metrics=("median_rank",))
    (difference,) = compare(*choose(tmp_path, ["a", "b"])[0], ("median_rank",))
    assert difference.effect == pytest.approx(-0.2) and difference.n_better == 8


def test_seeds_are_averaged_segment_by_segment(write, found) -> None:
    write("a", BASE, seed=0)
    write("a", 1 - BASE, seed=1)
    write("b", np.full(160, 0.25))
    (top1,) = found("a", "b")
    # the mean of the two seeds is 0.5 for every segment, so that nothing is left to vary
    assert top1.effect == pytest.approx(0.25) and top1.low == pytest.approx(top1.high)


def test_a_cell_is_named_by_its_id_where_only_that_seed_is_meant(write, tmp_path) -> None:
    write("a", BASE, seed=0)
    one = write("a", 1 - BASE, seed=1).stem
    write("b", BASE)
    (group,) = choose(tmp_path, [one, "b"])
    assert [[cell.record.cell.seed for cell in cells] for cells in group] == [[1], [0]]


def test_the_verb_prints_both_tables_and_draws_a_dot_per_listener(write, verb_compare, tmp_path, capsys) -> None:
    write("a", 0.5 * BASE + 0.3)
    write("b", 0.5 * BASE)
    drawn = tmp_path / "deltas.svg"
    assert verb_compare("a", "b", "--format", "markdown", "--picture", str(drawn)) == 0
    out = capsys.readouterr().out
    assert "| +0.300 [+0.300, +0.300] | &lt; 0.0001 | &lt; 0.0001 | - | 8 of 8 | 160 |" in out
    assert "| 07 | +0.300 |" in out
    tree = ET.parse(drawn).getroot()
    assert len(tree.findall(".//{*}circle")) == 8 + 1
    assert "top-1: a against b on simulated" in "".join(tree.itertext())


def test_a_name_cannot_put_markup_into_the_picture() -> None:
    difference = Difference("m", "m", 1.0, 0.0, 1.0, 0.5, 1.5, 0.1, 0.1, None, 2, 2, {"<script>": 1.0, '"&': 1.0})
    drawn = picture(["<b>a</b>"], [difference])
    assert {element.tag.partition("}")[2] for element in ET.fromstring(drawn).iter()} <= {
        "svg", "style", "g", "text", "path", "circle", "title"
    }  # fmt: skip
    assert "&lt;script&gt;" in drawn


def test_metrics_of_two_versions_cannot_be_paired(write, spoil, verb_compare) -> None:
    write("a", BASE)
    spoil(write("b", BASE), "metrics.0.version", 2)
    with pytest.raises(DataError, match=r"'top1' was not measured alike: got version 1 in a pool of 10, version 2 in"):
        verb_compare("a", "b")


def test_other_splits_cannot_be_paired(write, verb_compare) -> None:
    write("a", BASE)
    write("b", BASE, split="0" * 64)
    with pytest.raises(DataError, match=r"same windows.*'a': simulated quick 5c5c.*'b': .*000000.*Run both with"):
        verb_compare("a", "b")


def test_other_data_of_one_name_cannot_be_paired(write, spoil, verb_compare) -> None:
    write("a", BASE)
    spoil(write("b", BASE), "dataset.revision", "corrected")
    with pytest.raises(DataError, match=r"same windows.*of revision r1; 'b': .*of revision corrected\. Run both with"):
        verb_compare("a", "b")


def test_two_revisions_of_the_data_are_two_comparisons(write, spoil, verb_compare, capsys) -> None:
    for seed, revision in enumerate(("r1", "corrected")):
        for name, values in (("a", 0.5 * BASE + 0.3), ("b", 0.5 * BASE)):
            spoil(write(name, values, seed=seed), "dataset.revision", revision)
    verb_compare("a", "b", "--format", "markdown")
    out = capsys.readouterr().out
    assert "a against b on simulated (r1), preset quick" in out
    assert "a against b on simulated (corrected), preset quick" in out


def test_a_missing_file_of_segments_is_named(write, verb_compare, tmp_path) -> None:
    write("a", BASE)
    path = write("b", BASE)
    (tmp_path / "cells" / path.stem / "segments.parquet").unlink()
    with pytest.raises(StorageError, match=r"records/b__.*segments.parquet is missing.*Run those cells again"):
        verb_compare("a", "b")


def test_encoders_without_a_common_segment_cannot_be_paired(write, verb_compare) -> None:
    write("a", BASE)
    write("b", BASE, start_s=1.0)
    with pytest.raises(DataError, match=r"no segment in common: got 160 and 160 values\. Run both again"):
        verb_compare("a", "b")


def test_segments_without_labels_are_refused_with_the_cell(cell, write, verb_compare, tmp_path) -> None:
    write("a", BASE)
    cell(tmp_path, "b")
    with pytest.raises(StorageError, match=r"Segments of cell 'b__.*cannot be read.*run that cell again"):
        verb_compare("a", "b")


@pytest.mark.parametrize(
    ("names", "error", "says"),
    [
        (["a", "c"], UnknownNameError, r"Unknown encoder or cell: got 'c', expected one of: a, b, ended.*leaderboard"),
        (["a", "a"], UsageError, "compared with itself"),
        (["a", "ended"], DataError, "No run of 'ended' has finished: got failed"),
        (["a", "b", "--metric", "wer"], DataError, "No metric to compare: got wer, expected some of: top1"),
        (["a", "b", "--picture", "x.png"], UsageError, r"got x.png, expected a name that ends with .svg"),
    ],
)
def test_what_cannot_be_compared_is_said(cell, write, verb_compare, tmp_path, names, error, says) -> None:
    write("a", BASE)
    write("b", BASE)
    cell(tmp_path, "ended", status="failed")
    with pytest.raises(error, match=says):
        verb_compare(*names)


def test_two_configurations_of_one_encoder_have_no_mean(write, spoil, verb_compare) -> None:
    write("a", BASE)
    spoil(write("a", BASE, seed=1), "encoder.source_hash", "b2")
    write("b", BASE)
    with pytest.raises(UsageError, match=r"'a' names runs that differ in more than the seed: got a__.*Type one of"):
        verb_compare("a", "b")


@pytest.fixture
def three_data_sets(write, spoil):
    """A is 0.3, 0.1 and 0.2 better than B, with the same spread over listeners."""

    def write_all() -> None:
        spread = 0.02 * np.where(LISTENER % 2, 1, -1)
        for seed, (name, gain) in enumerate((("one", 0.3), ("two", 0.1), ("three", 0.2))):
            spoil(write("a", 0.4 * BASE + 0.2 + gain + spread, seed=seed), "cell.dataset", name)
            spoil(write("b", 0.4 * BASE + 0.2, seed=seed), "cell.dataset", name)

    return write_all


def test_over_three_data_sets_the_differences_are_pooled(three_data_sets, verb_compare, capsys) -> None:
    three_data_sets()
    assert verb_compare("a", "b", "--format", "csv") == 0
    tables = [list(csv.reader(part.splitlines())) for part in capsys.readouterr().out.split("\n\n") if part]
    (head, row) = tables[-1]
    pooled = ["pooled A - B [95 %]", "next data set [95 %]", "tau", "I2", "Q (df)"]
    assert head == ["metric", "one", "three", "two", *pooled]
    assert [cell[:6] for cell in row[1:5]] == ["+0.300", "+0.200", "+0.100", "+0.200"]
    # equal errors e: Q = 0.02 / e^2, tau2 = 0.01 - e^2, I2 = 1 - e^2 / 0.01
    error = (float(row[1][16:22]) - float(row[1][8:14])) / 3.92
    assert float(row[6]) == pytest.approx((0.01 - error**2) ** 0.5, abs=1e-3)
    assert row[7] == f"{100 - 100 * error**2 / 0.01:.0f} %"


def test_data_sets_without_signal_are_no_sample_of_others(
    three_data_sets, verb_compare, spoil, tmp_path, capsys
) -> None:
    three_data_sets()
    for path in tmp_path.glob("records/*seed2*.json"):
        spoil(path, "dataset.is_null", True)
    verb_compare("a", "b")
    said = capsys.readouterr().out
    assert "top-1 is not pooled: 2 data sets say too little of the spread between data sets." in said


def test_one_data_set_is_not_pooled(write, verb_compare, capsys) -> None:
    write("a", 0.5 * BASE + 0.3)
    write("b", 0.5 * BASE)
    verb_compare("a", "b")
    assert "over data sets" not in capsys.readouterr().out


def test_pools_of_other_sizes_are_named_where_differences_are_pooled(
    three_data_sets, verb_compare, spoil, tmp_path, capsys
) -> None:
    three_data_sets()
    for path in tmp_path.glob("records/*seed1*.json"):
        spoil(path, "metrics.0.n_pool", 40)
    verb_compare("a", "b")
    assert "top-1: the data sets have pools of 10, 40 candidates." in capsys.readouterr().out


def test_a_data_set_with_two_splits_is_not_three_data_sets() -> None:
    twice = [Effect("one", 0.1, 0.1), Effect("two", 0.1, 0.1), Effect("one", 0.3, 0.1)]
    assert pool_effects(twice) == "tested in two ways on one"


def test_differences_without_sampling_error_are_not_pooled() -> None:
    assert "finite errors above 0" in pool_effects([Effect(name, 0.1, 0.0) for name in ("one", "two", "three")])


def test_a_bootstrap_interval_has_the_error_that_a_normal_one_would_have() -> None:
    assert standard_error(-1.959964, 1.959964) == pytest.approx(1, rel=1e-6)
    assert standard_error(0.0, 2 * 1.644854, 0.9) == pytest.approx(1, rel=1e-6)


def test_each_file_of_segments_is_opened_once(write, found, monkeypatch):
    import pyarrow.parquet

    write("a", BASE)
    write("b", 1 - BASE)
    real, opened = pyarrow.parquet.ParquetFile, []

    def open_file(path, *arguments, **options):
        opened.append(Path(path).parent.name.partition("__")[0])
        return real(path, *arguments, **options)

    monkeypatch.setattr(pyarrow.parquet, "ParquetFile", open_file)
    monkeypatch.setattr(pd, "read_parquet", lambda path, **options: pytest.fail(f"{path} was opened again"))
    found("a", "b")
    assert sorted(opened) == ["a", "b"]

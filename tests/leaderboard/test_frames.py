"""Records of a results folder as tables for a notebook."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from eeg2speech_bench.core.errors import StorageError, UsageError
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.leaderboard import Results, read_results
from eeg2speech_bench.leaderboard.frames import _RANKS

COST = {"seconds": 2.5, "peak_memory_mb": 100.0, "energy_wh": None, "reused": True, "name": "align"}
FLOOR = {"name": "fad", "version": 1, "condition": "eeg", "value": 3.0, "n": 5, "floor": 1.5, "label": "FAD"}
FLOOR |= {"unit": "", "higher_is_better": False}


@pytest.fixture
def results(tmp_path, cell) -> Results:
    """Two encoders, and a third that failed."""
    for name, options in (("net", {}), ("other", {"shift": 0.1}), ("poor", {"status": "failed"})):
        cell(tmp_path, name, **options)
    return read_results(tmp_path)


def test_the_records_are_a_sequence_in_the_order_of_their_files(results):
    assert [record.cell.encoder for record in results] == ["net", "other"]
    assert len(results) == 2
    assert results[-1].cell.encoder == "other"


def test_a_slice_is_a_list_of_records(results):
    assert results[:1] == [results[0]]
    assert results[::-1] == [results[1], results[0]]


def test_a_place_that_is_not_there_is_an_index_error(results):
    with pytest.raises(IndexError):
        _ = results[2]


@pytest.mark.parametrize(
    ("status", "encoders"),
    [("done", ["net", "other"]), ("failed", ["poor"]), ("interrupted", []), ("all", ["net", "other", "poor"])],
)
def test_records_are_chosen_by_their_status(results, status, encoders):
    chosen = read_results(results.folder, status=status)
    assert [record.cell.encoder for record in chosen] == encoders


def test_a_status_that_is_none_is_refused(results):
    with pytest.raises(UsageError, match="status"):
        read_results(results.folder, status="dnoe")


def test_a_folder_without_records_is_refused_with_what_to_give(tmp_path):
    with pytest.raises(UsageError, match=r"has no records.*--results"):
        read_results(tmp_path)


def test_files_that_are_no_records_are_refused_one_by_one(results):
    bad = results.folder / "records" / "broken.json"
    bad.write_text("{")
    again = read_results(results.folder)
    assert list(again.refused) == [bad]
    assert again.refused[bad]
    assert len(again) == 2
    assert repr(again).endswith("2 records, 1 refused)")


def test_scores_have_one_row_per_cell_metric_and_condition(results):
    assert len(results.scores) == 2 * 3
    row = results.scores.query("encoder == 'net' and metric == 'top1' and condition == 'eeg'").iloc[0]
    entry = next(one for one in results[0].metrics if (one.name, one.condition) == ("top1", "eeg"))
    shown = ["value", "low", "high", "chance", "n", "n_pool", "label", "higher_is_better"]
    assert [row[name] for name in shown] == [entry.value, entry.low, entry.high, 0.1, 5, 10, "top-1", True]
    assert (row["cell"], row["dataset"], row["revision"], row["preset"], row["seed"]) == (
        results[0].cell.id,
        "simulated",
        "r1",
        "quick",
        0,
    )


def test_a_metric_of_all_clips_has_its_floor_as_chance_and_no_interval(results, spoil):
    spoil(next(iter(results._records)), "sets", [FLOOR])
    again = read_results(results.folder)
    assert again.refused == {}
    scores = again.scores
    row = scores[scores["metric"] == "fad"].iloc[0]
    assert (row["value"], row["chance"], row["label"]) == (3.0, 1.5, "FAD")
    assert pd.isna(row["low"])


def test_stages_have_one_row_per_cell_and_stage(results, spoil):
    spoil(next(iter(results._records)), "provenance.stages", [{**COST, "key": "a1"}])
    stages = read_results(results.folder).stages
    assert stages[["encoder", "stage", "seconds", "reused"]].values.tolist() == [["net", "align", 2.5, True]]


def test_segments_are_those_of_one_metric_under_every_condition(results):
    segments = results.segments("top1")
    assert set(segments["condition"]) == {"eeg", "shuffle"}
    assert set(segments["encoder"]) == {"net", "other"}
    assert len(segments) == 2 * 2 * 5


def test_the_segments_of_a_metric_have_the_score_as_the_mean_of_its_listeners(results):
    segments = results.segments("top1").query("encoder == 'net' and condition == 'eeg'")
    mean = segments.groupby("subject")["value"].mean().mean()
    assert mean == pytest.approx(results.scores.query("encoder == 'net' and metric == 'top1'")["value"].iloc[0])


def test_segments_of_a_metric_that_no_cell_has_are_refused_with_those_there_are(results):
    with pytest.raises(UsageError, match=r"'top2'.*expected median_rank, top1"):
        results.segments("top2")


def test_segments_that_were_removed_are_refused_with_their_file(results):
    (results.folder / results[0].files["segments"]).unlink()
    with pytest.raises(StorageError, match=r"segments\.parquet is missing.*whole folder"):
        results.segments("top1")


def test_ranks_have_one_row_per_cell_that_competes(results):
    ranks = results.ranks()
    assert list(ranks["encoder"]) == ["net", "other"]
    assert list(ranks.columns) == _RANKS
    assert bool((ranks["rank_low"].notna() | ranks["reason"].ne("")).all())


def test_ranks_by_a_metric_that_no_cell_has_are_refused(results):
    with pytest.raises(UsageError, match=r"'top2'.*expected median_rank, top1"):
        results.ranks("top2")


def located(results: Results, encoder: str, values: np.ndarray) -> None:
    """Give a cell segments with a place, shape (2 listeners * 6 windows,)."""
    (record,) = [one for one in results if one.cell.encoder == encoder]
    subject, window = (axis.ravel() for axis in np.indices((2, 6)))
    columns = {"subject": np.array(["01", "02"])[subject], "recording": subject, "stimulus": window // 3}
    columns |= {"start_s": window * 3.0, "block": window, "value": values, "metric": "top1", "condition": "eeg"}
    pd.DataFrame(columns).to_parquet(results.folder / record.files["segments"])
    means = {"01": float(values[:6].mean()), "02": float(values[6:].mean())}
    mean = float(values.mean())
    numbers = {"value": mean, "low": mean, "high": mean, "n": 12, "per_subject": means}
    record.metrics = [record.metrics[0].model_copy(update=numbers)]
    record.tests, record.verdict = [], {}
    RecordStore(results.folder).write(record)


def test_comparing_two_encoders_gives_the_difference_of_their_means(results):
    low = np.tile([0.0, 1.0, 0.0, 0.0, 1.0, 0.0], 2)
    located(results, "net", np.maximum(low, np.tile([1.0, 0.0, 0.0, 0.0, 0.0, 0.0], 2)))
    located(results, "other", low)
    (row,) = results.compare("net", "other", ["top1"]).to_dict("records")
    assert row["effect"] == pytest.approx(1 / 6)
    assert (row["a"], row["b"], row["dataset"], row["preset"]) == ("net", "other", "simulated", "quick")
    assert row["n_listeners"] == 2


def test_comparing_a_name_that_is_not_there_is_refused(results):
    with pytest.raises(UsageError, match="nothing"):
        results.compare("net", "nothing")


def test_comparing_an_encoder_with_itself_is_refused(results):
    with pytest.raises(UsageError, match="with itself"):
        results.compare("net", "net")


def test_a_folder_of_failures_gives_empty_tables_with_their_columns(results):
    failed = read_results(results.folder, status="interrupted")
    for table in (failed.scores, failed.stages):
        assert table.empty
        assert {"cell", "encoder", "seed"} <= set(table.columns)


def test_a_path_may_be_text_and_begin_with_the_home_folder(results, monkeypatch):
    monkeypatch.setenv("HOME", str(results.folder.parent))
    assert len(read_results(f"~/{results.folder.name}")) == 2


def test_records_are_those_on_disk(results):
    path, record = next(iter(results._records.items()))
    assert Record.read(path) == record


def test_tables_are_made_without_torch(results):
    script = (
        "import sys; from eeg2speech_bench.leaderboard import read_results\n"
        f"made = read_results({str(results.folder)!r}); made.scores; made.stages; made.ranks(); made.segments('top1')\n"
        "print('LOADED', [m for m in ('torch', 'mne', 'lightning') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"

"""Known and new listeners: their table, their ranks, and records of which one group was tampered with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.leaderboard.page.folder import build
from eeg2speech_bench.leaderboard.results.validation import foreign_files, validate_record
from eeg2speech_bench.leaderboard.tables.listeners import listener_scores, listeners_table

LISTENERS = {"known": ["01", "02", "03"], "new": ["04", "05", "06"], "calibrated": ["04", "05", "06"]}
N_BLOCKS = 8


def values_of(group: str, level: float) -> pd.DataFrame:
    """A value per listener and block that differs little from a level, as a cell's segments have it."""
    listener, block = (a.ravel() for a in np.indices((3, N_BLOCKS)))
    names = np.asarray(LISTENERS[group])[listener]
    place = {"recording": listener, "stimulus": 0, "start_s": 15.0 * block, "block": block}
    value = level + 0.01 * np.cos(listener + 2 * block)
    return pd.DataFrame({"metric": "top1", "condition": "eeg", "subject": names, **place, "value": value})


def scores_of(table: pd.DataFrame) -> dict:
    own = table.groupby("subject")["value"].mean().to_dict()
    value = float(np.mean(list(own.values())))
    entry = {"name": "top1", "label": "top-1", "version": 1, "condition": "eeg", "value": value, "n": len(table)}
    entry |= {"low": value - 0.1, "high": value + 0.1, "confidence": 0.95, "unit": "", "higher_is_better": True}
    test = {"metric": "top1", "control": "shuffle", "p": 0.01, "effect": 0.5, "dz": None, "n_units": 4, "exact": True}
    verdict = {"distinguishable": True, "p": 0.01, "hardest_control": "shuffle", "alpha": 0.05}
    metric = entry | {"n_pool": 10, "chance": 0.1, "per_subject": own}
    return {"metrics": [metric], "tests": [test], "verdict": {"top1": verdict}}


@pytest.fixture
def held_out(cell):
    """Return a function that writes a cell with scores of groups of listeners."""

    def write(results: Path, encoder: str, **levels: float) -> Path:
        path = cell(results, encoder)
        shutil.rmtree(results / "cells" / path.stem / "audio")
        tree, folder = json.loads(path.read_text()), results / "cells" / path.stem
        tree["files"], tree["groups"], tree["dataset"]["n_subjects"] = {}, {}, 6
        tree["training"] = {"calibrate": {"method": "nearest known listener"}}
        for group, level in levels.items():
            table, name = values_of(group, level), "segments" if group == "new" else f"segments-{group}"
            table.to_parquet(folder / f"{name}.parquet")
            tree["files"][name] = f"cells/{path.stem}/{name}.parquet"
            if group == "new":
                tree |= scores_of(table)
            else:
                tree["groups"][group] = scores_of(table)
        path.write_text(json.dumps(tree))
        return path

    return write


def table_of(*paths: Path):
    table = listeners_table(filter(None, (listener_scores(path, Record.read(path)) for path in paths)))
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}


def test_a_row_shows_each_group_and_what_changes(held_out, tmp_path):
    row = table_of(held_out(tmp_path, "net", known=0.6, new=0.3, calibrated=0.4))["net"]
    assert row["top-1, known"].startswith("0.60")
    assert row["new - known"] == "-0.300"
    assert row["calibrated - new"].startswith("+0.100 [+0.100, +0.100]")
    assert row["retrieval, calibrated"] == "signal, p = 0.010"


def test_ranks_are_those_within_a_group(held_out, tmp_path):
    first = held_out(tmp_path, "first", known=0.6, new=0.3, calibrated=0.3)
    second = held_out(tmp_path, "second", known=0.5, new=0.4, calibrated=0.2)
    rows = table_of(first, second)
    ranks = {name: [row[f"rank, {group}"] for group in LISTENERS] for name, row in rows.items()}
    assert ranks["first"] == ["1-1 of 2, A", "2-2 of 2, B (+1.0)", "1-1 of 2, A (+0.0)"]
    assert ranks["second"] == ["2-2 of 2, B", "1-1 of 2, A (-1.0)", "2-2 of 2, B (+0.0)"]


def test_an_encoder_that_does_not_read_who_listens_is_ranked_among_the_calibrated_as_it_is(held_out, tmp_path):
    blind = held_out(tmp_path, "blind", known=0.4, new=0.4)
    rows = table_of(blind, held_out(tmp_path, "net", known=0.6, new=0.3, calibrated=0.5))
    assert rows["blind"]["top-1, calibrated"] == "as new"
    assert rows["blind"]["rank, calibrated"] == "2-2 of 2, B (+0.0)"


def test_a_board_without_held_out_listeners_has_no_such_table(cell, tmp_path):
    path = cell(tmp_path)
    assert listener_scores(path, Record.read(path)) is None
    assert listeners_table([]) is None


def test_the_page_shows_the_same_table(held_out, tmp_path):
    held_out(tmp_path / "results", "net", known=0.6, new=0.3, calibrated=0.4)
    index = build([tmp_path / "results"], tmp_path / "board").index.read_text()
    assert "<h2>Known and new listeners</h2>" in index
    assert "<td>-0.300</td>" in index


def test_a_whole_record_with_groups_passes(held_out, tmp_path):
    path = held_out(tmp_path, "net", known=0.6, new=0.3, calibrated=0.4)
    assert validate_record(path).groups.keys() == {"known", "calibrated"}
    assert foreign_files(tmp_path) == []


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("groups.known.metrics.0.value", 0.65, "does not agree with its segments"),
        ("groups.calibrated.verdict.top1.p", 0.001, "calibrated listeners: the verdict on top1"),
        ("files.segments-known", "cells/other/segments-known.parquet", "not the record's own"),
        ("files", {"segments": "cells/net__simulated__quick__seed0__0/segments.parquet"}, "without per-segment values"),
        ("groups.everybody", {"metrics": [], "tests": [], "verdict": {}}, "groups.everybody"),
    ],
)
def test_a_group_that_was_tampered_with_is_refused(held_out, tmp_path, spoil, place, value, said):
    path = held_out(tmp_path, "net", known=0.6, new=0.3, calibrated=0.4)
    spoil(path, place, value)
    with pytest.raises(StorageError, match=said):
        validate_record(path)

"""Bad records cost themselves: refused with the reason, and the rest of the board is built."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from eeg2speech_bench.core.cli import main
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.leaderboard.page.folder import build


def spoil(results: Path, record: Record, kind: str) -> None:
    """Make a record a bad one."""
    path = RecordStore(results).path(record.cell.id)
    tree = json.loads(path.read_text())
    changes: dict[str, Any] = {
        "future": {"schema": 99},
        "renamed": {"cell": tree["cell"] | {"id": "other"}},
        "above": {"files": tree["files"] | {"audio": "../../secret"}},
        "absolute": {"files": {"segments": "/etc/passwd"}},
        "range": {"metrics": [tree["metrics"][0] | {"value": 7.0, "high": 8.0}]},
        "nan": {"metrics": [tree["metrics"][0] | {"value": float("nan")}]},
        "types": {"metrics": [tree["metrics"][0] | {"per_subject": 5}]},
        "extra": {"surprise": 1},
        "name": {"cell": tree["cell"] | {"encoder": "a\u202eb"}},
        "keyless": {"cell": {"id": tree["cell"]["id"]}},
    }
    path.write_text(json.dumps(tree | changes[kind]) if kind in changes else {"truncated": "{", "foreign": "[1]"}[kind])


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("truncated", "cannot be read"),
        ("foreign", "unknown schema: got list"),
        ("future", "unknown schema: got 99"),
        ("nan", "NaN is not a number of JSON"),
        ("renamed", "is of another cell: got 'other'"),
        ("above", "outside its results folder"),
        ("absolute", "outside its results folder"),
        ("range", "is no value of top1, which goes from 0 to 1"),
        ("types", "per_subject: Input should be"),
        ("extra", "surprise: Extra inputs are not permitted"),
        ("name", "unprintable"),
        ("keyless", "cell.encoder: Field required"),
    ],
)
def test_a_bad_record_is_refused_with_the_reason_and_the_rest_is_built(tmp_path, write, board, capsys, kind, reason):
    write(tmp_path, "good")
    spoil(tmp_path, write(tmp_path, "bad"), kind)
    assert main(["leaderboard", "build", "--results", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert re.search(rf"refused: .*bad__data.*{reason}", capsys.readouterr().err)
    assert [row["e"] for row in board(tmp_path / "out")["rows"]] == ["good"]
    assert reason.replace("'", "&#39;") in (tmp_path / "out" / "index.html").read_text()
    assert len(list((tmp_path / "out" / "records").iterdir())) == 1


@pytest.mark.parametrize("relative", [False, True])
def test_the_board_does_not_say_where_on_the_builders_machine_the_records_were(
    tmp_path, write, board, monkeypatch, relative
):
    results = tmp_path / "mine" / "results"
    write(results, "good")
    spoil(results, write(results, "bad"), "truncated")
    write(tmp_path / "other", "good", provenance={"finished": "2026-01-02"})
    monkeypatch.chdir(tmp_path / "mine")
    report = build([Path("results") if relative else results, tmp_path / "other"], tmp_path / "out")
    assert {refused.path.name for refused in report.refused} == {
        "bad__data__quick__seed0.json",
        "good__data__quick__seed0.json",
    }
    left_out = {one["file"]: one["reason"] for one in board(tmp_path / "out")["left_out"]}
    assert left_out["records/good__data__quick__seed0.json"] == "A later record of this cell is in folder 'other'."
    assert left_out["records/bad__data__quick__seed0.json"].startswith(
        "Record records/bad__data__quick__seed0.json cannot be read"
    )
    assert str(tmp_path) not in report.index.read_text() + json.dumps(left_out)


def test_a_record_that_is_a_link_is_refused(tmp_path, write):
    write(tmp_path, "good")
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    (tmp_path / "records" / "link.json").symlink_to(secret)
    (refused,) = build([tmp_path], tmp_path / "out").refused
    assert "no regular file" in refused.reason


def test_a_clip_that_is_a_link_out_of_the_folder_is_not_copied(tmp_path, write, write_audio):
    record = write(tmp_path / "results")
    write_audio(tmp_path / "results", record)
    clip = tmp_path / "results" / record.files["audio"] / "eeg" / "clip_000.flac"
    secret = tmp_path / "secret.flac"
    clip.rename(secret)
    clip.symlink_to(secret)
    report = build([tmp_path / "results"], tmp_path / "out")
    assert "outside its results folder" in report.refused[0].reason
    assert report.n_cells == 0


def test_of_a_cell_in_two_folders_the_later_record_counts_and_the_other_is_named(tmp_path, write, board):
    write(tmp_path / "a", top1=0.2, provenance={"finished": "2026-01-01"})
    write(tmp_path / "b", top1=0.7, provenance={"finished": "2026-01-02"})
    report = build([tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert board(tmp_path / "out")["rows"][0]["m0"] == 0.7
    assert "A later record of this cell" in report.refused[0].reason

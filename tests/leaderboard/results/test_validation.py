"""Records from anywhere: good ones pass, each way to be bad is refused with its reason, alone."""

from __future__ import annotations

import json
import os

import pandas as pd
import pytest

from eeg2speech_bench.core.errors import StorageError, UsageError
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.leaderboard.results import aggregates as agreement
from eeg2speech_bench.leaderboard.results.validation import (
    cell_of,
    configure_validate,
    foreign_files,
    read_results,
    run_validate,
    validate_record,
)


@pytest.fixture
def path(tmp_path, cell):
    return cell(tmp_path)


@pytest.fixture
def validate(verb):
    return lambda *arguments: verb(configure_validate, run_validate, *arguments)


def test_a_whole_record_passes_and_reads_as_it_is(path):
    assert validate_record(path) == Record.read(path)


def test_a_failed_cell_is_a_record_and_its_coloured_message_may_stay(tmp_path, cell):
    assert validate_record(cell(tmp_path, status="failed")).error.message == "\x1b[31mno\x1b[0m"


WRONG = [
    ("metrics.0.value", "0.5", r"metrics\.0\.value: Input should be a valid number and not '0\.5'"),
    ("metrics.0.n", True, r"metrics\.0\.n: Input should be a valid integer and not True"),
    ("metrics.0.n", 0, "greater than or equal to 1"),
    ("metrics.0.low", 0.9, r"outside its own interval \[0\.9"),
    ("metrics.0.high", 0.1, "outside its own interval"),
    ("metrics.0.chance", 1.5, "1.5 is no value of top1, which goes from 0 to 1"),
    ("metrics.0.per_subject", {"01": 7.0, "02": 0.5}, "7.0 is no value of top1"),
    ("metrics.0.per_subject", {}, "at least 1 item"),
    ("metrics.0.per_subject", {"01": 0.5}, "names other listeners"),
    ("metrics.0.condition", "shuffle", "there twice under one condition"),
    ("dataset.n_subjects", 1, "names 2 listeners of 1"),
    ("tests.0.p", 1.01, r"tests\.0\.p: .*less than or equal to 1"),
    ("tests.0.p", -0.1, r"tests\.0\.p: .*greater than or equal to 0"),
    ("tests.0.p", 0.02, "verdict on top1 is not that of its hardest control"),
    ("verdict.top1.distinguishable", False, "contradicts its p of 0.01 and alpha of 0.05"),
    ("verdict.top1.hardest_control", "mean", "is not that of its hardest control"),
    ("status", "winning", "status: Input should be 'done', 'failed' or 'interrupted'"),
    ("status", "failed", "status is 'failed' and no error says why"),
    ("error", {"phase": "a", "type": "b", "message": "c"}, "status is 'done' beside an error"),
    ("split.hash", None, "without a split hash"),
    ("split.hash", "../etc", "should match pattern"),
    ("split.evidence.shared_s.train-test", 2.5, "splits share stimulus audio"),
    ("files", {}, "without per-segment values"),
    ("metrics", [], "without metrics"),
    ("encoder.options", [], r"encoder\.options: Input should be an object"),
    ("config.alignment", {"batch_sice": 3}, "of another version.*Did you mean 'alignment.batch_size'"),
    ("provenance.stages", [{"seconds": "1"}], r"provenance\.stages\.0"),
    ("training", {"align": {"n_parameters": {"encoder": "many"}}}, "training.align.n_parameters"),
    ("cell.seed", -1, "greater than or equal to 0"),
    ("surprise", 1, "surprise: Extra inputs are not permitted"),
    ("schema", 2, "unknown schema: got 2, expected 1"),
]


@pytest.mark.parametrize(("place", "value", "said"), WRONG, ids=[f"{place}={value!r:.20}" for place, value, _ in WRONG])
def test_a_field_that_is_wrong_is_named(path, spoil, place, value, said):
    spoil(path, place, value)
    with pytest.raises(StorageError, match=said):
        validate_record(path)


@pytest.mark.parametrize("text", ["a\x1b]0;x\x07", "a\x00", "a\rb", "\ud800", "a\u202eb"])
@pytest.mark.parametrize("place", ["cell.encoder", "skipped.generate", "provenance.command"])
def test_text_that_could_move_a_cursor_or_break_a_file_is_refused(path, spoil, place, text):
    spoil(path, place, text)
    with pytest.raises(StorageError, match="unprintable text"):
        validate_record(path)


@pytest.mark.parametrize("name", ["../evil", "a/b", "..", ".hidden", "a\\b", "", "x" * 201, "a\n"])
def test_an_id_that_is_no_safe_file_name_is_refused(path, spoil, name):
    spoil(path, "cell.id", name)
    with pytest.raises(StorageError, match=r"names files: letters|at least 1 character|at most 300"):
        validate_record(path)


def test_a_record_under_the_name_of_another_cell_is_refused(path):
    with pytest.raises(StorageError, match="not that of its file name: got net__"):
        validate_record(path.rename(path.with_name("other.json")))


def test_a_value_that_was_raised_after_scoring_is_found(path, spoil):
    spoil(path, "metrics.0.value", 0.6)
    with pytest.raises(StorageError, match=r"'top1' \('eeg'\) does not agree .*got 0.6, expected a mean of 0.583333"):
        validate_record(path)


def test_a_listeners_value_that_is_not_its_segments_is_found(path, spoil):
    spoil(path, "metrics.0.per_subject", {"01": 0.5, "02": 0.7})
    with pytest.raises(StorageError, match="does not agree with its segments"):
        validate_record(path)


def edit_segments(path, edit):
    place = path.parents[1] / Record.read(path).files["segments"]
    edit(pd.read_parquet(place)).to_parquet(place)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda t: t.iloc[1:], "got n = 5, expected 4"),
        (lambda t: t[t["condition"] != "shuffle"], r"no values of 'top1' \('shuffle'\), which the record has"),
        (lambda t: t.replace({"metric": {"median_rank": "new"}}), r"has values of 'new' \('eeg'\)"),
        (lambda t: t.replace({"subject": {"02": "03"}}), "names other listeners than its segments"),
        (lambda t: t.assign(value=t["value"].where(t.index != 0)), "values that are not finite"),
        (lambda t: t.drop(columns="subject"), "cannot be read: got KeyError"),
        (lambda t: t.assign(subject=1), "column 'subject' is int64 and not text"),
        (lambda t: t.assign(value="1"), "column 'value' is not floating point"),
    ],
)
def test_segments_that_are_not_the_records_are_refused(path, edit, said):
    edit_segments(path, edit)
    with pytest.raises(StorageError, match=said):
        validate_record(path)


def test_a_truncated_segment_file_is_refused(path):
    place = path.parents[1] / Record.read(path).files["segments"]
    place.write_bytes(place.read_bytes()[:-50])
    with pytest.raises(StorageError, match=r"segments\.parquet cannot be read: got ArrowInvalid"):
        validate_record(path)


def test_categories_are_text_too(path):
    edit_segments(path, lambda t: t.astype({"metric": "category", "condition": "category", "subject": "category"}))
    assert validate_record(path).status == "done"


def test_a_table_of_too_many_rows_is_not_read(path, monkeypatch):
    monkeypatch.setattr(agreement, "MAX_ROWS", 14)
    with pytest.raises(StorageError, match="15 rows are more than 14"):
        validate_record(path)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"segments": "/etc/passwd"}, "files.segments is not the record's own"),
        ({"segments": "cells/../../x/segments.parquet"}, "files.segments is not the record's own"),
        ({"segments": "cells/other/segments.parquet"}, "files.segments is not the record's own"),
        ({"segments": "{own}/segments.parquet", "code": "{own}/x.py"}, "files.code is not the record's own"),
    ],
)
def test_files_that_lie_elsewhere_are_refused(path, spoil, files, said):
    spoil(path, "files", {key: value.format(own=f"cells/{path.stem}") for key, value in files.items()})
    with pytest.raises(StorageError, match=said):
        validate_record(path)


def test_a_link_out_of_the_folder_is_refused(path, tmp_path):
    (tmp_path / "secret").write_text("x")
    (tmp_path / "cells" / path.stem / "audio" / "eeg" / "clip_001.flac").symlink_to(tmp_path / "secret")
    with pytest.raises(StorageError, match=r"clip_001\.flac is a link"):
        validate_record(path)


def test_a_record_that_is_a_link_is_refused(path):
    target = path.rename(path.parent.parent / "elsewhere.json")
    path.symlink_to(target)
    with pytest.raises(StorageError, match="The record is a link"):
        validate_record(path)


def test_a_clip_that_is_no_audio_is_refused(path, tmp_path):
    (tmp_path / "cells" / path.stem / "audio" / "eeg" / "clip_000.flac").write_text("<script>")
    with pytest.raises(StorageError, match=r"clip_000\.flac is not FLAC"):
        validate_record(path)


def test_a_pipe_in_place_of_a_record_is_refused_and_not_waited_for(tmp_path):
    (tmp_path / "records").mkdir()
    os.mkfifo(tmp_path / "records" / "net.json")
    with pytest.raises(StorageError, match="is not a file"):
        validate_record(tmp_path / "records" / "net.json")


def test_bad_records_cost_themselves_and_the_rest_is_read(tmp_path, cell):
    good = [cell(tmp_path, name) for name in ("a", "b")]
    bad = {
        "truncated.json": good[0].read_text()[:500],
        "nan.json": good[0].read_text().replace("0.01", "NaN"),
        "future.json": json.dumps({**json.loads(good[0].read_text()), "schema": 99}),
        "foreign.json": '{"name": "package.json"}',
        "deep.json": "[" * 100_000,
        "nested.json": good[0].read_text().replace('"preset": "quick"', f'"x": {"[" * 300}{"]" * 300}', 1),
        "binary.json": "\x80",
        "null.json": "null",
        "list.json": json.dumps({**json.loads(good[0].read_text()), "cell": []}),
        "metric.json": json.dumps({**json.loads(good[0].read_text()), "metrics": {"top1": 1}}),
    }
    for name, text in bad.items():
        (tmp_path / "records" / name).write_bytes(text.encode("latin1"))
    records, refusals = read_results(tmp_path)
    assert [record.cell.encoder for record in records] == ["a", "b"]
    assert {refusal.path.name for refusal in refusals} == set(bad)
    assert "NaN is not a number" in next(r.reason for r in refusals if r.path.name == "nan.json")


def test_cells_of_another_split_are_refused_beside_the_majority_and_both_are_named(tmp_path, cell):
    for name in ("a", "b"):
        cell(tmp_path, name)
    cell(tmp_path, "odd", split="ee" * 32)
    records, (refusal,) = read_results(tmp_path)
    assert [record.cell.encoder for record in records] == ["a", "b"]
    assert refusal.path.name.startswith("odd__")
    assert "split eeeeeeeeeeee is not the 5c5c5c5c5c5c of" in refusal.reason
    assert "a__simulated__quick__seed0__0.json" in refusal.reason


def test_where_nothing_says_which_split_is_right_both_cells_are_refused(tmp_path, cell):
    cell(tmp_path, "a")
    cell(tmp_path, "b", split="ee" * 32)
    records, refusals = read_results(tmp_path)
    assert records == []
    assert len(refusals) == 2


def test_another_data_configuration_may_have_another_split(tmp_path, cell, spoil):
    cell(tmp_path, "a")
    spoil(cell(tmp_path, "b", split="ee" * 32), "config.data", {"guard_s": 9.0})
    assert len(read_results(tmp_path)[0]) == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("records/a__b.json", "a__b"),
        ("cells/a__b/segments.parquet", "a__b"),
        ("cells/a__b/audio/eeg/clip_000.flac", "a__b"),
        ("records/a.json.py", None),
        ("records/../a.json", None),
        ("records/.json", None),
        ("records/..json", None),
        ("/records/a.json", None),
        ("cells/../segments.parquet", None),
        ("cells/a/../b/segments.parquet", None),
        ("cells/a/audio/../clip.flac", None),
        ("cells/a/audio/eeg/clip.flac\n", None),
        ("cells/a/model.pt", None),
        ("records\\a.json", None),
    ],
)
def test_only_files_of_a_results_folder_belong_to_a_cell(name, expected):
    assert cell_of(name) == expected


def test_code_beside_the_records_is_named_and_not_opened(path, tmp_path):
    (tmp_path / "cells" / path.stem / "evil.py").write_text("raise SystemExit")
    (tmp_path / "cells" / ".lock").touch()
    assert [refusal.path.name for refusal in foreign_files(tmp_path)] == ["evil.py"]


def test_pictures_of_a_run_are_neither_foreign_nor_asked_for(path, tmp_path, spoil, validate):
    own = f"cells/{path.stem}/report"
    spoil(path, "files.report", own)
    assert validate_record(path).files["report"] == own
    (tmp_path / own).mkdir()
    (tmp_path / own / "mels.png").write_bytes(b"")
    (tmp_path / own / "evil.py").write_text("")
    assert [refusal.path.name for refusal in foreign_files(tmp_path)] == ["evil.py"]


def test_the_model_of_a_run_is_neither_foreign_nor_asked_for(path, tmp_path, spoil, validate):
    own = f"cells/{path.stem}/model"
    spoil(path, "files.model", own)
    assert validate_record(path).files["model"] == own
    (tmp_path / own).mkdir()
    for name in ("model.json", "pair.safetensors", "weights.pt"):
        (tmp_path / own / name).write_bytes(b"")
    assert [refusal.path.name for refusal in foreign_files(tmp_path)] == ["weights.pt"]


def test_the_verb_prints_a_line_per_refused_file_and_fails(tmp_path, cell, validate, capsys):
    cell(tmp_path, "a")
    (tmp_path / "records" / "bad\x1b[2J.json").write_text("{")
    (tmp_path / "records" / "evil.pkl").write_bytes(b"x")
    assert validate(str(tmp_path)) == 1
    shown = capsys.readouterr()
    assert shown.out == "1 record(s) valid, 2 file(s) refused\n"
    assert len(shown.err.splitlines()) == 2
    assert "\x1b" not in shown.err


def test_the_verb_passes_a_good_folder(tmp_path, cell, validate, capsys):
    cell(tmp_path, "a")
    cell(tmp_path, "b", status="failed")
    assert validate(str(tmp_path)) == 0
    assert capsys.readouterr().out == "2 record(s) valid, 0 file(s) refused\n"


def test_a_folder_without_records_is_a_usage_error(tmp_path, validate):
    with pytest.raises(UsageError, match="has no records: expected a folder with records/"):
        validate(str(tmp_path))

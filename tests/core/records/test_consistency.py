"""What a record must hold and must not: types, names, levels, and parts that agree with each other."""

from __future__ import annotations

import json

import pytest

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.records.cell_id import is_safe_name
from eeg2speech_bench.core.records.record import Record


def read(tree) -> Record:
    """Read what a record's file would hold."""
    return Record.from_json(json.dumps(tree).encode(), "r.json")


def test_a_cell_that_failed_early_is_a_record(failed):
    assert read(failed()).status == "failed"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cell": None}, "cell: "),
        ({"cell": []}, "cell: "),
        ({"config": {"alignment": {"batch_size": "many"}}}, "'alignment.batch_size' is wrong: got 'many'"),
        ({"provenance": {"attempts": 0}}, "provenance.attempts: .* and not 0"),
        ({"error": None}, "no error says why"),
        ({"error": {"phase": "a", "type": "b", "message": "\ud800"}}, r"unprintable text: got .error\.message"),
        ({"skipped": {"a\x1b": "b"}}, r"unprintable text: got .skipped\.key"),
        ({"skipped": {"a": "b\x7f"}}, r"unprintable text: got .skipped\.a"),
        ({"skipped": {"a": "b\r"}}, r"unprintable text: got .skipped\.a"),
        ({"schema": True}, "schema: "),
        (
            {"encoder": {"name": "net", "distribution": "x", "version": "1", "source_hash": "a", "modality": "mood"}},
            "mo",
        ),
    ],
)
def test_a_part_that_is_wrong_is_named(failed, changes, said):
    with pytest.raises(StorageError, match=said):
        read(failed(**changes))


def test_direction_marks_that_are_not_spelt_as_escapes_are_found(failed):
    content = json.dumps(failed(skipped={"a": "b\u202ec"}), ensure_ascii=False).encode()
    with pytest.raises(StorageError, match="unprintable text"):
        Record.from_json(content, "r.json")


def test_a_library_may_colour_its_error_messages(failed):
    error = {"phase": "a", "type": "b", "message": "\x1b[31mno\x1b[0m"}
    assert read(failed(error=error)).error.message == error["message"]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"pool": "matched", "chance_band": [0.0, 0.3], "chance_uniform": 0.05, "baseline": 0.0},
        {"chance_band": None, "chance_uniform": None, "baseline": None},
        {"label": "top-1", "note": "How often.", "lowest": 0.0, "highest": 1.0},
        {"lowest": 0.1},
    ],
)
def test_levels_and_words_that_older_records_lack_are_optional(failed, metric, more):
    assert read(failed(metrics=[metric | more])).metrics[0].value == metric["value"]


@pytest.mark.parametrize("floor", [0.9, None])
def test_a_metric_of_sets_stands_beside_its_floor_or_has_none(failed, set_score, floor):
    record = read(failed(sets=[set_score | {"floor": floor}, set_score | {"condition": "shuffle"}]))
    assert record.sets[0].floor == floor


SHARE = {"lowest": 0.0, "highest": 1.0}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pool": None}, "metrics.0.pool: "),
        ({"chance_band": [0.1]}, "metrics.0.chance_band: "),
        ({"chance_band": [0.3, 0.1]}, r"chance_band \[0.3, 0.1\] ends below its start"),
        ({"chance_band": [0.0, 1.5], **SHARE}, "1.5 is no value of top1, which goes from 0 to 1"),
        ({"chance_uniform": "0.1"}, "metrics.0.chance_uniform: "),
        ({"baseline": -1.0, **SHARE}, "-1.0 is no value of top1"),
        ({"per_subject": {"01": 1.2}, **SHARE}, "1.2 is no value of top1"),
        ({"value": 0.5}, "value 0.5 lies outside its own interval"),
        ({"value": 1e200, "high": 1e200}, "metrics.0.value: "),
        ({"n": 0}, "metrics.0.n: "),
        ({"n": 10**20}, "metrics.0.n: "),
        ({"n": 1, "per_subject": {"01": 0.2, "02": 0.2}}, "1 segments cannot be of 2 listeners"),
    ],
)
def test_the_numbers_of_a_metric_are_checked(failed, metric, changes, said):
    with pytest.raises(StorageError, match=said):
        read(failed(metrics=[metric | changes]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"value": None}, "sets.0.value: "),
        ({"value": -0.5, "lowest": 0.0}, "-0.5 is no value of variance_ratio, which goes from 0 to inf"),
        ({"floor": -0.5, "lowest": 0.0}, "-0.5 is no value of variance_ratio"),
        ({"value": 7.0, "highest": 6.0}, "7.0 is no value of variance_ratio, which goes from -inf to 6"),
    ],
)
def test_the_numbers_of_a_set_are_checked(failed, set_score, changes, said):
    with pytest.raises(StorageError, match=said):
        read(failed(sets=[set_score | changes]))


def test_a_set_without_a_floor_says_so(failed, set_score):
    del set_score["floor"]
    with pytest.raises(StorageError, match=r"sets\.0\.floor: "):
        read(failed(sets=[set_score]))


def test_a_metric_is_there_once_under_one_condition(failed, metric, set_score):
    with pytest.raises(StorageError, match="a metric is there twice under one condition"):
        read(failed(sets=[set_score, set_score]))
    with pytest.raises(StorageError, match="a metric is there twice"):
        read(failed(sets=[set_score], metrics=[metric | {"name": set_score["name"]}]))


@pytest.mark.parametrize("name", ["a", "net__d__quick__seed0__0a1b", "données-1.2", "脳波", "x" * 200])
def test_a_cells_id_is_a_file_name(name):
    assert is_safe_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".a", "a/b", "a\\b", "a b", "a\n", "a\x00", "a:b", "x" * 201, "脳" * 67]
)
def test_what_leads_elsewhere_or_is_invisible_is_no_file_name(name):
    assert not is_safe_name(name)

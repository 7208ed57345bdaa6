"""The schema alone: what a name may be, and that parts of newer versions pass while their types still count."""

from __future__ import annotations

import pytest

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.schema import check_record, is_safe_name


def failed(**changes) -> Record:
    """The least that a record of a failed cell holds."""
    names = {"encoder": "net", "dataset": "d", "dataset_argument": "d", "preset": "quick"}
    encoder = {"name": "net", "distribution": "x", "version": "1", "source_hash": "a"}
    record = Record({"id": "net__d", "seed": 0, **names}, "failed", {}, encoder=encoder)
    record.dataset, record.target = {"name": "d", "revision": "r"}, {"name": "mel"}
    record.error = {"phase": "align", "type": "E", "message": "no"}
    for name, value in changes.items():
        setattr(record, name, value)
    return record


def test_a_cell_that_failed_early_is_a_record():
    check_record(failed(), "r.json")


def test_what_a_newer_version_adds_to_a_part_passes():
    record = failed()
    record.provenance = {"energy_wh": 3.5, "attempts": 2}
    check_record(record, "r.json")


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
        ({"training": {"x": {"y": [[[[[[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]]]]]]}}}, "nested too deeply"),
        ({"schema": True}, "schema: "),
    ],
)
def test_a_part_that_is_wrong_is_named(changes, said):
    with pytest.raises(StorageError, match=said):
        check_record(failed(**changes), "r.json")


METRIC = {"name": "top1", "version": 1, "condition": "eeg", "value": 0.2, "low": 0.1, "high": 0.3, "confidence": 0.95}
METRIC |= {"n": 9, "n_pool": 10, "chance": 0.1, "unit": "", "higher_is_better": True, "per_subject": {"01": 0.2}}
SET = {"name": "variance_ratio", "version": 1, "condition": "eeg", "value": 0.4, "n": 78, "unit": "", "floor": 0.9}
SET |= {"higher_is_better": True}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"pool": "matched", "chance_band": [0.0, 0.3], "chance_uniform": 0.05, "baseline": 0.0},
        {"chance_band": None, "chance_uniform": None, "baseline": None},
    ],
)
def test_levels_that_older_records_lack_are_optional(more):
    check_record(failed(metrics=[METRIC | more]), "r.json")


@pytest.mark.parametrize("floor", [0.9, None])
def test_a_metric_of_sets_stands_beside_its_floor_or_has_none(floor):
    check_record(failed(sets=[SET | {"floor": floor}, SET | {"condition": "shuffle"}]), "r.json")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"metrics": [METRIC | {"pool": None}]}, "metrics.0.pool: "),
        ({"metrics": [METRIC | {"chance_band": [0.1]}]}, "metrics.0.chance_band: "),
        ({"metrics": [METRIC | {"chance_band": [0.3, 0.1]}]}, r"chance_band \[0.3, 0.1\] ends below its start"),
        ({"metrics": [METRIC | {"chance_band": [0.0, 1.5]}]}, "1.5 is no value of top1, which goes from 0 to 1"),
        ({"metrics": [METRIC | {"chance_uniform": "0.1"}]}, "metrics.0.chance_uniform: "),
        ({"metrics": [METRIC | {"baseline": -1.0}]}, "-1.0 is no value of top1"),
        ({"sets": [{k: v for k, v in SET.items() if k != "floor"}]}, "sets.0.floor: "),
        ({"sets": [SET | {"value": None}]}, "sets.0.value: "),
        ({"sets": [SET | {"value": -0.5}]}, "-0.5 is no value of variance_ratio, which goes from 0 to inf"),
        ({"sets": [SET | {"floor": -0.5}]}, "-0.5 is no value of variance_ratio"),
        ({"sets": [SET, SET]}, "a metric is there twice under one condition"),
        ({"sets": [SET], "metrics": [METRIC | {"name": SET["name"]}]}, "a metric is there twice"),
        ({"sets": {}}, "sets: "),
    ],
)
def test_levels_and_sets_are_checked(changes, said):
    with pytest.raises(StorageError, match=said):
        check_record(failed(**changes), "r.json")


@pytest.mark.parametrize("name", ["a", "net__d__quick__seed0__0a1b", "données-1.2", "脳波", "x" * 200])
def test_a_cells_id_is_a_file_name(name):
    assert is_safe_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".a", "a/b", "a\\b", "a b", "a\n", "a\x00", "a:b", "x" * 201, "脳" * 67]
)
def test_what_leads_elsewhere_or_is_invisible_is_no_file_name(name):
    assert not is_safe_name(name)

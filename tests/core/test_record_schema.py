"""The schema alone: what a name may be, and that parts of newer versions pass while their types still count."""

from __future__ import annotations

import pytest

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.record_schema import check_record, is_safe_name
from eeg2speech_bench.core.records import Record


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


@pytest.mark.parametrize("name", ["a", "net__d__quick__seed0__0a1b", "données-1.2", "脳波", "x" * 200])
def test_a_cells_id_is_a_file_name(name):
    assert is_safe_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".a", "a/b", "a\\b", "a b", "a\n", "a\x00", "a:b", "x" * 201, "脳" * 67]
)
def test_what_leads_elsewhere_or_is_invisible_is_no_file_name(name):
    assert not is_safe_name(name)

"""The least that records of a failed and of a finished cell hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from eeg2speech_bench.core.records.record import Record

METRIC = {"name": "top1", "version": 1, "condition": "eeg", "value": 0.2, "low": 0.1, "high": 0.3, "confidence": 0.95}
METRIC |= {"n": 9, "n_pool": 10, "chance": 0.1, "unit": "", "higher_is_better": True, "per_subject": {"01": 0.2}}
SET = {"name": "variance_ratio", "version": 1, "condition": "eeg", "value": 0.4, "n": 78, "unit": "", "floor": 0.9}
SET |= {"higher_is_better": True}


def failed_tree(**changes: Any) -> dict[str, Any]:
    """Return the least that a record of a failed cell holds, as it is written; ``changes`` replace its fields."""
    names = {"encoder": "net", "dataset": "d", "dataset_argument": "d", "preset": "quick"}
    tree = {
        "cell": {"id": "net__d", "seed": 0, **names},
        "status": "failed",
        "config": {"preset": "quick"},
        "encoder": {"name": "net", "distribution": "x", "version": "1", "source_hash": "a"},
        "dataset": {"name": "d", "revision": "r"},
        "target": {"name": "mel"},
        "error": {"phase": "align", "type": "E", "message": "no"},
        "schema": 1,
    }
    return tree | changes


@pytest.fixture
def failed() -> Callable[..., dict[str, Any]]:
    """See `failed_tree`."""
    return failed_tree


@pytest.fixture
def done() -> Record:
    """A finished cell."""
    dataset = {"name": "d", "revision": "r", "n_subjects": 1}
    more = {"status": "done", "error": None, "dataset": dataset, "split": {"hash": "5c" * 32}}
    return Record(**failed_tree(**more, metrics=[METRIC], files={"segments": "cells/net__d/segments.parquet"}))


@pytest.fixture
def metric() -> dict[str, Any]:
    """An entry of a metric."""
    return dict(METRIC)


@pytest.fixture
def set_score() -> dict[str, Any]:
    """An entry of a metric of all clips together."""
    return dict(SET)

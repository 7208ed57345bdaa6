"""Whole records with scores, controls and clips, and what the board of them says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from eeg2speech_bench.core.records.metrics import ControlTest, Metric, SetScore
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore

CONDITIONS = ("eeg", "shuffle", "audio")
ENCODER = {"name": "net", "distribution": "dist", "version": "1", "source_hash": "a"}
DATASET = {"name": "data", "revision": "1", "n_subjects": 2}
STAGE = {"name": "align", "key": "k", "seconds": 90.0, "peak_memory_mb": 1000.0, "reused": False}
LABELS = {"top1": "top-1", "top1_of_50": "top-1 of 50", "mrr": "MRR", "mel_correlation": "mel r"}
NOTES = {"top1": "How often the heard window comes first.", "mrr": "Mean reciprocal rank."}
N_CLIPS = 20
LISTENER, BLOCK = (a.ravel() for a in np.indices((8, 10)))


def entry(name: str, condition: str, value: float, **changes: Any) -> Metric:
    tree = {
        "name": name, "version": 1, "condition": condition, "value": value, "low": max(value - 0.1, 0),
        "high": min(value + 0.1, 1), "confidence": 0.95, "n": 40, "n_pool": 50, "chance": 0.02, "unit": "",
        "label": LABELS.get(name, ""), "note": NOTES.get(name, ""), "lowest": 0.0, "highest": 1.0,
        "higher_is_better": True, "per_subject": {"01": max(value - 0.05, 0), "02": min(value + 0.05, 1)},
    }  # fmt: skip
    return Metric(**tree | changes)


def whole(changes: dict[str, Any]) -> dict[str, Any]:
    """Return changes of a record with what their sections and stages must hold."""
    for name, section in (("encoder", ENCODER), ("dataset", DATASET)):
        changes = changes | ({name: section | changes[name]} if name in changes else {})
    stages = [STAGE | stage for stage in changes.get("provenance", {}).get("stages", [])]
    if stages:
        changes = changes | {"provenance": changes["provenance"] | {"stages": stages}}
    if changes.get("status", "done") != "done":
        changes = {"error": {"phase": "align", "type": "E", "message": "no"}} | changes
    return changes


def control_test(metric: str, control: str, p: float) -> ControlTest:
    return ControlTest(metric=metric, control=control, p=p, effect=0.1, dz=None, n_units=4, exact=False)


def set_entry(name: str, condition: str, value: float, **changes: Any) -> SetScore:
    tree = {"name": name, "version": 1, "condition": condition, "value": value, "n": 78, "unit": "", "floor": None}
    return SetScore(**tree | {"higher_is_better": True} | changes)


def write_record(
    results: Path, name: str = "net", top1: float = 0.5, *, seed: int = 0, real: bool = True, **changes: Any
) -> Record:
    """Write a record; ``changes`` replace its fields."""
    identifier = f"{re.sub('[^a-z0-9]', '-', name.lower())}__data__quick__seed{seed}"
    cell = {"id": identifier, "encoder": name, "dataset": "data", "dataset_argument": "data", "preset": "quick"}
    p = 0.0005 if real else 0.4
    tree = {
        "cell": cell | {"seed": seed},
        "status": "done",
        "config": {"preset": "quick", "scores": {}},
        "encoder": ENCODER | {"name": name},
        "target": {"name": "mel"},
        "split": {"hash": "5c" * 32},
        "dataset": DATASET,
        "metrics": [entry("top1", c, v) for c, v in zip(CONDITIONS, (top1, 0.02, 1.0), strict=True)],
        "tests": [control_test("top1", "shuffle", p)],
        "verdict": {"top1": {"distinguishable": real, "p": p, "hardest_control": "shuffle", "alpha": 0.05}},
        "provenance": {"stages": [STAGE], "command": "run"},
        "training": {"align": {"history": [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}]}},
        "files": {"segments": f"cells/{identifier}/segments.parquet"},
    }
    made = Record(**tree | whole(changes))
    RecordStore(results).write(made)
    return made


def add_clips(results: Path, record: Record) -> None:
    """Add clips under every condition and their scores."""
    folder = RecordStore(results).cell_folder(record.cell.id)
    for condition in ("reference", *CONDITIONS, "vocoder"):
        (folder / "audio" / condition).mkdir(parents=True)
        for number in range(N_CLIPS):
            tone = 0.3 * np.sin(np.arange(1600) * (0.05 + 0.01 * number + 0.1 * len(condition)))
            soundfile.write(folder / "audio" / condition / f"clip_{number:03d}.flac", tone, 16_000)
    rows = [
        {
            "metric": "mel_correlation",
            "condition": c,
            "subject": "01",
            "stimulus": 3,
            "start_s": 2.88 * i,
            "value": i / 100,
        }
        for c in (*CONDITIONS, "vocoder")
        for i in range(N_CLIPS)
    ]
    pd.DataFrame(rows).to_parquet(folder / "segments.parquet")
    own = f"cells/{record.cell.id}"
    record.files = {"segments": f"{own}/segments.parquet", "audio": f"{own}/audio"}
    RecordStore(results).write(record)


def add_segments(results: Path, record: Record, values: np.ndarray) -> None:
    """Add per-segment values of top-1 of eight listeners and ten blocks, shape (80,)."""
    columns = {"metric": "top1", "condition": "eeg", "subject": LISTENER.astype(str), "recording": LISTENER}
    columns |= {"stimulus": 0, "start_s": BLOCK * 15.0, "block": BLOCK, "value": values}
    folder = RecordStore(results).cell_folder(record.cell.id)
    folder.mkdir(parents=True)
    pd.DataFrame(columns).to_parquet(folder / "segments.parquet")
    record.files = {"segments": f"cells/{record.cell.id}/segments.parquet"}
    RecordStore(results).write(record)


def read_page(out: Path, name: str = "") -> str:
    """Return the page of the one row whose file name begins so."""
    (page,) = (out / "rows").glob(f"{name}*.html")
    return page.read_text()


def read_board(out: Path) -> dict[str, Any]:
    """Return what the board's table is made of."""
    return json.loads((out / "board.json").read_text())


@pytest.fixture
def metric() -> Callable[..., Metric]:
    """See `entry`."""
    return entry


@pytest.fixture
def set_score() -> Callable[..., SetScore]:
    """See `set_entry`."""
    return set_entry


@pytest.fixture
def test_of() -> Callable[..., ControlTest]:
    """See `control_test`."""
    return control_test


@pytest.fixture
def write() -> Callable[..., Record]:
    """See `write_record`."""
    return write_record


@pytest.fixture
def write_audio() -> Callable[..., None]:
    """See `add_clips`."""
    return add_clips


@pytest.fixture
def write_segments() -> Callable[..., None]:
    """See `add_segments`."""
    return add_segments


@pytest.fixture
def only_page() -> Callable[..., str]:
    """See `read_page`."""
    return read_page


@pytest.fixture
def board() -> Callable[..., dict[str, Any]]:
    """See `read_board`."""
    return read_board

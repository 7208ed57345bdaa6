"""Small results folders that are valid in every field, and ways to spoil them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore

#: two listeners with two and three segments: the mean of listeners is not the mean of segments
SUBJECTS = ["01", "01", "02", "02", "02"]
TOP1 = [1.0, 0.0, 1.0, 1.0, 0.0]
RANK = [0.1, 0.3, 0.2, 0.4, 0.6]
SPLIT = "5c" * 32
LABELS = {"top1": "top-1", "median_rank": "median rank"}


def _entry(name: str, condition: str, value: float, per_subject: dict[str, float]) -> dict[str, Any]:
    return {
        "name": name,
        "version": 1,
        "condition": condition,
        "value": value,
        "low": value - 0.05,
        "high": value + 0.05,
        "confidence": 0.95,
        "n": 5,
        "n_pool": 10,
        "chance": 0.1,
        "unit": "",
        "label": LABELS[name],
        "note": f"What {LABELS[name]} is.",
        "lowest": 0.0,
        "highest": 1.0,
        "higher_is_better": name != "median_rank",
        "per_subject": per_subject,
    }


def _write_segments(path: Path, shift: float) -> None:
    rows = [("top1", "eeg", TOP1), ("top1", "shuffle", [0.0] * 5), ("median_rank", "eeg", np.add(RANK, shift))]
    parts = [pd.DataFrame({"metric": m, "condition": c, "subject": SUBJECTS, "value": v}) for m, c, v in rows]
    path.parent.mkdir(parents=True)
    pd.concat(parts, ignore_index=True).to_parquet(path)


def write_cell(
    results: Path, encoder: str = "net", *, status: str = "done", split: str = SPLIT, shift: float = 0.0, seed: int = 0
) -> Path:
    """Write one valid cell and return the path of its record; ``shift`` changes its numbers."""
    cell = {"encoder": encoder, "dataset": "simulated", "dataset_argument": "simulated", "preset": "quick"}
    cell |= {"id": f"{encoder}__simulated__quick__seed{seed}__0", "preset_version": 1, "seed": seed}
    tree = {
        "cell": cell,
        "status": status,
        "config": {"preset": "quick"},
        "target": {"name": "mel", "options": {}},
        "encoder": {"name": encoder, "distribution": "dist", "version": "1", "source_hash": "a1", "baseline": False},
        "dataset": {"name": "simulated", "revision": "r1", "n_subjects": 2},
        "provenance": {"attempts": 1, "command": "eeg2speech-bench run", "stages": []},
    }
    store = RecordStore(results)
    if status != "done":
        error = {"phase": "align", "type": "RuntimeError", "message": "\x1b[31mno\x1b[0m", "traceback": ["a"]}
        return store.write(Record(**tree, error=error))
    tree["split"] = {"hash": split, "evidence": {"shared_s": {"train-test": 0.0}}}
    # listeners: means 1/2 and 2/3; median 0.2 and 0.4, and 0.3 where each listener has half of the weight
    tree["metrics"] = [
        _entry("top1", "eeg", 7 / 12, {"01": 0.5, "02": 2 / 3}),
        _entry("top1", "shuffle", 0.0, {"01": 0.0, "02": 0.0}) | {"low": 0.0, "high": 0.0},
        _entry("median_rank", "eeg", 0.3 + shift, {"01": 0.2 + shift, "02": 0.4 + shift}),
    ]
    tree["tests"] = [
        {"metric": "top1", "control": "shuffle", "p": 0.01, "effect": 0.5, "dz": None, "n_units": 4, "exact": True}
    ]
    tree["verdict"] = {"top1": {"distinguishable": True, "p": 0.01, "hardest_control": "shuffle", "alpha": 0.05}}
    folder = store.cell_folder(cell["id"])
    _write_segments(folder / "segments.parquet", shift)
    (folder / "audio" / "eeg").mkdir(parents=True)
    soundfile.write(folder / "audio" / "eeg" / "clip_000.flac", np.zeros(160), 16_000)
    files = {"segments": f"cells/{cell['id']}/segments.parquet", "audio": f"cells/{cell['id']}/audio"}
    return store.write(Record(**tree, files=files))


def change(path: Path, place: str, value: Any) -> None:
    """Set one field of a record on disk: ``change(path, "metrics.0.low", 2)``."""
    tree = json.loads(path.read_text(encoding="utf8"))
    *outer, last = [int(key) if key.isdigit() else key for key in place.split(".")]
    inner = tree
    for key in outer:
        inner = inner[key]
    inner[last] = value
    path.write_text(json.dumps(tree), encoding="utf8")


@pytest.fixture
def cell() -> Callable[..., Path]:
    """See `write_cell`."""
    return write_cell


@pytest.fixture
def spoil() -> Callable[[Path, str, Any], None]:
    """See `change`."""
    return change


@pytest.fixture
def verb() -> Callable[..., int]:
    """Run an action of ``leaderboard`` as its table does: configure, parse, run."""

    def call(configure: Callable[..., None], run: Callable[..., int], *arguments: str) -> int:
        parser = argparse.ArgumentParser()
        configure(parser)
        parser.set_defaults(format="table")  # as the verb itself does
        return run(parser.parse_args(arguments))

    return call

"""A model of a cell beside its record, as a run leaves them, of an encoder that was built and not trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from eeg2speech_bench.benchmarks.models.pair import Pair
from eeg2speech_bench.benchmarks.plugin_source import source_hash_of
from eeg2speech_bench.benchmarks.trained.model_folder import PAIR, ModelDescription, read_description, write_model
from eeg2speech_bench.core.presets.config import load_config
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.registry.registry import Registry, load_registry
from eeg2speech_bench.core.segments.segment_store import SegmentStore

MEL = {"n_bands": 4, "token_rate_hz": 5.0}
DATASET = {"name": "simulated", "revision": "r1", "n_subjects": 2, "n_segments": {"train": 40, "test": 10}}
VERDICT = {"top1": {"distinguishable": True, "p": 0.01, "hardest_control": "shift", "alpha": 0.05}}


@dataclass(frozen=True)
class KeptModel:
    """What a run leaves of a cell: its record and its model."""

    results: Path
    record: Record
    description: ModelDescription

    @property
    def folder(self) -> Path:
        return self.results / self.record.files["model"]

    @property
    def path(self) -> Path:
        return RecordStore(self.results).path(self.record.cell.id)


@pytest.fixture(scope="session")
def installed_plugins() -> Registry:
    return load_registry()


@pytest.fixture
def keep_model(tmp_path: Path, prepared: Path, installed_plugins: Registry) -> Callable[..., KeptModel]:
    """Write a cell's record and model; arguments replace parts of the record."""

    def keep(name: str = "results", **parts: Any) -> KeptModel:
        record = _record(parts)
        results = tmp_path / name
        folder = results / record.files["model"]
        write_model(folder, *_model(record, SegmentStore(prepared), installed_plugins))
        RecordStore(results).write(record)
        return KeptModel(results, record, read_description(folder))

    return keep


@pytest.fixture
def kept(keep_model: Callable[..., KeptModel]) -> KeptModel:
    return keep_model()


def _record(parts: dict[str, Any]) -> Record:
    own = "mean__simulated__quick__seed0__0"
    cell = {"id": own, "encoder": "mean", "dataset": "simulated", "dataset_argument": "simulated", "preset": "quick"}
    test = {"metric": "top1", "control": "shift", "p": 0.01, "effect": 0.5, "dz": None, "n_units": 4, "exact": True}
    tree = {
        "cell": {**cell, "seed": 0},
        "status": "done",
        "config": {"preset": "quick"},
        "target": {"name": "mel", "options": MEL},
        "encoder": {"name": "mean", "distribution": "eeg2speech-bench", "version": "0.1.0", "source_hash": "a1"},
        "dataset": DATASET,
        "split": {"hash": "5c" * 32},
        "metrics": [_metric("eeg", 0.6), _metric("shift", 0.1)],
        "tests": [test],
        "verdict": VERDICT,
        "files": {"segments": f"cells/{own}/segments.parquet", "model": f"cells/{own}/model"},
    }
    return Record.model_validate(tree | parts)


def _metric(condition: str, value: float) -> dict[str, Any]:
    level = {"value": value, "low": value - 0.05, "high": value + 0.05, "confidence": 0.95, "chance": 0.1}
    about = {"name": "top1", "version": 1, "label": "top-1", "unit": "", "higher_is_better": True}
    return {**about, **level, "condition": condition, "n": 10, "n_pool": 10, "per_subject": {"01": value, "02": value}}


def _model(record: Record, store: SegmentStore, registry: Registry) -> tuple[ModelDescription, dict[str, Any]]:
    spec, target = registry.get("encoder", "mean"), registry.get("target", "mel")
    parts = Pair(spec, {}, target, MEL).build(store)

    def origin(spec: Any, **values: Any) -> dict[str, Any]:
        made_by = {"distribution": "eeg2speech-bench", "version": "0.1.0", "target": spec.target}
        return {"name": spec.name, "source_hash": source_hash_of(spec), **made_by, **values}

    description = ModelDescription.model_validate(
        {
            "suite": "0.1.0",
            "cell": record.cell,
            "dataset": record.dataset,
            "encoder": origin(spec, licence="Apache-2.0"),
            "target": origin(target, options=MEL),
            "modality": "eeg",
            "signal": store.meta.signal.model_dump(),
            "sound": store.meta.sound.model_dump(),
            "listeners": store.meta.subjects,
            "recordings": [],
            "config": load_config("quick", overrides={"data.window_s": store.window_s}).model_dump(mode="json"),
            "verdict": record.verdict,
            "scores": record.metrics,
            "packages": {},
        }
    )
    states = zip(("encoder", "target"), (part.state_dict() for part in parts), strict=True)
    weights = {f"{part}.{key}": value for part, state in states for key, value in state.items()}
    mean = {"mean.tokens": torch.zeros(1, 2, 4), "mean.pooled": torch.zeros(1, 4)}
    return description, {PAIR: {**weights, **mean, "scale": torch.ones(1, store.meta.signal.n_chans)}}

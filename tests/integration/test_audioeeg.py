"""The prototype's training in one line: its data set, its embeddings, its configuration."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from eeg2speech_bench.benchmarks.cells import Cell
from eeg2speech_bench.benchmarks.pipeline import Pipeline
from eeg2speech_bench.benchmarks.runner import Runner
from eeg2speech_bench.core.presets.config import load_config
from eeg2speech_bench.core.records.record_store import RecordStore
from eeg2speech_bench.core.registry.dataset_opening import find_dataset, open_dataset
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.stages.stage_store import StageStore

#: the preset's networks, narrowed, and its trainings, cut to a step
NARROW = {
    "target.options.wav2vec2.layers": [2, 3],
    "autoencoder.channels": [8, 8, 8],
    "autoencoder.layers_per_block": 1,
    "autoencoder.norm_groups": 4,
    "autoencoder.batch_size": 2,
    "autoencoder.max_steps": 1,
    "denoiser.channels": [8, 8, 8, 16],
    "denoiser.attention_heads": [2, 2, 2, 2],
    "denoiser.layers_per_block": 1,
    "denoiser.norm_groups": 4,
    "diffusion.max_steps": 1,
    "sampling.n_steps": 2,
    "sampling.n_clips": 2,
    "vocoder.name": "griffin-lim",
    "vocoder.n_iter": 1,
    "scores.n_bootstrap": 50,
    "scores.n_permutations": 100,
}


@pytest.fixture
def pipeline(write_audioeeg: Callable[..., Path], tiny_wav2vec2: str, tmp_path: Path) -> Callable[[str], Pipeline]:
    """Plan a cell of an encoder on the embeddings."""
    registry = load_registry()
    typed = f"audioeeg:{write_audioeeg()}"

    def plan(encoder: str) -> Pipeline:
        config = load_config("eeg2speech", overrides={**NARROW, "target.options.wav2vec2.model": tiny_wav2vec2})
        dataset = open_dataset(*find_dataset(typed, registry), tmp_path / "cache", lambda line: None)
        cell = Cell(encoder, typed, dataset.name, dataset.revision, 0, config)
        return Pipeline(cell, dataset, registry, StageStore(tmp_path / "cache"), "cpu", "float32")

    return plan


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """Run cells in this process."""
    records, stages = RecordStore(tmp_path / "results"), StageStore(tmp_path / "cache")
    return Runner(load_registry(), stages, records, Console(file=io.StringIO()), keeps_models=False)


@pytest.mark.slow
def test_the_training_of_the_prototype_runs_to_a_scored_record(pipeline, runner):
    record = runner.run(pipeline("precomputed"))
    assert record.error is None
    assert (record.status, record.split.kind) == ("done", "published")
    assert record.metric("identification", "eeg") is not None


def test_the_condition_of_the_generator_is_the_average_of_each_embedding(pipeline, runner):
    cell = pipeline("precomputed")
    for stage in (cell.prepare, cell.features, cell.clips, cell.align, cell.embed):
        runner.run_stage(stage)
    with np.load(cell.place(cell.embed) / "condition_eeg.npz") as condition:
        prepared = np.load(cell.place(cell.prepare) / "eeg.npy").reshape(-1, 343, 16)
        averages = prepared.mean(1)  # the prototype's condition of each item
        nearest = np.abs(condition["pooled"][:, None] - averages[None]).max(2).min(1)
    np.testing.assert_allclose(nearest, 0, atol=1e-6)

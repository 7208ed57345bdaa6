"""Collects what the stages of a finished cell trained, and writes it as a model."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eeg2speech_bench.benchmarks.plugin_source import hash_of_code, source_hash_of
from eeg2speech_bench.benchmarks.trained.model_folder import (
    GENERATOR,
    PAIR,
    ModelDescription,
    PluginOrigin,
    TrainingRecording,
    write_model,
)
from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.registry.discovery import OURS, Provenance
from eeg2speech_bench.core.segments.prepared import Prepared

if TYPE_CHECKING:
    from torch import Tensor

    from eeg2speech_bench.benchmarks.pipeline import Pipeline

#: file of a stage that trained something
WEIGHTS = "weights.pt"


def write_cell_model(record: Record, pipeline: Pipeline, target_origin: Provenance, folder: Path) -> None:
    """Write the model of a cell whose stages are finished.

    Parameters
    ----------
    record : Record
        Complete but for its files.
    pipeline : Pipeline
    target_origin : Provenance
        Where the audio target comes from.
    folder : Path

    Raises
    ------
    ContractError
        If an encoder or a target keeps something in its state that is no tensor.
    """
    prepared = pipeline.prepared()
    weights = {PAIR: _pair_weights(pipeline)}
    if pipeline.generates:
        weights[GENERATOR] = _generator_weights(pipeline)
    write_model(folder, _describe(record, pipeline, target_origin, prepared), weights)


def _describe(record: Record, pipeline: Pipeline, target_origin: Provenance, prepared: Prepared) -> ModelDescription:
    target = pipeline.target
    held_out = prepared.split.held_out
    return ModelDescription(
        suite=metadata.version(OURS),
        cell=record.cell,
        dataset=record.dataset.model_copy(update={"skipped_recordings": [], "reading_notes": []}),
        encoder=PluginOrigin.model_validate(record.encoder.model_dump(include=set(PluginOrigin.model_fields))),
        target=PluginOrigin(
            name=target.name,
            distribution=target_origin.distribution,
            version=target_origin.version,
            target=target.target,
            source_hash=source_hash_of(target),
            options=pipeline.target_options,
        ),
        modality=record.encoder.modality,
        signal=prepared.signal,
        sound=prepared.sound,
        listeners=prepared.subjects[: len(prepared.subjects) - len(held_out)],
        held_out=prepared.subjects[len(prepared.subjects) - len(held_out) :],
        recordings=[
            TrainingRecording(
                recording_id=r.recording_id,
                listener=r.subject,
                scale_from=r.scale_from,
                recorded_sfreq=r.recorded_sfreq,
            )
            for r in prepared.recordings
        ],
        config=record.settings,
        preparation_hash=hash_of_code((pipeline.preparation.continuous,)) if pipeline.preparation.continuous else "",
        verdict=record.verdict,
        scores=[metric for metric in record.metrics if metric.name in record.verdict],
        packages=record.provenance.packages,
    )


def _pair_weights(pipeline: Pipeline) -> dict[str, Tensor]:
    """Return the tensors of encoder, target and bridge, the scales, and the mean condition."""
    import torch

    parts = torch.load(pipeline.place(pipeline.align) / WEIGHTS, map_location="cpu", weights_only=True)
    weights = _prefixed(parts)
    weights["scale"] = torch.from_numpy(np.load(pipeline.place(pipeline.prepare) / "scale.npy"))
    with np.load(pipeline.place(pipeline.embed) / "condition_mean.npz") as mean:
        # all items are the same
        weights |= {f"mean.{name}": torch.from_numpy(mean[name][:1]) for name in ("tokens", "pooled")}
    return weights


def _generator_weights(pipeline: Pipeline) -> dict[str, Tensor]:
    """Return the tensors of autoencoder, denoiser and vocoder; Griffin-Lim has none."""
    import torch

    from eeg2speech_bench.core.generator.vocoder import build_vocoder

    stages = {"autoencoder": pipeline.autoencoder, "denoiser": pipeline.diffuse}
    parts = {
        name: torch.load(pipeline.place(stage) / WEIGHTS, map_location="cpu", weights_only=True)
        for name, stage in stages.items()
    }
    return _prefixed(parts | {"vocoder": build_vocoder(pipeline.config.vocoder).state_dict()})


def _prefixed(parts: dict[str, dict[str, Any]]) -> dict[str, Tensor]:
    import torch

    flat = {f"{part}.{name}": value for part, state in parts.items() for name, value in state.items()}
    for name, value in flat.items():
        if not isinstance(value, torch.Tensor):
            raise ContractError(
                f"Weight '{name}' cannot be kept",
                got=type(value).__name__,
                expected="a tensor",
                then="Register it as a buffer or a parameter.",
            )
    return flat

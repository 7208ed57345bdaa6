"""Declares the inputs of each stage; all but places and devices are part of its key."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel

from eeg2speech_bench.benchmarks.models.pair import Pair
from eeg2speech_bench.core.presets.config import (
    AlignmentConfig,
    AutoencoderConfig,
    DataConfig,
    DenoiserConfig,
    DiffusionConfig,
    SamplingConfig,
    ScoresConfig,
    VocoderConfig,
)
from eeg2speech_bench.core.segments.held_out import HeldOut
from eeg2speech_bench.core.segments.recordings import SpeechDataset
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.specs import MetricSpec, PreparationSpec, TargetSpec

#: settings that name weights or models, by parts of their names
WEIGHTS_KEYS = ("checkpoint", "model", "weights", "path", "file", "folder")
#: endings of files of weights, which an option of a plugin may name whatever it is called
WEIGHTS_SUFFIXES = {".bin", ".ckpt", ".joblib", ".npy", ".npz", ".onnx", ".pkl", ".pt", ".pth", ".safetensors"}
#: keys of section ``data`` that choose among prepared segments, and change none
OF_LISTENERS = {"held_out_listeners", "calibration_min"}
#: fields of declarations that are for readers
FOR_READERS = ("summary", "citation", "licence", "on_request", "pretrained")


@dataclass(frozen=True)
class StageInputs:
    """Holds what a stage is given, and says which of it decides the result."""

    #: what the stage is called
    name: ClassVar[str]
    #: whether it keeps checkpoints while it runs, as trainings do
    trains: ClassVar[bool] = False
    #: fields that do not decide the result
    undecisive: ClassVar[tuple[str, ...]] = ("device",)

    def settings(self) -> dict[str, Any]:
        """Return everything that decides the result as JSON values; where inputs lie is left out."""
        decisive = ((f.name, getattr(self, f.name)) for f in fields(self) if f.name not in self.undecisive)
        return {name: json_value(value) for name, value in decisive if not isinstance(value, Path)}

    def weights(self) -> list[Path]:
        """Return the files and folders that settings name as weights or models."""
        return sorted(set(_existing(self.settings(), named=False)))


@dataclass(frozen=True)
class ListenerInputs(StageInputs):
    """Holds what a stage is given that knows new listeners from known ones; the preparation does not."""

    prepared: Path
    held_out: HeldOut = field(default=0, kw_only=True)

    def store(self) -> SegmentStore:
        """Open the segments, with the listeners held out."""
        return SegmentStore(self.prepared, self.held_out)


def json_value(value: Any) -> Any:
    """Return a value of a stage's inputs as JSON; texts for readers are left out of declarations."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value):
        return {f.name: json_value(getattr(value, f.name)) for f in fields(value) if f.name not in FOR_READERS}
    if isinstance(value, Mapping):
        return {str(key): json_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _existing(tree: Any, *, named: bool) -> Iterator[Path]:
    """Yield what exists of what settings name; a word that happens to be a folder here is no path."""
    if isinstance(tree, dict):
        for key, inner in tree.items():
            yield from _existing(inner, named=named or any(word in key for word in WEIGHTS_KEYS))
    elif isinstance(tree, list):
        for inner in tree:
            yield from _existing(inner, named=named)
    elif isinstance(tree, str) and (named or _looks_like_a_path(tree)):
        path = Path(tree).expanduser()
        if tree and path.exists():
            yield path.absolute()


def _looks_like_a_path(text: str) -> bool:
    return os.sep in text or Path(text).suffix in WEIGHTS_SUFFIXES


@dataclass(frozen=True)
class PrepareInputs(StageInputs):
    """Recordings and audio become segments."""

    name = "prepare"
    trains = True
    dataset: SpeechDataset
    preparation: PreparationSpec
    data: DataConfig

    def settings(self) -> dict[str, Any]:
        """Return name and revision of the data set, and how it is cut."""
        data = self.data.model_dump(mode="json", exclude=OF_LISTENERS)
        return {"dataset": self.dataset.name, "revision": self.dataset.revision, "data": data}


@dataclass(frozen=True)
class FeaturesInputs(StageInputs):
    """Stimuli become target frames."""

    name = "features"
    prepared: Path
    target: TargetSpec
    target_options: dict[str, Any]


@dataclass(frozen=True)
class ClipsInputs(ListenerInputs):
    """Test segments are chosen for generation, the same for every encoder and seed."""

    name = "clips"
    n_clips: int


@dataclass(frozen=True)
class AutoencoderInputs(StageInputs):
    """Training audio becomes an autoencoder; all audio becomes latents."""

    name = "autoencoder"
    trains = True
    prepared: Path
    autoencoder: AutoencoderConfig
    device: str
    precision: str
    n_devices: int = 1
    compiled: bool = False


@dataclass(frozen=True)
class CeilingsInputs(StageInputs):
    """True clips go through parts of the generator."""

    name = "ceilings"
    prepared: Path
    clips: Path
    latents: Path
    autoencoder: AutoencoderConfig
    vocoder: VocoderConfig
    device: str


@dataclass(frozen=True)
class TuneInputs(ListenerInputs):
    """Settings are searched that an encoder trains with: around the preset's ``common`` ones, the same for all."""

    name = "tune"
    trains = True
    features: Path
    pair: Pair
    alignment: AlignmentConfig
    common: AlignmentConfig
    seed: int
    device: str
    precision: str
    n_devices: int = 1
    compiled: bool = False


@dataclass(frozen=True)
class AlignInputs(ListenerInputs):
    """Encoder and target learn one space, with the settings that were ``tuned`` where there was a search."""

    name = "align"
    trains = True
    features: Path
    pair: Pair
    alignment: AlignmentConfig
    seed: int
    device: str
    precision: str
    n_devices: int = 1
    compiled: bool = False
    tuned: Path | None = None


@dataclass(frozen=True)
class CalibrateInputs(ListenerInputs):
    """New listeners get a place among known ones."""

    name = "calibrate"
    features: Path
    aligned: Path
    pair: Pair
    minutes: float
    device: str


@dataclass(frozen=True)
class EmbedInputs(ListenerInputs):
    """Test signal and controls become scores and conditions."""

    name = "embed"
    features: Path
    clips: Path
    aligned: Path
    calibration: Path | None = field(default=None, kw_only=True)
    pair: Pair
    standardise: bool
    seed: int
    device: str


@dataclass(frozen=True)
class WordsInputs(ListenerInputs):
    """Test signal and controls at word onsets become scores."""

    name = "words"
    features: Path
    aligned: Path
    pair: Pair
    seed: int
    device: str


@dataclass(frozen=True)
class ProbesInputs(ListenerInputs):
    """Embeddings of test signal and controls become what linear models read out of them."""

    name = "probes"
    features: Path
    aligned: Path
    pair: Pair
    block_s: float
    seed: int
    device: str


@dataclass(frozen=True)
class DiffuseInputs(ListenerInputs):
    """Latents and conditions become a denoiser."""

    name = "diffuse"
    trains = True
    features: Path
    aligned: Path
    latents: Path
    pair: Pair
    autoencoder: AutoencoderConfig
    denoiser: DenoiserConfig
    diffusion: DiffusionConfig
    seed: int
    device: str
    precision: str
    n_devices: int = 1
    compiled: bool = False


@dataclass(frozen=True)
class GenerateInputs(StageInputs):
    """Conditions become speech."""

    name = "generate"
    prepared: Path
    clips: Path
    embedded: Path
    latents: Path
    diffused: Path
    conditions: tuple[str, ...]
    autoencoder: AutoencoderConfig
    denoiser: DenoiserConfig
    diffusion: DiffusionConfig
    sampling: SamplingConfig
    vocoder: VocoderConfig
    seed: int
    device: str


@dataclass(frozen=True)
class ScoreInputs(ListenerInputs):
    """Scores and speech become metrics with intervals and tests."""

    name = "score"
    embedded: Path
    words: Path | None
    generated: Path | None
    ceilings: Path | None
    conditions: tuple[str, ...]
    metrics: tuple[MetricSpec, ...]
    scores: ScoresConfig
    modality: str
    seed: int
    probes: Path | None = None

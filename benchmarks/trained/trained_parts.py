"""Rebuilds encoder, target and generator of a model through the registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.benchmarks.plugin_source import source_hash_of
from eeg2speech_bench.benchmarks.trained.model_folder import (
    GENERATOR,
    PAIR,
    ModelDescription,
    PluginOrigin,
    read_weights,
)
from eeg2speech_bench.core.errors import BenchError, UnknownNameError, naming_plugin
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.segments.segment_store import SignalInfo
from eeg2speech_bench.core.specs import Spec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from eeg2speech_bench.core.conditioning import Conditioning, Encoder, Target
    from eeg2speech_bench.core.contrastive.bridge import Bridge
    from eeg2speech_bench.core.generator.conditioner import Conditioner
    from eeg2speech_bench.core.generator.denoiser import ConditionedDenoiser
    from eeg2speech_bench.core.generator.latent_autoencoder import LatentAutoencoder


@dataclass(frozen=True)
class TrainedPair:
    """What maps EEG to conditions.

    Attributes
    ----------
    conditioner : Conditioner
    scales : array of float32, shape (n_recordings, n_chans)
    mean : Conditioning
        The mean condition of training segments, one item.
    """

    conditioner: Conditioner
    scales: np.ndarray
    mean: Conditioning


@dataclass(frozen=True)
class TrainedGenerator:
    """What maps conditions to speech."""

    autoencoder: LatentAutoencoder
    denoiser: ConditionedDenoiser
    vocoder: nn.Module


def signal_of(description: ModelDescription) -> SignalInfo:
    """Return the EEG of a window, as encoders are told of it."""
    signal = description.signal
    chs_info = tuple({**c, "loc": np.asarray(c["loc"], dtype=float)} for c in signal.chs_info)
    sound_rate_hz = description.sound.rate_hz if description.sound.kind == "waveform" else None
    n_subjects = len(description.listeners)
    return SignalInfo(signal.n_chans, signal.n_times, signal.sfreq, chs_info, n_subjects, sound_rate_hz=sound_rate_hz)


def load_pair(
    folder: Path, description: ModelDescription, registry: Registry, device: str, *, anyway: bool
) -> TrainedPair:
    """Rebuild encoder and target, and give them their weights.

    Raises
    ------
    BenchError
        If a plugin is missing, its source is not what was trained (unless ``anyway``), or it cannot be built.
    """
    from eeg2speech_bench.core.conditioning import Conditioning
    from eeg2speech_bench.core.generator.conditioner import Conditioner

    weights = read_weights(folder, description, PAIR)
    encoder, target = _build_pair(description, registry, anyway=anyway)
    _fill(f"Encoder '{description.encoder.name}'", encoder, _part(weights, "encoder"))
    _fill(f"Target '{description.target.name}'", target, _part(weights, "target"))
    bridge = _bridge(_part(weights, "bridge"))
    standardise = description.config.diffusion.standardise
    conditioner = Conditioner(description.encoder.name, encoder, target, bridge, standardise=standardise).to(device)
    mean = Conditioning.from_tokens(weights["mean.tokens"].to(device))
    mean.pooled = weights["mean.pooled"].to(device)
    return TrainedPair(conditioner, weights["scale"].numpy(), mean)


def _build_pair(description: ModelDescription, registry: Registry, *, anyway: bool) -> tuple[Encoder, Target]:
    from eeg2speech_bench.core.conditioning import SoundInfo

    sound = description.sound
    target_class = _spec_of("target", description.target, registry, anyway=anyway).load()
    encoder_class = _spec_of("encoder", description.encoder, registry, anyway=anyway).load()
    with naming_plugin(f"Target '{description.target.name}'"):
        about = SoundInfo(sound.kind, sound.rate_hz, description.config.data.window_s)
        target = target_class.build(about, **description.target.options)
    with naming_plugin(f"Encoder '{description.encoder.name}'"):
        encoder = encoder_class.build(signal_of(description), target.info, **description.encoder.options)
    return encoder, target


def check_plugins(description: ModelDescription, registry: Registry, *, anyway: bool) -> None:
    """Refuse a model whose encoder or target is not here; nothing is imported.

    Raises
    ------
    BenchError
        If one is missing, or its source is not what was trained (unless ``anyway``).
    """
    for kind, origin in (("target", description.target), ("encoder", description.encoder)):
        _spec_of(kind, origin, registry, anyway=anyway)


def _spec_of(kind: str, origin: PluginOrigin, registry: Registry, *, anyway: bool) -> Spec:
    """Return what a plugin declares, if it is what was trained."""
    made_by = f"{origin.distribution} {origin.version}"
    try:
        spec: Spec = registry.get(kind, origin.name)
    except UnknownNameError as error:
        then = (
            "Give the object to benchmarks.run in this session, or make a plugin of it."
            if origin.distribution == "python"
            else f"Install {made_by}, or name its file with --plugin."
        )
        raise BenchError(
            f"The model needs {kind} '{origin.name}', which is not here", got=str(error), expected=made_by, then=then
        ) from None
    here = source_hash_of(spec)
    if here != origin.source_hash and not anyway:
        now = registry.provenance(kind, origin.name)
        raise BenchError(
            f"{kind.capitalize()} '{origin.name}' is not the code that was trained",
            got=f"{now.distribution} {now.version}, source {here}",
            expected=f"{made_by}, source {origin.source_hash}",
            then="Install what it was trained with, or use it all the same with --anyway (anyway=True).",
        )
    return spec


def _fill(what: str, module: nn.Module, state: Mapping[str, Tensor]) -> None:
    with naming_plugin(what):
        module.load_state_dict(state)
    module.eval()


def _part(weights: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{part}."): value for name, value in weights.items() if name.startswith(f"{part}.")}


def _bridge(state: Mapping[str, Tensor]) -> Bridge | None:
    from eeg2speech_bench.core.contrastive.bridge import Bridge

    return Bridge.from_state(state) if state else None


def load_generator(folder: Path, description: ModelDescription, device: str) -> TrainedGenerator:
    """Rebuild autoencoder, denoiser and vocoder, and give them their weights.

    Raises
    ------
    BenchError
        If the cell was scored by retrieval alone.
    """

    from eeg2speech_bench.benchmarks.models.generator import empty_autoencoder, for_inference
    from eeg2speech_bench.core.generator.denoiser import ConditionedDenoiser

    if not description.generates:
        then = "Run that cell without --scores retrieval, on a data set with audio."
        raise BenchError("This model makes no speech", got="a cell of retrieval alone", then=then)
    weights, config = read_weights(folder, description, GENERATOR), description.config
    autoencoder = empty_autoencoder(config.autoencoder)
    autoencoder.load_state_dict(_part(weights, "autoencoder"))
    channels, _, bands = latent_shape_of(description)
    state = _part(weights, "denoiser")
    denoiser = ConditionedDenoiser(config.denoiser, channels, bands, len(state["null"]), config.diffusion)
    denoiser.load_state_dict(state)
    vocoder = _vocoder(description, _part(weights, "vocoder"))
    return TrainedGenerator(
        for_inference(autoencoder.to(device)), for_inference(denoiser.to(device)), vocoder.to(device).eval()
    )


def _vocoder(description: ModelDescription, state: Mapping[str, Tensor]) -> nn.Module:
    from eeg2speech_bench.core.generator.vocoder import build_vocoder

    vocoder = build_vocoder(description.config.vocoder)
    vocoder.load_state_dict(state)
    return vocoder


def latent_shape_of(description: ModelDescription) -> tuple[int, int, int]:
    """Return (latent_channels, n_latent_frames, n_latent_bands) of a window."""
    from eeg2speech_bench.core.generator.denoiser import latent_shape

    config = description.config
    return latent_shape(config.autoencoder.clip_s or config.data.window_s, config.autoencoder, config.denoiser)

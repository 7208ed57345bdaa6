"""Registers the encoders, the audio targets, and the verbs that are about plugins."""

from __future__ import annotations

from typing import Any

from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.specs import CommandSpec, EncoderSpec, TargetSpec
from eeg2speech_bench.plugins.encoders.braindecode import cards as braindecode
from eeg2speech_bench.plugins.encoders.sklearn import rows as scikit_learn

_ENCODERS = "eeg2speech_bench.plugins.encoders"
_TARGETS = "eeg2speech_bench.plugins.targets"


@hookimpl
def register_encoders() -> list[EncoderSpec]:
    """Return the encoders that ship with the suite."""
    return [
        EncoderSpec(
            "brainmagick",
            f"{_ENCODERS}.brainmagick:Brainmagick",
            "convolutional brain module with spatial attention and subject layers",
            needs=("positions",),
            citation="Defossez et al. 2023, Nature Machine Intelligence 5:1097",
        ),
        EncoderSpec(
            "ridge",
            f"{_ENCODERS}.ridge:Ridge",
            "time-lagged ridge regression to the mel target, the linear floor",
            audio_target="mel",
            baseline=True,
            citation="Crosse et al. 2016, Frontiers in Human Neuroscience 10:604",
        ),
        EncoderSpec(
            "precomputed",
            f"{_ENCODERS}.precomputed:Precomputed",
            "embeddings that the data set brings, as they are",
            on_request="only data sets of embeddings can be read",
        ),
        *scikit_learn.specs(),
        *_baselines(),
        *_clap(),
        *braindecode.specs(),
    ]


def _clap() -> list[EncoderSpec]:
    """Return the references that read what was said, or the sound itself."""
    module = f"{_ENCODERS}.clap"
    common: dict[str, Any] = {
        "audio_target": "clap",
        "pretrained": "any CLAP of transformers or LAION (laion/clap-htsat-unfused: LAION-Audio-630K, AudioSet)",
        "citation": "Wu et al. 2023, ICASSP, arXiv 2211.06687",
    }
    return [
        EncoderSpec(
            "clap-text",
            f"{module}:ClapText",
            "CLAP's text tower on the transcript, what AudioLDM was built for",
            modality="text",
            needs=("transcript", "audio"),
            **common,
        ),
        EncoderSpec(
            "clap-audio",
            f"{module}:ClapAudio",
            "CLAP's audio tower on the sound itself",
            modality="audio",
            needs=("audio",),
            ceiling=True,
            **common,
        ),
    ]


def _baselines() -> list[EncoderSpec]:
    """Return the floors that know nothing of the sound from the EEG."""
    module = f"{_ENCODERS}.baselines"
    return [
        EncoderSpec(
            "noise-trained",
            f"{module}:NoiseTrained",
            "the brain module, trained on EEG of randomised phases",
            needs=("positions",),
            baseline=True,
            citation="Jo et al. 2024, arXiv 2405.06459",
        ),
        EncoderSpec(
            "random-weights",
            f"{module}:RandomWeights",
            "the brain module, never trained",
            needs=("positions",),
            audio_target="mel",
            baseline=True,
        ),
        EncoderSpec("subject-id", f"{module}:SubjectOnly", "one answer per listener", baseline=True),
        EncoderSpec("time-only", f"{module}:TimeOnly", "an answer to the time since the start", baseline=True),
        EncoderSpec("mean", f"{module}:MeanTarget", "the mean embedding", audio_target="mel", baseline=True),
    ]


@hookimpl
def register_targets() -> list[TargetSpec]:
    """Return the audio targets that ship with the suite."""
    return [
        TargetSpec("mel", f"{_TARGETS}.mel:MelTarget", "log-mel frames, standardised"),
        TargetSpec("deep_mel", f"{_TARGETS}.deep_mel:DeepMelTarget", "convolutions on log-mel, trained jointly"),
        TargetSpec("clap", f"{_TARGETS}.clap:ClapTarget", "CLAP's audio tower, one token per window"),
        TargetSpec("wav2vec2", f"{_TARGETS}.wav2vec2:Wav2Vec2Target", "hidden layers of wav2vec 2.0, frozen"),
    ]


@hookimpl
def register_commands() -> list[CommandSpec]:
    """Return the verbs ``encoders``, ``check`` and ``new``."""
    room = "eeg2speech_bench.plugins"
    return [
        CommandSpec(
            "encoders",
            f"{room}.listing:encoders",
            "list the encoders, and the plugins that are broken or slow",
            configure=f"{room}.listing:configure",
        ),
        CommandSpec(
            "check",
            f"{room}.checking:check",
            "check that an encoder keeps the contract, on tiny data",
            configure=f"{room}.checking:configure",
        ),
        CommandSpec(
            "new",
            f"{room}.scaffold:new",
            "write the package of a new encoder, ready to install",
            configure=f"{room}.scaffold:configure",
        ),
    ]

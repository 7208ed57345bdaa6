"""What the plugins room registers: encoders and audio targets."""

from __future__ import annotations

from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.specs import EncoderSpec, TargetSpec

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
    ]


@hookimpl
def register_targets() -> list[TargetSpec]:
    """Return the audio targets that ship with the suite."""
    return [
        TargetSpec("mel", f"{_TARGETS}.mel:MelTarget", "log-mel frames, standardised"),
        TargetSpec("deep_mel", f"{_TARGETS}.deep_mel:DeepMelTarget", "convolutions on log-mel, trained jointly"),
        TargetSpec("wav2vec2", f"{_TARGETS}.wav2vec2:Wav2Vec2Target", "hidden layers of wav2vec 2.0, frozen"),
    ]

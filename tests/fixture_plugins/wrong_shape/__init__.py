"""A plugin that loads, and fails in training."""

from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.specs import EncoderSpec


@hookimpl
def register_encoders():
    return [EncoderSpec("wrong-shape", "wrong_shape.encoder:Flat", "fails in training")]

"""A plugin whose hook wants what nobody gives."""

from eeg2speech_bench.core.registry.hookspecs import hookimpl
from eeg2speech_bench.core.registry.specs import EncoderSpec


@hookimpl
def register_encoders(recordings):
    return [EncoderSpec("impossible", "impossible_signature:Net", str(recordings))]

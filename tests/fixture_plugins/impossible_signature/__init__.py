"""A plugin whose hook wants what nobody gives."""

from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.specs import EncoderSpec


@hookimpl
def register_encoders(recordings):
    return [EncoderSpec("impossible", "impossible_signature:Net", str(recordings))]

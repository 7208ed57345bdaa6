"""A plugin that takes a name of the suite, and one of its own."""

from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.specs import EncoderSpec


@hookimpl
def register_encoders():
    return [
        EncoderSpec("brainmagick", "reuses_name:Other", "not the one"),
        EncoderSpec("own-name", "reuses_name:Other", "keeps its row"),
    ]

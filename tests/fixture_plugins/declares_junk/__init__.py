"""A plugin that declares all sorts of things, and one encoder."""

from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.specs import EncoderSpec


@hookimpl
def register_encoders():
    return [
        42,
        EncoderSpec("two words", "declares_junk:Net"),
        EncoderSpec("<script>alert(1)</script>", "declares_junk:Net"),
        EncoderSpec("no-target", "declares_junk"),
        EncoderSpec("not-there", "not_installed_anywhere:Net"),
        EncoderSpec("needy", "declares_junk:Net", needs=("positions")),
        EncoderSpec("sound", "declares_junk:Net", "the one that is sound"),
    ]

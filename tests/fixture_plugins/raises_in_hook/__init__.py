"""A plugin with one hook that raises, and one that does not."""

from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.specs import TargetSpec


@hookimpl
def register_encoders():
    return [{}["weights"]]


@hookimpl
def register_targets():
    return [TargetSpec("sound-of-raises", "raises_in_hook:register_targets", "declared in spite of it")]

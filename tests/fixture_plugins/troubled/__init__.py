"""A plugin whose encoders are sound, but meet trouble when they are fitted for the first time."""

from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.specs import EncoderSpec

KINDS = {
    "raises-once": "raises an error",
    "exits-always": "ends its process from native code, every time",
    "killed-once": "has its job killed before it can say a word",
    "told-once": "gets the signal that Slurm sends before a time limit",
    "preempted-once": "waits for a job that takes its place",
    "requeued-once": "is queued again by somebody else",
    "sound-1": "meets none",
    "sound-2": "meets none",
    "sound-3": "meets none",
    "sound-4": "meets none",
}


@hookimpl
def register_encoders():
    return [EncoderSpec(name, f"troubled.encoders:{_class(name)}", summary) for name, summary in KINDS.items()]


def _class(name):
    return "Sound" if name.startswith("sound") else "".join(map(str.title, name.split("-")))

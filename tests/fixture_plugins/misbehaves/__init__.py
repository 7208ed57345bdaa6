"""A plugin whose encoders end, hang or change the process that they run in."""

from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.specs import EncoderSpec

KINDS = {
    "exits-in-build": "calls sys.exit(0) in its constructor",
    "exits-in-fit": "calls sys.exit(0) in its fit",
    "vanishes": "ends its process from native code, with exit code 0",
    "crashes": "crashes in native code",
    "is-killed": "is killed as the system kills what takes all memory",
    "hangs": "never comes back",
    "grows": "takes more and more memory",
    "moves": "changes the working directory",
    "retypes": "sets another default dtype",
    "reseeds": "replaces torch.manual_seed",
    "lingers": "leaves a thread behind that never ends",
}


@hookimpl
def register_encoders():
    return [
        EncoderSpec(name, f"misbehaves.encoders:{''.join(map(str.title, name.split('-')))}", summary)
        for name, summary in KINDS.items()
    ]

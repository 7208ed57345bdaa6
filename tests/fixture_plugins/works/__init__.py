"""A plugin as it should be: an encoder, and a verb of its own; what it prints on import is not for programs."""

import os

from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.specs import CommandSpec, EncoderSpec

print("printed on import by Python")
os.system("echo printed on import by a program")


@hookimpl
def register_encoders():
    return [EncoderSpec("works", "works.encoder:Works", "100% of it [red]works[/red]")]


@hookimpl
def register_commands():
    return [CommandSpec("greet", "works.greeting:greet", "greets 100%", configure="works.greeting:configure")]

"""A plugin that works and takes its time; it leaves a mark where it is told to."""

import os
import time
from pathlib import Path

from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.specs import EncoderSpec

if "SLOW_IMPORT_MARK" in os.environ:
    Path(os.environ["SLOW_IMPORT_MARK"]).write_text("imported")
time.sleep(float(os.environ.get("SLOW_IMPORT_S", "5")))


@hookimpl
def register_encoders():
    return [EncoderSpec("slow", "slow_import:Slow", "comes late")]

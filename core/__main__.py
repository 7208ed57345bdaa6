"""Runs the command line as ``python -m eeg2speech_bench.core``."""

import sys

from eeg2speech_bench.core.cli import main

if __name__ == "__main__":
    sys.exit(main())

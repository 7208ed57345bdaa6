"""Silences libraries that would write between the lines of a run."""

from __future__ import annotations

import logging
import os
import warnings


def silence_libraries() -> None:
    """Silence notices of MNE, matplotlib, transformers and the hub that do not change a number.

    Errors and our own messages pass; a warning that would change a number is an error in this project.
    """
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("MNE_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # core.weights says what it would report
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    for module in ("lightning", "mne", "mne_bids", "diffusers", "torch"):
        warnings.filterwarnings("ignore", module=rf"{module}(\..*)?")

"""Turns the models of braindecode into encoders: one class per model, made on first use."""

from __future__ import annotations

from functools import cache
from typing import Any

from eeg2speech_bench.plugins.encoders.braindecode.cards import catalogue


@cache  # pickle asks for the class by its name and expects the same one
def __getattr__(name: str) -> Any:
    """Return the encoder of a class of `braindecode.models`."""
    for card in catalogue().values():
        if card.cls == name:
            from eeg2speech_bench.plugins.encoders.braindecode.encoder import encoder_class

            return encoder_class(card, __name__)
    raise AttributeError(f"braindecode has no model '{name}' in the table of encoders")

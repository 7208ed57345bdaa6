"""Turns the models of braindecode into encoders: one class per model, made on first use."""

from __future__ import annotations

from typing import Any

from eeg2speech_bench.plugins.encoders.braindecode.cards import catalogue


def __getattr__(name: str) -> Any:
    """Make the encoder of a class of `braindecode.models` on first use, and keep it, so that it can be pickled."""
    for card in catalogue().values():
        if card.cls == name:
            from eeg2speech_bench.plugins.encoders.braindecode.encoder import encoder_class

            return globals().setdefault(name, encoder_class(card, __name__))
    raise AttributeError(f"braindecode has no model '{name}' in the table of encoders")

"""Describes how a stage was trained, as records hold it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from eeg2speech_bench.core.records.part import RecordPart, Whole


class Training(RecordPart):
    """How one stage was trained.

    Attributes
    ----------
    method : str
        ``"gradient"`` or ``"closed form"``; empty if there is but one way.
    n_steps : int, optional
        Optimiser steps; None for a closed form.
    n_parameters : int or dict of str to int
        By part, where the stage trains several.
    history : list of dict
        Numbers by name, in the order of the steps or epochs.
    settings, chosen : dict
        Optimiser settings, and the step that the weights are of.
    trials : list of dict
        The settings that were tried where there was a choice.
    fitted : dict
        What a closed form settled on.
    adaptations : dict
        What was changed to fit the encoder to the data.
    pretraining : dict
        Of an encoder with pretrained weights: ``strategy``, ``weights``, ``revision``, the data that they were
        ``trained_on``, ``initial`` ("pretrained", or "random" in the twin), and ``n_trained`` parameters.
    """

    method: str = ""
    n_steps: Whole | None = None
    n_parameters: dict[str, Whole] | Whole = 0
    history: list[dict[str, Any]] = Field([])
    settings: dict[str, Any] = Field({})
    chosen: dict[str, Any] = Field({})
    trials: list[dict[str, Any]] = Field([])
    fitted: dict[str, Any] = Field({})
    adaptations: dict[str, Any] = Field({})
    pretraining: dict[str, Any] = Field({})

    @property
    def n_encoder_parameters(self) -> int | None:
        """Parameters of the encoder; None for a stage that trains none."""
        return self.n_parameters.get("encoder") if isinstance(self.n_parameters, dict) else None


#: stands for a stage that never ran
UNTRAINED = Training()

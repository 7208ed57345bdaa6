"""Cells: encoder x data set x seed, under one configuration."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from eeg2speech_bench.core.presets.config import RunConfig
from eeg2speech_bench.core.records.cell_id import CellId


@dataclass(frozen=True)
class Cell:
    """One run of the benchmark.

    Attributes
    ----------
    encoder : str
    dataset : str
        As it was typed: a registered name, ``name:argument`` or a folder.
    dataset_name : str
        What tables call it.
    seed : int
    config : RunConfig
    """

    encoder: str
    dataset: str
    dataset_name: str
    seed: int
    config: RunConfig

    @property
    def is_twin(self) -> bool:
        """Whether this is the twin of a cell, trained on surrogate EEG: a floor, whatever its encoder is."""
        return self.config.alignment.train_on == "surrogate"

    @property
    def label(self) -> str:
        """What a person calls this cell's encoder."""
        return f"{self.encoder}, trained on surrogate EEG" if self.is_twin else self.encoder

    @property
    def id(self) -> str:
        """Readable name that is unique to encoder, data set, configuration and seed; used for files."""
        text = json.dumps(self.config.model_dump(mode="json"), sort_keys=True)
        digest = hashlib.sha256(f"{self.dataset}\x1f{text}".encode()).hexdigest()[:8]
        parts = (self.encoder, self.dataset_name, self.config.preset, f"seed{self.seed}", digest)
        return "__".join("".join(c if c.isalnum() or c in "-." else "-" for c in part) for part in parts)

    def describe(self) -> CellId:
        """Return what makes this cell this one, for the record."""
        return CellId(
            id=self.id,
            encoder=self.encoder,
            label=self.label,
            dataset=self.dataset_name,
            dataset_argument=self.dataset,
            preset=self.config.preset,
            preset_version=self.config.version,
            seed=self.seed,
        )

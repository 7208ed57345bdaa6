"""Defines a cell: one encoder on one data set with one seed, under one configuration."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from eeg2speech_bench.core.presets.config import RunConfig
from eeg2speech_bench.core.records.cell_id import CellId
from eeg2speech_bench.core.segments.channel_types import signal_name
from eeg2speech_bench.core.weights.strategies import title_of

#: bytes of an encoder's, a data set's and a preset's name that the name of a cell's files keeps; it has 150 at most
NAME_BYTES, PRESET_BYTES = 45, 16


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
    revision : str
        Of its content: a cell on other data is another cell, and its record stands beside the first.
    seed : int
    config : RunConfig
    """

    encoder: str
    dataset: str
    dataset_name: str
    revision: str
    seed: int
    config: RunConfig

    @property
    def is_twin(self) -> bool:
        """Whether it was trained on surrogate signals; such a twin of a cell is a floor, whatever its encoder is."""
        return self.config.alignment.train_on == "surrogate"

    @property
    def label(self) -> str:
        """What a person calls this cell's encoder."""
        title = title_of(self.encoder, self.config.encoder.get(self.encoder, {}))
        twin = f", trained on surrogate {signal_name(self.config.data.picks)}" if self.is_twin else ""
        asked = self.config.data.held_out_listeners
        fold = f" {asked}" if isinstance(asked, str) else ""
        return f"{title}{twin}" + (f", new listeners{fold}" if asked else "")

    @property
    def id(self) -> str:
        """Readable name that is unique to encoder, data set, its revision, configuration and seed; used for files."""
        named = [self.encoder, self.dataset, self.dataset_name, self.revision, self.config.model_dump(mode="json")]
        digest = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:8]
        names = (_plain(self.encoder, NAME_BYTES), _plain(self.dataset_name, NAME_BYTES))
        return "__".join((*names, _plain(self.config.preset, PRESET_BYTES), f"seed{self.seed}", digest))

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


def _plain(name: str, n_bytes: int) -> str:
    """Keep what a file name may have, up to a length."""
    plain = "".join(c if c.isalnum() or c in "-." else "-" for c in name)
    return plain.encode()[:n_bytes].decode(errors="ignore")

"""Writes down which cells are to be run, so that any process on any machine can run one of them."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from eeg2speech_bench.benchmarks.cells import Cell
from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.presets.config import RunConfig
from eeg2speech_bench.core.registry.discovery import PluginChoice
from eeg2speech_bench.core.stages.json_files import write_atomically


class _PlanPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlannedRun(_PlanPart):
    """One cell of a plan: an encoder with a seed, under the configuration of its own."""

    id: str
    encoder: str
    seed: int
    config: RunConfig


class PlanFile(_PlanPart):
    """Everything that a process needs to run any cell of a plan.

    Attributes
    ----------
    version : int
        Of this format; another one is refused.
    dataset, dataset_name, revision : str
        The data set as it was typed, what tables call it, and its content when the plan was made.
    results, cache : Path
        Absolute.
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``.
    plugins : PluginChoice
    command : tuple of str
        What was typed, for the records.
    cells : tuple of PlannedRun
        In the order in which they run.
    keeps_models : bool
        Whether what was trained is kept beside each record.
    keeps_usage : bool
        Whether each report holds a trace of what the cell used of the machine.
    suite : str
        Version of the suite that made a plan for other machines; empty if it runs on this one alone.
    origins : dict of str to str
        Distribution and version of each encoder, in a plan for other machines.
    """

    version: Literal[1] = 1
    dataset: str
    dataset_name: str
    revision: str
    results: Path
    cache: Path
    device: str
    plugins: PluginChoice
    command: tuple[str, ...]
    cells: tuple[PlannedRun, ...]
    keeps_models: bool = True
    keeps_usage: bool = False
    suite: str = ""
    origins: dict[str, str] = {}

    @property
    def name(self) -> str:
        """Its own, the same for the same cells under the same versions, whoever typed what."""
        tree = self.model_dump(mode="json", exclude={"command"})
        digest = hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.cells[0].config.preset}-{len(self.cells)}-cells-{digest}"

    @classmethod
    def of(cls, cells: Iterable[Cell], results: Path, cache: Path, device: str, plugins: PluginChoice) -> Self:
        """Make the plan of some cells on one data set."""
        listed = list(cells)
        first = listed[0]
        return cls(
            dataset=first.dataset,
            dataset_name=first.dataset_name,
            revision=first.revision,
            results=results,
            cache=cache,
            device=device,
            plugins=plugins,
            command=tuple(sys.argv),
            cells=tuple(PlannedRun(id=c.id, encoder=c.encoder, seed=c.seed, config=c.config) for c in listed),
        )

    def cell(self, number: int) -> Cell:
        """Return a cell by its place in the plan."""
        run = self.cells[number]
        return Cell(run.encoder, self.dataset, self.dataset_name, self.revision, run.seed, run.config)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a plan.

        Raises
        ------
        StorageError
            If there is none, or it is damaged or of another version.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            got = str(error).splitlines()[0]
            then = "Make it again with the version of the suite that reads it."
            raise StorageError(f"Plan {path} cannot be read", got=got, then=then) from error

    def write(self, path: Path) -> None:
        """Write the plan, whole or not at all."""
        write_atomically(path, self.model_dump_json(indent=1).encode())

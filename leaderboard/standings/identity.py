"""Identifies a cell: its run, its method, and the terms under which methods may be compared."""

from __future__ import annotations

import hashlib
import json
import marshal
from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from eeg2speech_bench.core.records.convergence import Convergence
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.weights.strategies import WeightsUse, pretrained_options
from eeg2speech_bench.leaderboard.results.history import convergence_of_stage

#: sections of the configuration that are the terms of a competition; the encoder and its optimiser are what competes
_TERMS = ("data", "target", "autoencoder", "denoiser", "diffusion", "sampling", "vocoder")
#: keys of section ``scores`` that choose what is measured and change no number: a run of retrieval alone is one more
#: seed of the run that also generates
_MEASURED = ("which", "extended")
#: keys of section ``alignment`` that say how much training an encoder may have: so many steps, or so many minutes on
#: one kind of machine, which are competitions of their own
_BUDGET = ("max_epochs", "steps_per_epoch", "batch_size", "n_trials")
_MINUTES, _MACHINE = "budget_minutes", ("cpu", "n_cores", "gpus")


#: what an encoder is there for
Kind = Literal["encoder", "baseline", "reference", "ceiling"]

#: those that read the EEG
EEG_KINDS = ("encoder", "baseline")


def kind_of(record: Record) -> Kind:
    """Return what the encoder of a record is there for; only those of kind ``encoder`` compete.

    A reference is told what was said or heard instead of the EEG; a ceiling is a reference that hears the audio.
    """
    encoder = record.encoder
    if encoder.ceiling:
        return "ceiling"
    if encoder.modality != "eeg":
        return "reference"
    return "baseline" if encoder.baseline else "encoder"


def convergence_of(record: Record) -> Convergence:
    """Judge the encoder's own training; that of the generator is the same budget for all, and part of the terms."""
    return convergence_of_stage(record, "align")


class Competition(NamedTuple):
    """What encoders must share to be ranked against each other.

    Attributes
    ----------
    dataset, preset, split, target : str
        Same test windows (``split`` is the hash), same audio target.
    budget : str
        Training that an encoder may have at most, as text.
    terms : str
        Hash of the target's options, the generator, the data settings and the budget.
    revision : str
        Of the data set's content: other data under the same name are another competition.
    """

    dataset: str
    preset: str
    split: str
    target: str
    budget: str
    terms: str
    revision: str

    @property
    def windows(self) -> tuple[str, str, str, str]:
        """Equal where the same windows of the same data are tested under one preset, whatever target and training."""
        return self.dataset, self.preset, self.split, self.revision

    @property
    def text(self) -> str:
        """One line that names it."""
        named = [self.dataset, f"preset {self.preset}", f"target {self.target or 'none'}", self.budget]
        return ", ".join(part for part in named if part)


class Identity(NamedTuple):
    """Hashes that tell cells apart, and what a cell competes in.

    Attributes
    ----------
    config : str
        Of the configuration, but for what chooses which metrics are measured.
    method : str
        Cells that share it differ in data set or seed alone.
    run : str
        Cells that share it differ in the seed alone, so that they have a mean.
    competition : Competition
    family : str
        Of an encoder with pretrained weights: it shares this with its twin, and with nothing else.
    random : bool
        It is the twin.
    """

    config: str
    method: str
    run: str
    competition: Competition
    family: str = ""
    random: bool = False


def identify(record: Record) -> Identity:
    """Identify a cell."""
    scores = {name: value for name, value in record.config.get("scores", {}).items() if name not in _MEASURED}
    cell, encoder, config = record.cell, record.encoder, digest({**record.config, "scores": scores})
    source = [encoder.distribution, encoder.version, encoder.source_hash]
    method = digest([cell.encoder, cell.preset, record.target.name, config, *source])
    data = [cell.dataset, record.dataset.revision]
    found = Identity(config, method, digest([method, *data]), _competition(record))
    use = WeightsUse.of(encoder.options)
    if use is None or not use.weights:
        return found
    options = record.config.get("encoder", {}) | {cell.encoder: pretrained_options(encoder.options)}
    of_family = {**record.config, "scores": scores, "encoder": options}
    family = digest([cell.encoder, cell.preset, record.target.name, of_family, *source, *data])
    return found._replace(family=family, random=use.random)


def without_parts(found: Iterable[tuple[Path, Record]]) -> list[tuple[Path, Record]]:
    """Leave out a cell if another record of the same run and seed holds more metrics."""
    found = sorted(found, key=lambda pair: -len(pair[1].metrics))
    kept: dict[tuple[str, ...], tuple[Path, Record]] = {}
    for path, record in found:
        alone = "" if record.status == "done" else record.cell.id  # a failure is no part of anything
        key = identify(record).run, str(record.cell.seed), record.split.hash or "", alone
        kept.setdefault(key, (path, record))
    return sorted(kept.values(), key=lambda pair: pair[0])


def _competition(record: Record) -> Competition:
    alignment = record.config.get("alignment", {})
    budget = {name: alignment[name] for name in _BUDGET if name in alignment}
    if (minutes := alignment.get(_MINUTES)) is not None:
        hardware = {name: record.provenance.hardware.get(name) for name in _MACHINE}
        budget |= {_MINUTES: minutes, "machine": [record.provenance.device, hardware]}
    terms = [record.target.options, {name: record.config.get(name) for name in _TERMS}, budget]
    return Competition(
        dataset=record.cell.dataset,
        preset=record.cell.preset,
        split=record.split.hash or "",
        target=record.target.name,
        budget=_budget_text(budget),
        terms=digest(terms),
        revision=record.dataset.revision,
    )


def dataset_titles(found: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return what to call each data set: its name, and its revision if several revisions have that name.

    Parameters
    ----------
    found : iterable of (str, str)
        Name and revision.
    """
    revisions: dict[str, set[str]] = {}
    for name, revision in found:
        revisions.setdefault(name, set()).add(revision)
    return {
        (name, revision): f"{name} ({mark})" if len(own) > 1 else name
        for name, own in revisions.items()
        for revision, mark in _short(sorted(own)).items()
    }


def _short(revisions: Collection[str]) -> dict[str, str]:
    """Return the ends of long revisions, where a hash stands; the whole of each where the ends do not differ."""
    ends = {revision: revision if len(revision) <= 12 else revision[-8:] for revision in revisions}
    return ends if len(set(ends.values())) == len(revisions) else {revision: revision for revision in revisions}


def digest(value: Any) -> str:
    """Hash a value of JSON to twelve characters."""
    return _digest_of(marshal.dumps(value, 2))  # a fifth of the time of sorted JSON, which seeds then share


@lru_cache(maxsize=4096)
def _digest_of(content: bytes) -> str:
    return hashlib.sha256(json.dumps(marshal.loads(content), sort_keys=True).encode()).hexdigest()[:12]


def _budget_text(budget: dict[str, Any]) -> str:
    if len(budget) < len(_BUDGET):
        return ""
    if _MINUTES in budget:
        device, hardware = budget["machine"]
        on = hardware["gpus"] if device.startswith("cuda") else f"{hardware['n_cores']} cores of {hardware['cpu']}"
        return f"at most {budget[_MINUTES]:g} min each on {on}{_search_text(budget)}"
    text = f"at most {budget['max_epochs'] * budget['steps_per_epoch']} steps x {budget['batch_size']}"
    return text + _search_text(budget)


def _search_text(budget: dict[str, Any]) -> str:
    return "" if budget["n_trials"] == 1 else f", best of {budget['n_trials']}"

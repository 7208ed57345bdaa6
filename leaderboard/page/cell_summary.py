"""Summarises a cell for the board: scores and costs, small enough to keep ten thousand cells in memory."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from eeg2speech_bench.core.conditions import CONTROLS
from eeg2speech_bench.core.records.convergence import Convergence
from eeg2speech_bench.core.records.metrics import Metric, Verdict
from eeg2speech_bench.core.records.provenance import StageCost, total_seconds
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.leaderboard.page.listening_items import CellClips
from eeg2speech_bench.leaderboard.standings.identity import Kind, convergence_of, identify, kind_of
from eeg2speech_bench.leaderboard.standings.standings import Competitor, competitor
from eeg2speech_bench.leaderboard.tables.listeners import ListenerScores, listener_scores
from eeg2speech_bench.leaderboard.tables.table import budget_text

#: stages that retrieval needs; the others make and score speech
RETRIEVAL_STAGES = ("prepare", "features", "tune", "align", "embed")
#: file names that every system and every address takes as they are
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,149}")


class Score(NamedTuple):
    """One metric of one cell: the value for EEG with its interval, beside chance and controls.

    ``controls`` holds the record's entry of each condition without signal, ``per_subject`` the value of each listener;
    ``title`` is what tables call it: its label, or its name if it has none.
    """

    value: float
    low: float
    high: float
    confidence: float
    n: int
    n_pool: int
    chance: float | None
    higher_is_better: bool
    unit: str
    title: str
    label: str
    note: str
    controls: dict[str, Metric]
    ceiling: float | None
    per_subject: dict[str, float]


@dataclass(eq=False)  # a cell equals itself alone, and lists of them are searched often
class CellSummary:
    """One cell as the table shows it.

    Attributes
    ----------
    name : str
        File name without ending of its page and of its copied record.
    key, method : str
        Equal for cells that differ in nothing but the seed, and in nothing but seed and data set.
    split_hash : str
        Empty if the cell ended before the split was made.
    revision : str
        Of the data set's content.
    about : str
        Who was recorded, as the data set says; ``is_null`` if its EEG and speech are independent.
    segments : str
        SHA-256 of the copied per-segment values; empty if there are none.
    source, digest : str
        Where the record was read, and the SHA-256 of that file.
    convergence : Convergence
        Whether the encoder was still improving when its budget ended.
    modality : str
        What the encoder reads, see `Record.reads`.
    error : str
        Why a cell that is not done has no scores; empty otherwise.
    competitor : Competitor, optional
        None if it takes part in no ranking.
    listeners : ListenerScores, optional
        By groups of listeners, where some were held out.
    scores : dict of str to tuple of float
        Value and bounds of its interval, by metric.
    """

    id: str
    name: str
    encoder: str
    dataset: str
    preset: str
    seed: int
    target: str
    status: str
    key: str
    method: str
    split_hash: str
    source: str
    digest: str
    revision: str
    about: str
    is_null: bool
    error: str
    budget: str
    convergence: Convergence
    kind: Kind
    modality: str
    finished: str
    parameters: int | None
    seconds: float | None
    retrieval_seconds: float | None
    memory_mb: float | None
    energy_wh: float | None
    device: str
    n_subjects: int | None
    n_segments: int | None
    generated: bool
    scores: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    clips: CellClips | None = None
    segments: str = ""
    competitor: Competitor | None = None
    listeners: ListenerScores | None = None


def summarise(record: Record, source: str, digest: str) -> tuple[CellSummary, dict[str, Score]]:
    """Return the summary of a record, and by metric the scores that its row averages."""
    cell, stages, identity = record.cell, record.stages, identify(record)
    made = CellSummary(
        id=cell.id,
        name=plain_name(cell.id),
        encoder=cell.title,
        dataset=cell.dataset,
        preset=cell.preset,
        seed=cell.seed,
        target=record.target.name,
        status=record.status,
        key=identity.run,
        method=identity.method,
        split_hash=record.split.hash or "",
        source=source,
        digest=digest,
        revision=record.dataset.revision,
        about=record.dataset.about,
        is_null=record.dataset.is_null,
        error="" if record.error is None else record.error.text[:2000],
        budget=budget_text(record),
        convergence=convergence_of(record),
        kind=kind_of(record),
        modality=record.reads,
        finished=record.provenance.finished,
        parameters=record.alignment.n_encoder_parameters,
        seconds=total_seconds(stages),
        retrieval_seconds=total_seconds([stage for stage in stages if stage.name in RETRIEVAL_STAGES]),
        memory_mb=max((stage.peak_memory_mb for stage in stages), default=None),
        energy_wh=_total_energy(stages),
        device=record.provenance.device,
        n_subjects=len(record.split.held_out) or record.dataset.n_subjects,
        n_segments=record.dataset.n_segments.get("test"),
        generated=any(stage.name == "generate" for stage in stages),
        competitor=competitor(Path(source), record, identity),
        listeners=listener_scores(Path(source), record),
    )
    if record.status != "done":
        return made, {}
    scores = _scores(record)
    made.scores, made.verdicts = {name: score[:3] for name, score in scores.items()}, record.verdict
    return made, scores


def plain_name(text: str) -> str:
    """Return a file name for any text: the text itself if it is plain, else what is plain of it and a hash."""
    if PLAIN_NAME.fullmatch(text):
        return text
    digest = hashlib.sha256(text.encode("utf8", "surrogatepass")).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '-', text)[:80].strip('-') or 'cell'}-{digest}"


def _total_energy(stages: list[StageCost]) -> float | None:
    """Return the energy of all stages; None unless it was read for each of them."""
    known = [stage.energy_wh for stage in stages if stage.energy_wh is not None]
    return math.fsum(known) if known and len(known) == len(stages) else None


def _scores(record: Record) -> dict[str, Score]:
    by_condition: dict[str, dict[str, Metric]] = {}
    for entry in record.metrics:
        by_condition.setdefault(entry.name, {})[entry.condition] = entry
    return {name: _score(found["eeg"], found) for name, found in by_condition.items() if "eeg" in found}


def _score(eeg: Metric, found: dict[str, Metric]) -> Score:
    controls, ceiling = {c: found[c] for c in CONTROLS if c in found}, found.get("audio")
    return Score(
        eeg.value, eeg.low, eeg.high, eeg.confidence, eeg.n, eeg.n_pool, eeg.chance, eeg.higher_is_better, eeg.unit,
        eeg.title, eeg.label, eeg.note, controls, None if ceiling is None else ceiling.value, eeg.per_subject,
    )  # fmt: skip

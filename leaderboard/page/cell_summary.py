"""What the board keeps in memory of a cell: its scores and costs, small enough for ten thousand cells."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from eeg2speech_bench.core.conditions import CONTROLS
from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.records.schema import RANGES, ROUNDING
from eeg2speech_bench.leaderboard.page.listening_items import CellClips
from eeg2speech_bench.leaderboard.standings.differences import CONFIDENCE
from eeg2speech_bench.leaderboard.standings.identity import Kind, identify, kind_of
from eeg2speech_bench.leaderboard.standings.standings import Entrant, entrant
from eeg2speech_bench.leaderboard.tables.table import budget_text, modality_of

#: stages that retrieval needs; the others make and score speech
RETRIEVAL_STAGES = ("prepare", "features", "align", "embed")
SPLIT_HASH = re.compile(r"[0-9a-f]{0,128}")
#: file names that every system and every address takes as they are
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,149}")


class Score(NamedTuple):
    """One metric of one cell: the value for EEG with its interval, and what it stands beside.

    ``controls`` holds the record's entry of each condition without signal, ``per_subject`` the value of each listener.
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
    controls: dict[str, dict[str, Any]]
    ceiling: float | None
    per_subject: dict[str, float]


@dataclass(eq=False)  # a cell equals itself alone, and lists of them are searched often
class Cell:
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
    error : str
        Why a cell that is not done has no scores; empty otherwise.
    entrant : Entrant, optional
        None if it takes part in no ranking.
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
    verdicts: dict[str, dict[str, Any]] = field(default_factory=dict)
    clips: CellClips | None = None
    segments: str = ""
    entrant: Entrant | None = None


def summarise(record: Record, source: str, digest: str) -> tuple[Cell, dict[str, Score]]:
    """Return what the board keeps of a record, and by metric what goes into the means of its row.

    Raises
    ------
    DataError
        If a number that the board shows is not finite.
    KeyError, TypeError, ValueError, AttributeError
        If the record lacks what every record holds.
    """
    cell, stages = record.cell, record.provenance.get("stages", [])
    for name in ("encoder", "label", "dataset", "preset"):
        if not str(cell.get(name, "")).isprintable():  # marks of direction show a name as another one
            raise DataError(f"The {name}'s name has unprintable characters", got=ascii(cell[name])[:120])
    if not (revision := str(record.dataset.get("revision", ""))).isprintable():
        raise DataError("The data set's revision has unprintable characters", got=ascii(revision)[:120])
    _check_finite(record, stages)
    identity = identify(record)
    made = Cell(
        id=str(cell["id"]),
        name=plain_name(str(cell["id"])),
        encoder=str(cell.get("label", cell["encoder"])),
        dataset=str(cell["dataset"]),
        preset=str(cell["preset"]),
        seed=int(cell["seed"]),
        target=str(record.target.get("name", "")),
        status=record.status if record.status in ("done", "failed", "interrupted") else "failed",
        key=identity.run,
        method=identity.method,
        split_hash=_split_hash(record),
        source=source,
        digest=digest,
        revision=revision,
        about=str(record.dataset.get("about", "")),
        is_null=record.dataset.get("is_null") is True,
        error=error_text(record),
        budget=budget_text(record),
        kind=kind_of(record),
        modality=modality_of(record),
        finished=str(record.provenance.get("finished", "")),
        parameters=record.training.get("align", {}).get("n_parameters", {}).get("encoder"),
        seconds=_seconds(stages),
        retrieval_seconds=_seconds([stage for stage in stages if stage["name"] in RETRIEVAL_STAGES]),
        memory_mb=max((stage["peak_memory_mb"] for stage in stages), default=None),
        energy_wh=_total_energy(stages),
        device=str(record.provenance.get("device", "")),
        n_subjects=record.dataset.get("n_subjects"),
        n_segments=record.dataset.get("n_segments", {}).get("test"),
        generated=any(stage["name"] == "generate" for stage in stages),
        entrant=entrant(Path(source), record, identity),
    )
    if record.status != "done":
        return made, {}
    scores = _scores(record)
    made.scores, made.verdicts = {name: score[:3] for name, score in scores.items()}, _verdicts(record)
    return made, scores


def _check_finite(record: Record, stages: list[dict[str, Any]]) -> None:
    """Refuse numbers that Python reads as infinity, such as 1e999, in all that is drawn and not a metric's own."""
    numbers = [test["p"] for test in record.tests] + [entry["value"] for entry in record.sets]
    numbers += [cost for stage in stages for cost in (stage["seconds"], stage["peak_memory_mb"])]
    numbers += [record.dataset.get("n_subjects") or 0, record.dataset.get("n_segments", {}).get("test") or 0]
    numbers += [record.training.get("align", {}).get("n_parameters", {}).get("encoder") or 0]
    if not math.isfinite(sum(numbers)):
        raise DataError("A number of the record is not finite", then="Run that cell again.")


def _split_hash(record: Record) -> str:
    found = record.split.get("hash") or ""
    if not (isinstance(found, str) and SPLIT_HASH.fullmatch(found)):
        raise DataError("The split's hash is none", got=repr(found)[:120], expected="hexadecimal digits")
    return found


def plain_name(text: str) -> str:
    """Return a file name for any text: the text itself if it is plain, else a plain one with a hash of the text."""
    if PLAIN_NAME.fullmatch(text):
        return text
    digest = hashlib.sha256(text.encode("utf8", "surrogatepass")).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '-', text)[:80].strip('-') or 'cell'}-{digest}"


def error_text(record: Record) -> str:
    """Return phase and reason of a cell that did not finish, in one line."""
    if record.status == "done":
        return ""
    error = record.error or {}
    return f"{error.get('phase', 'unknown phase')}: {error.get('type', '')}: {error.get('message', '')}"[:2000]


def _seconds(stages: list[dict[str, Any]]) -> float | None:
    return math.fsum(stage["seconds"] for stage in stages) if stages else None


def _total_energy(stages: list[dict[str, Any]]) -> float | None:
    """Return the energy of all stages; None unless it was read for each of them."""
    known = [stage["energy_wh"] for stage in stages if stage.get("energy_wh") is not None]
    return math.fsum(known) if known and len(known) == len(stages) else None


def _scores(record: Record) -> dict[str, Score]:
    by_condition: dict[str, dict[str, dict[str, Any]]] = {}
    for entry in record.metrics:
        if not math.isfinite(entry["value"] + entry["low"] + entry["high"] + entry.get("confidence", CONFIDENCE)):
            raise DataError(f"Metric '{entry['name']}' is not a finite number", got=entry["value"])
        if entry["low"] > entry["high"]:
            raise DataError(
                f"An interval of metric '{entry['name']}' is upside down", got=(entry["low"], entry["high"])
            )
        by_condition.setdefault(str(entry["name"]), {})[entry["condition"]] = entry
    return {name: _score(name, found) for name, found in by_condition.items() if "eeg" in found}


def _score(name: str, found: dict[str, dict[str, Any]]) -> Score:
    eeg = found["eeg"]
    score = Score(
        eeg["value"], eeg["low"], eeg["high"], eeg.get("confidence", CONFIDENCE), int(eeg.get("n", 0)),
        int(eeg.get("n_pool", 0)), eeg.get("chance"), bool(eeg.get("higher_is_better", True)), str(eeg.get("unit", "")),
        {c: found[c] for c in CONTROLS if c in found}, found.get("audio", {}).get("value"),
        eeg.get("per_subject") or {},
    )  # fmt: skip
    _check_score(name, score)
    return score


def _check_score(name: str, score: Score) -> None:
    """Refuse what no run can have produced; `leaderboard validate` checks far more, and takes its time."""
    numbers = [*score[:3], *(entry["value"] for entry in score.controls.values())]
    numbers += [x for x in (score.chance, score.ceiling) if x is not None]
    lowest, highest = RANGES.get(name, (-math.inf, math.inf))
    slack = ROUNDING * max(1.0, abs(score.value))
    if not lowest - slack <= min(numbers) <= max(numbers) <= highest + slack:
        raise DataError(f"Metric '{name}' is out of its range", got=numbers, expected=f"{lowest:g} to {highest:g}")
    if not math.isfinite(score.chance or 0.0):
        raise DataError(f"Chance of metric '{name}' is not a finite number", got=score.chance)
    if not score.low - slack <= score.value <= score.high + slack:
        raise DataError(f"Metric '{name}' lies outside its own interval", got=score[:3])


def _verdicts(record: Record) -> dict[str, dict[str, Any]]:
    kept = ("distinguishable", "p", "hardest_control")
    for name, verdict in record.verdict.items():
        if not (isinstance(verdict["distinguishable"], bool) and 0 <= verdict["p"] <= 1):
            raise DataError(f"The verdict on '{name}' is none", got=str(verdict)[:120])
    return {str(name): {k: verdict[k] for k in kept} for name, verdict in record.verdict.items()}

"""What the board keeps in memory of a cell: its scores and costs, small enough for ten thousand cells."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.record_schema import RANGES, ROUNDING
from eeg2speech_bench.core.records import Record
from eeg2speech_bench.leaderboard.page.clips import CellClips

#: conditions that carry no knowledge of the true audio, in the record's words
NO_SIGNAL_CONDITIONS = ("shift", "phase", "shuffle", "mean", "none")
#: file names that every system and every address takes as they are
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,149}")


class Score(NamedTuple):
    """One metric of one cell: the value for EEG with its interval, and what it stands beside."""

    value: float
    low: float
    high: float
    n: int
    n_pool: int
    chance: float | None
    higher_is_better: bool
    unit: str
    control: str
    control_value: float | None
    ceiling: float | None
    subject_low: float | None
    subject_high: float | None


@dataclass
class Cell:
    """One cell as the table shows it.

    Attributes
    ----------
    name : str
        File name without ending of its page and of its copied record.
    key : str
        Equal for cells that differ in nothing but the seed.
    split_hash : str
        Empty if the cell ended before the split was made.
    source, digest : str
        Where the record was read, and the SHA-256 of that file.
    error : str
        Why a cell that is not done has no scores; empty otherwise.
    config_digest : str
        Eight characters that tell configurations apart.
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
    split_hash: str
    source: str
    digest: str
    error: str
    config_digest: str
    baseline: bool
    ceiling: bool
    finished: str
    parameters: int | None
    seconds: float | None
    memory_mb: float | None
    device: str
    n_subjects: int | None
    n_segments: int | None
    scores: dict[str, Score] = field(default_factory=dict)
    verdicts: dict[str, dict[str, Any]] = field(default_factory=dict)
    clips: CellClips | None = None


def summarise(record: Record, source: str, digest: str) -> Cell:
    """Return what the board keeps of a record.

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
    config_digest = _digest(record.config)
    made = Cell(
        id=str(cell["id"]),
        name=plain_name(str(cell["id"])),
        encoder=str(cell.get("label", cell["encoder"])),
        dataset=str(cell["dataset"]),
        preset=str(cell["preset"]),
        seed=int(cell["seed"]),
        target=str(record.target.get("name", "")),
        status=record.status if record.status in ("done", "failed", "interrupted") else "failed",
        key=_key(record, config_digest),
        split_hash=str(record.split.get("hash", "")),
        source=source,
        digest=digest,
        error=error_text(record),
        config_digest=config_digest,
        baseline=bool(record.encoder.get("baseline")),
        ceiling=bool(record.encoder.get("ceiling")),
        finished=str(record.provenance.get("finished", "")),
        parameters=record.training.get("align", {}).get("n_parameters", {}).get("encoder"),
        seconds=math.fsum(stage["seconds"] for stage in stages) if stages else None,
        memory_mb=max((stage["peak_memory_mb"] for stage in stages), default=None),
        device=str(record.provenance.get("device", "")),
        n_subjects=record.dataset.get("n_subjects"),
        n_segments=record.dataset.get("n_segments", {}).get("test"),
    )
    if record.status == "done":
        made.scores, made.verdicts = _scores(record), _verdicts(record)
    return made


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


def _key(record: Record, config_digest: str) -> str:
    """Hash what must be equal in all seeds of a row, so that no mean is taken over unlike runs."""
    cell, encoder = record.cell, record.encoder
    parts = [
        *(str(cell[name]) for name in ("encoder", "dataset", "preset")),
        *(str(record.target.get("name")), str(record.dataset.get("revision")), config_digest),
        *(str(encoder.get(name)) for name in ("distribution", "version", "source_hash")),
    ]
    return _digest(parts)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def _scores(record: Record) -> dict[str, Score]:
    by_condition: dict[str, dict[str, dict[str, Any]]] = {}
    for entry in record.metrics:
        if not all(math.isfinite(entry[name]) for name in ("value", "low", "high")):
            raise DataError(f"Metric '{entry['name']}' is not a finite number", got=entry["value"])
        by_condition.setdefault(str(entry["name"]), {})[entry["condition"]] = entry
    return {name: _score(found) for name, found in by_condition.items() if "eeg" in found}


def _score(found: dict[str, dict[str, Any]]) -> Score:
    eeg = found["eeg"]
    higher = bool(eeg.get("higher_is_better", True))
    controls = [(found[c]["value"], c) for c in NO_SIGNAL_CONDITIONS if c in found]
    best = (max if higher else min)(controls, default=(None, ""))
    subjects = (eeg.get("per_subject") or {}).values()
    score = Score(
        eeg["value"], eeg["low"], eeg["high"], int(eeg.get("n", 0)), int(eeg.get("n_pool", 0)), eeg.get("chance"),
        higher, str(eeg.get("unit", "")), best[1], best[0], found.get("audio", {}).get("value"),
        min(subjects, default=None), max(subjects, default=None),
    )  # fmt: skip
    _check_score(str(eeg["name"]), score)
    return score


def _check_score(name: str, score: Score) -> None:
    """Refuse what no run can have produced; `leaderboard validate` checks far more, and takes its time."""
    numbers = [x for x in (*score[:3], score.chance, score.control_value, score.ceiling) if x is not None]
    if not all(isinstance(x, int | float) and math.isfinite(x) for x in numbers):
        raise DataError(f"Metric '{name}' is not a finite number", got=score[:3])
    lowest, highest = RANGES.get(name, (-math.inf, math.inf))
    slack = ROUNDING * max(1.0, abs(score.value))
    if not lowest - slack <= min(numbers) <= max(numbers) <= highest + slack:
        raise DataError(f"Metric '{name}' is out of its range", got=numbers, expected=f"{lowest:g} to {highest:g}")
    if not score.low - slack <= score.value <= score.high + slack:
        raise DataError(f"Metric '{name}' lies outside its own interval", got=score[:3])


def _verdicts(record: Record) -> dict[str, dict[str, Any]]:
    kept = ("distinguishable", "p", "hardest_control")
    return {str(name): {k: verdict[k] for k in kept} for name, verdict in record.verdict.items()}

"""The schema of a record: strict types, plausible ranges, and parts that must agree with each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from eeg2speech_bench.core.errors import BenchError, StorageError
from eeg2speech_bench.core.presets.config import config_from_tree
from eeg2speech_bench.core.records.record import Record

#: longest name of a cell, since it becomes a file name with an ending
MAX_ID_BYTES = 200
#: deepest nesting that any field needs, with room
MAX_DEPTH = 20
#: values that a metric of the suite cannot leave; those of outsiders' metrics are only finite
RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(
        (
            *("top1", "top5", "top10", "mrr", "median_rank", "top1_of_50", "top10_of_50", "top1_same_recording"),
            *("top1_same_sentence", "top1_other_sentences", "top1_matched", "match_mismatch", "match_mismatch_matched"),
            *("top1_word_onset", "top10_word_onset", "word_top1", "word_top10", "wer", "cer", "word_hits"),
            *("identification", "identification_rank", "two_way", "wakeword_identified", "wakeword_two_way"),
            "whisper_identified",
        ),
        (0.0, 1.0),
    ),
    **dict.fromkeys(
        (
            *("mel_correlation", "mel_correlation_over_bands", "mel_correlation_flattened", "estoi", "stoi"),
            *("speaker", "content"),
        ),
        (-1.0, 1.0),
    ),
    **dict.fromkeys(("pesq", "dnsmos", "dnsmos_signal", "dnsmos_background", "dnsmos_p808", "distillmos"), (0.0, 6.0)),
    **dict.fromkeys(("lsd", "mcd", "mcd_dtw"), (0.0, 1000.0)),
    "pairwise_similarity": (-2.0, 2.0),
    **dict.fromkeys(("variance_ratio", "inception_score"), (0.0, float("inf"))),
}
#: relative difference that rounding explains
ROUNDING = 1e-6
#: seconds of shared audio that are rounding, as where splits are made
SHARED_S = 1e-3

# Control characters reach the terminal, surrogates break every file they are written to, and direction marks show a
# text as another one.
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")

Name = Annotated[str, Field(min_length=1, max_length=300)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
Cost = Annotated[float, Field(ge=0)]


class _Part(BaseModel):
    # what newer versions add to a part is kept and shown to nobody; strict: "1" is no number and 1 is no bool
    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class _Cell(_Part):
    id: Name
    encoder: Name
    dataset: Name
    dataset_argument: Name
    preset: Name
    seed: Whole

    @field_validator("id")
    @classmethod
    def _is_a_safe_file_name(cls, value: str) -> str:
        if not is_safe_name(value):
            raise ValueError("a cell's id names files: letters, digits and -._ only, at most 200 bytes")
        return value


class _Encoder(_Part):
    name: Name
    distribution: Name
    version: str
    source_hash: Name
    target: str = ""
    licence: str = ""
    citation: str = ""
    baseline: bool = False
    ceiling: bool = False
    options: dict[str, Any] = {}


class _Dataset(_Part):
    name: Name
    revision: Name
    about: str = ""
    is_null: bool = False
    n_subjects: Count | None = None
    n_stimuli: Count | None = None
    n_segments: dict[str, Whole] = {}


class _Evidence(_Part):
    shared_s: dict[str, float] = {}


class _Split(_Part):
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{16,128}$")] | None = None
    evidence: _Evidence = _Evidence()


class _Target(_Part):
    name: Name
    options: dict[str, Any] = {}


class _Training(_Part):
    n_parameters: dict[str, Whole] | Whole = 0
    history: list[dict[str, Any]] = []


class _Metric(_Part):
    name: Name
    version: Count
    condition: Name
    value: float
    low: float
    high: float
    confidence: Annotated[float, Field(gt=0, lt=1)]
    n: Count
    pool: Annotated[str, Field(max_length=300)] = ""
    n_pool: Count
    chance: float | None
    chance_band: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    chance_uniform: float | None = None
    baseline: float | None = None
    unit: str
    higher_is_better: bool
    per_subject: Annotated[dict[Name, float], Field(min_length=1)]

    @model_validator(mode="after")
    def _is_plausible(self) -> _Metric:
        slack = ROUNDING * max(1.0, abs(self.value))
        if not self.low - slack <= self.value <= self.high + slack:
            raise ValueError(f"value {self.value} lies outside its own interval [{self.low}, {self.high}]")
        if self.chance_band and self.chance_band[0] > self.chance_band[1]:
            raise ValueError(f"chance_band {self.chance_band} ends below its start")
        levels = [level for level in (self.chance, self.chance_uniform, self.baseline) if level is not None]
        levels += [self.value, self.low, self.high, *(self.chance_band or ()), *self.per_subject.values()]
        _check_range(self.name, levels)
        if self.n < len(self.per_subject):
            raise ValueError(f"{self.n} segments cannot be of {len(self.per_subject)} listeners")
        return self


class _Set(_Part):
    name: Name
    version: Count
    condition: Name
    value: float
    n: Count
    unit: str
    higher_is_better: bool
    floor: float | None

    @model_validator(mode="after")
    def _is_plausible(self) -> _Set:
        _check_range(self.name, [self.value] if self.floor is None else [self.value, self.floor])
        return self


def _check_range(name: str, numbers: list[float]) -> None:
    lowest, highest = RANGES.get(name, (-float("inf"), float("inf")))
    for number in numbers:
        if not lowest - ROUNDING <= number <= highest + ROUNDING:
            raise ValueError(f"{number} is no value of {name}, which goes from {lowest:g} to {highest:g}")


class _Test(_Part):
    metric: Name
    control: Name
    p: Share
    effect: float
    dz: float | None
    n_units: Count
    exact: bool


class _Verdict(_Part):
    distinguishable: bool
    p: Share
    hardest_control: Name
    alpha: Share


class _Error(_Part):
    phase: Name
    type: Name
    message: str
    traceback: list[str] = []


class _Stage(_Part):
    name: Name
    key: Name
    seconds: Cost
    peak_memory_mb: Cost
    energy_wh: Cost | None = None
    reused: bool


class _Provenance(_Part):
    started: str = ""
    finished: str = ""
    attempts: Count = 1
    command: str = ""
    packages: dict[str, str] = {}
    git: dict[str, Any] = {}
    hardware: dict[str, Any] = {}
    device: str = ""
    precision: str = ""
    stages: list[_Stage] = []


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    schema_: Annotated[int, Field(alias="schema")]
    cell: _Cell
    status: Literal["done", "failed", "interrupted"]
    config: dict[str, Any]
    encoder: _Encoder
    dataset: _Dataset
    split: _Split
    target: _Target
    training: dict[str, _Training]
    metrics: list[_Metric]
    sets: list[_Set]
    tests: list[_Test]
    verdict: dict[str, _Verdict]
    skipped: dict[str, str]
    files: dict[str, str]
    error: _Error | None
    provenance: _Provenance

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> _Record:
        for problem in (*_status_problems(self), *_metric_problems(self), *_verdict_problems(self)):
            raise ValueError(problem)
        return self


def _status_problems(record: _Record) -> Iterator[str]:
    if record.status != "done":
        if record.error is None:
            yield f"status is '{record.status}' and no error says why"
        return
    if record.error is not None:
        yield "status is 'done' beside an error"
    if record.split.hash is None:
        yield "status is 'done' without a split hash"
    if not record.metrics or record.dataset.n_subjects is None:
        yield "status is 'done' without metrics or without the number of listeners"
    if "segments" not in record.files:
        yield "status is 'done' without per-segment values (files.segments)"
    shared = {pair: s for pair, s in record.split.evidence.shared_s.items() if s > SHARED_S}
    if shared:
        yield f"its splits share stimulus audio: {shared} seconds"


def _metric_problems(record: _Record) -> Iterator[str]:
    seen = [(entry.name, entry.condition) for entry in record.metrics]
    seen += [(entry.name, entry.condition) for entry in record.sets]
    if len(set(seen)) < len(seen):
        yield "a metric is there twice under one condition"
    listeners: dict[str, set[str]] = {}
    for entry in record.metrics:
        own = set(entry.per_subject)
        if own != listeners.setdefault(entry.name, own):
            yield f"{entry.name} names other listeners under '{entry.condition}' than before"
        if record.dataset.n_subjects is not None and len(own) > record.dataset.n_subjects:
            yield f"{entry.name} names {len(own)} listeners of {record.dataset.n_subjects}"


def _verdict_problems(record: _Record) -> Iterator[str]:
    for name, verdict in record.verdict.items():
        p_values = {test.control: test.p for test in record.tests if test.metric == name}
        if p_values.get(verdict.hardest_control) != verdict.p or verdict.p < max(p_values.values()):
            yield f"the verdict on {name} is not that of its hardest control"
        if verdict.distinguishable != (verdict.p < verdict.alpha):
            yield f"the verdict on {name} contradicts its p of {verdict.p} and alpha of {verdict.alpha}"


def check_record(record: Record, source: str) -> None:
    """Check every field of a record that came from anywhere.

    Parameters
    ----------
    record : Record
    source : str
        What messages call it: its path.

    Raises
    ------
    StorageError
        Naming the first field that is wrong.
    """
    tree = vars(record)
    _check_text(tree, source)
    try:
        _Record.model_validate(tree)
    except ValidationError as error:
        raise StorageError(f"Record {source} is not valid", got=_first_problem(error)) from None
    try:
        config_from_tree(record.config)
    except BenchError as error:
        then = "Update eeg2speech-bench, or run that cell again."
        raise StorageError(
            f"Record {source} has a configuration of another version", got=str(error), then=then
        ) from None


def is_safe_name(name: str) -> bool:
    """Whether a cell's id can be a file name anywhere: no separators, no leading dot, nothing invisible."""
    fits = 0 < len(name.encode(errors="replace")) <= MAX_ID_BYTES
    return fits and not name.startswith(".") and all(c.isalnum() or c in "-._" for c in name)


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"]).replace("schema_", "schema")
    said = first["msg"].removeprefix("Value error, ")
    shown = "" if first["type"] in ("value_error", "missing", "extra_forbidden") else f" and not {first['input']!r:.80}"
    return f"{place}: {said}{shown}" if place else said


def _check_text(tree: dict[str, Any], source: str) -> None:
    for place, text in _texts(tree, ()):
        # a library may colour its error messages; they are nobody's name, and who shows them escapes them
        said_by_library = place[:2] in (("error", "message"), ("error", "traceback"))
        if (_SURROGATE if said_by_library else _UNPRINTABLE).search(text):
            raise StorageError(f"Record {source} has unprintable text", got=f"{'.'.join(place)!a}: {text!a:.80}")


def _texts(value: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield every text of a tree, keys too, with the keys that lead to it."""
    if len(place) > MAX_DEPTH:
        raise StorageError("A record is nested too deeply", got=f"more than {MAX_DEPTH} levels")
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield (*place, "key"), key
            yield from _texts(inner, (*place, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts(inner, (*place, str(number)))

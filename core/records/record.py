"""Holds the record of a cell: one JSON file that says what was run, on what data, at what cost, with what result."""

from __future__ import annotations

import marshal
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eeg2speech_bench.core.conditions import signal_read
from eeg2speech_bench.core.errors import BenchError, StorageError
from eeg2speech_bench.core.presets.config import RunConfig, config_from_tree
from eeg2speech_bench.core.records.cell_id import CellId, DatasetOrigin, EncoderOrigin, TargetOrigin
from eeg2speech_bench.core.records.consistency import contradictions
from eeg2speech_bench.core.records.groups import Group, GroupScores
from eeg2speech_bench.core.records.metrics import ControlTest, Metric, SetScore, Verdict
from eeg2speech_bench.core.records.probes import PROBES, ProbeScores
from eeg2speech_bench.core.records.provenance import ErrorReport, Provenance, StageCost
from eeg2speech_bench.core.records.record_json import may_lose, strict_json, unprintable
from eeg2speech_bench.core.records.training import UNTRAINED, Training
from eeg2speech_bench.core.segments.split import Split

#: version of the record's layout; a reader refuses what it does not know
SCHEMA = 1
#: a larger file is refused unread; records of a hundred listeners stay below half of it
MAX_RECORD_BYTES = 5_000_000
#: kinds of problems that say all without the value
UNQUOTED = ("value_error", "missing", "extra_forbidden")
_AGAIN = "Run that cell again."
_UPDATE = "Update eeg2speech-bench, or run that cell again."

Status = Literal["done", "failed", "interrupted"]


class Record(BaseModel):
    """Everything that is kept of one cell.

    Attributes
    ----------
    cell : CellId
    status : str
        ``done``, ``failed`` or ``interrupted``.
    config : dict
        The effective configuration; ``settings`` is the same, read by `core.presets.config.config_from_tree`.
    encoder, dataset, target : EncoderOrigin, DatasetOrigin, TargetOrigin
    split : Split
    training : dict of str to Training
        By stage.
    metrics : list of Metric
        One per metric and condition.
    sets : list of SetScore
        One per metric of all clips together and condition.
    tests : list of ControlTest
        One per metric and control.
    verdict : dict of str to Verdict
        By headline metric.
    groups : dict of str to GroupScores
        Where listeners are held out, all of the above is of these new ones as they come; here are the scores of known
        listeners, and of new ones once calibrated, in retrieval among the same windows.
    probes : ProbeScores, optional
        What linear models read out of the embeddings, where that was asked for.
    skipped : dict
        Stages that did not run, and metrics that were not measured ("metric NAME", "probe NAME"), with the reason.
    files : dict of str to str
        ``segments`` (of a part: ``segments-known``, ``segments-probes``), ``audio``, ``report`` and ``model``, relative
        to the results folder.
    error : ErrorReport, optional
        Of a cell that is not done.
    provenance : Provenance
        What may differ between two equal runs.
    """

    model_config = ConfigDict(
        strict=True, extra="forbid", allow_inf_nan=False, populate_by_name=True, ser_json_inf_nan="constants"
    )

    cell: CellId
    status: Status
    config: dict[str, Any]
    encoder: EncoderOrigin
    dataset: DatasetOrigin
    split: Split = Split()
    target: TargetOrigin
    training: dict[str, Training] = {}
    metrics: list[Metric] = []
    sets: list[SetScore] = []
    tests: list[ControlTest] = []
    verdict: dict[str, Verdict] = {}
    groups: dict[Group, GroupScores] = {}
    probes: ProbeScores | None = None
    skipped: dict[str, str] = {}
    files: dict[str, str] = {}
    error: ErrorReport | None = None
    provenance: Provenance = Provenance()
    layout: Annotated[int, Field(alias="schema", ge=SCHEMA, le=SCHEMA)] = SCHEMA

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read one record, and check all of it.

        Raises
        ------
        StorageError
            If the file is too large, is not JSON (which has no NaN and no infinity), names a key twice, is of another
            schema, or holds anything that no run writes: a wrong type, a number out of its range, text that cannot be
            shown, parts that contradict each other.
        """
        return cls.from_json(record_bytes(path), str(path))

    @classmethod
    def from_json(cls, content: bytes, source: str) -> Self:
        """Return the record that some JSON is; see `read`. ``source`` is what messages call it."""
        try:
            record = cls.model_validate_json(content)
        except ValidationError as error:
            raise _refusal(content, source, error) from None
        if may_lose(content, record.model_dump_json(by_alias=True, exclude_unset=True).encode()):
            _strict_tree(content, source)
        if said := unprintable(content):
            raise StorageError(f"Record {source} has unprintable text", got=said)
        for said in contradictions(record):
            raise StorageError(f"Record {source} is not valid", got=said)
        try:
            record.settings  # noqa: B018  a configuration of another version is refused here
        except BenchError as error:
            said = f"Record {source} has a configuration of another version"
            raise StorageError(said, got=str(error), then=_UPDATE) from None
        return record

    @property
    def settings(self) -> RunConfig:
        """The effective configuration."""
        return _settings(marshal.dumps(self.config, 2))

    @property
    def reads(self) -> str:
        """What the encoder reads: ``"eeg"``, ``"meg"``, ``"text"`` or ``"audio"`` (`core.conditions.SIGNALS`)."""
        return signal_read(self.encoder.modality, self.config.get("data", {}).get("picks", "eeg"))

    @property
    def alignment(self) -> Training:
        """How the encoder was trained."""
        return self.training.get("align", UNTRAINED)

    @property
    def stages(self) -> list[StageCost]:
        """What the stages cost."""
        return self.provenance.stages

    def metric(self, name: str, condition: str = "eeg") -> Metric | None:
        """Return one metric's entry, None if it was not measured."""
        return next((m for m in self.metrics if m.name == name and m.condition == condition), None)

    @property
    def parts(self) -> dict[str, GroupScores]:
        """Scores that have files of values of their own: of groups of listeners, and of probes."""
        parts: dict[str, GroupScores] = {str(name): scores for name, scores in self.groups.items()}
        return parts if self.probes is None else {**parts, PROBES: self.probes}

    def of_group(self, group: str) -> Self:
        """Return the record as if a group of listeners, or the probes, had been scored alone.

        Raises
        ------
        KeyError
            If the group was not scored.
        """
        scores = self.parts[group]
        place = self.files.get(f"segments-{group}")
        own = {"metrics": scores.metrics, "tests": scores.tests, "verdict": scores.verdict, "sets": [], "groups": {}}
        own["probes"] = None
        return self.model_copy(update={**own, "files": {"segments": place} if place else {}})

    def tree(self) -> dict[str, Any]:
        """Return the record as it is written."""
        return self.model_dump(mode="json", by_alias=True)

    def semantic(self) -> dict[str, Any]:
        """Return all that must be equal between two equal runs: everything but the provenance, pictures and model."""
        tree = {key: value for key, value in self.tree().items() if key != "provenance"}
        aside = ("report", "model")
        return tree | {key: {k: v for k, v in tree[key].items() if k not in aside} for key in ("files", "skipped")}


def record_bytes(path: Path) -> bytes:
    """Return the content of a record's file.

    Raises
    ------
    StorageError
        If it is not there, is no file, or is too large.
    """
    path = Path(path)
    try:
        size = path.stat().st_size if path.is_file() else 0  # a pipe or a device would be read for ever
        if size > MAX_RECORD_BYTES:
            raise StorageError(f"Record {path} is too large", got=f"{size} bytes", expected=f"<= {MAX_RECORD_BYTES}")
        if not path.is_file() and path.exists():
            raise StorageError(f"Record {path} is not a file", expected="a file of a folder 'records'")
        return path.read_bytes()
    except FileNotFoundError:
        then = "'eeg2speech-bench leaderboard --results DIR' shows what is there."
        raise StorageError(f"Record {path} does not exist", then=then) from None
    except OSError as error:
        got = f"{type(error).__name__}: {error!s:.200}"
        raise StorageError(f"Record {path} cannot be read", got=got, then=_AGAIN) from error


@lru_cache(maxsize=256)
def _settings(config: bytes) -> RunConfig:
    return config_from_tree(marshal.loads(config))


def _strict_tree(content: bytes, source: str) -> Any:
    try:
        return strict_json(content)
    except (ValueError, RecursionError) as error:
        got = f"{type(error).__name__}: {error!s:.200}"
        raise StorageError(f"Record {source} cannot be read", got=got, then=_AGAIN) from error


def _refusal(content: bytes, source: str, error: ValidationError) -> StorageError:
    """Return why some content is no record: what is wrong with it as JSON, its schema, or its first wrong field."""
    tree = _strict_tree(content, source)
    schema = tree.get("schema") if isinstance(tree, dict) else type(tree).__name__
    if schema != SCHEMA:
        said = f"Record {source} has an unknown schema"
        return StorageError(said, got=f"{schema!s:.80}", expected=SCHEMA, then=_UPDATE)
    if said := unprintable(content):  # halves of surrogate pairs, which not every parser takes
        return StorageError(f"Record {source} has unprintable text", got=said)
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    shown = "" if first["type"] in UNQUOTED else f" and not {first['input']!r:.80}"
    said = first["msg"].removeprefix("Value error, ") + shown
    return StorageError(f"Record {source} is not valid", got=f"{place}: {said}" if place else said)

"""Reads ``eeg2speech-bench.toml``: what the rows of a data set's events mean, where BIDS leaves that open."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.bids.tables import read_text

#: name of the file in the root of a data set
FILE = "eeg2speech-bench.toml"

#: table that stands for the markers in the recording itself
MARKERS = "markers"

#: ``{run}`` or ``{chapter:03}`` (filled with zeros to three digits)
_FIELD = re.compile(r"\{([^{}:]+)(?::0(\d))?\}")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class EventsDescription(_Section):
    """What a row of the events means (reference: datasets, 6.3)."""

    rows: Literal["starts", "inside", "periodic", "recording"] | None = Field(
        None,
        description="starts: a row is where its file starts; inside: a row lies at a time inside its file; periodic: a "
        "row every period_s seconds; recording: no rows, one file per recording. By default 'inside' where the table "
        "has a column stim_onset or start, else 'starts'",
    )
    table: str | None = Field(
        None, description="path below the root, e.g. sourcedata/sub-{sub}.tsv, or 'markers'; by default events.tsv"
    )
    where: dict[str, list[str | int]] = Field({}, description="columns and the values that a row needs to be read")
    sound: str = Field("stim_file", description="column that names the file, or a text with {column} or {run} in it")
    onset: str = Field("onset", description="column of the time of a row in the recording")
    onset_unit: Literal["s", "ms", "samples"] = Field("s", description="samples count from 0")
    offset_s: float = Field(0.0, description="seconds added to each onset, for a delay of the sound that is known")
    duration: str = Field("duration", description="column of seconds heard, '' where none says it")
    inside: str | None = Field(None, description="column of the time inside the file; by default stim_onset or start")
    inside_unit: Literal["s", "ms"] = "s"
    period_s: float = Field(1.0, gt=0, description="seconds of sound between two rows, where rows are periodic")
    word: str | None = Field(None, description="column of spoken words, where rows are inside their file")
    sentence: str | None = Field(None, description="column with the number of a word's sentence")

    @model_validator(mode="after")
    def _agree(self) -> EventsDescription:
        if self.rows == "recording" and (self.table or self.where):
            raise ValueError("rows = 'recording' reads no table: leave out table and where")
        if self.rows == "recording" and "sound" not in self.model_fields_set:
            raise ValueError("rows = 'recording' needs sound, for example sound = 'story{run}.wav'")
        if self.word and self.rows not in (None, "inside"):
            raise ValueError("word needs rows = 'inside': other rows do not say when a word is spoken")
        if self.inside and self.rows not in (None, "inside"):
            raise ValueError(f"inside does not go with rows = '{self.rows}'")
        return self


class LookupDescription(_Section):
    """A table from which columns are added to the rows of the events."""

    table: str = Field(description="path below the root")
    match: dict[str, str] = Field(description="columns of the events and the columns of the table that equal them")
    take: dict[str, str] = Field(description="new columns of the events and the columns of the table they are from")


class TranscriptsDescription(_Section):
    """How transcripts beside the sounds are read."""

    tier: str | None = Field(None, description="tier of a TextGrid that holds the words; by default words or word")


class AudioDescription(_Section):
    """How sound files are read."""

    channel: PositiveInt | None = Field(
        None, description="channel that was heard, from 1; by default the mean of those that carry the sound"
    )


class Description(_Section):
    """What ``eeg2speech-bench.toml`` says of a data set.

    Attributes
    ----------
    events : EventsDescription
    sounds : dict of str to str
        Codes, as `EventsDescription.sound` gives them, and the files below ``stimuli/`` that they stand for; rows of
        other codes are left out.
    lookup : LookupDescription, optional
    transcripts : TranscriptsDescription
    audio : AudioDescription
    leave_out : dict of str to str
        How the names of recordings begin that are not used, and why.
    """

    events: EventsDescription = EventsDescription()
    sounds: dict[str, str] = {}
    lookup: LookupDescription | None = None
    transcripts: TranscriptsDescription = TranscriptsDescription()
    audio: AudioDescription = AudioDescription()
    leave_out: dict[str, str] = {}

    def reason_to_leave_out(self, recording: str) -> str:
        """Return why a recording is not used, empty if it is: ``sub-02`` stands for ``sub-02_task-listen_eeg``."""
        return next((why for name, why in self.leave_out.items() if f"{recording}_".startswith(f"{name}_")), "")


def description_file(root: Path) -> Path | None:
    """Return the file that describes the data set in the folder ``root``.

    ``<folder>.toml`` beside the folder goes before ``eeg2speech-bench.toml`` in it: the data may be read-only.
    """
    candidates = (root.with_name(f"{root.name}.toml"), root / FILE)
    return next((path for path in candidates if path.is_file()), None)


def read_description(path: Path | None) -> Description:
    """Read and check a description; without a file all is as BIDS has it.

    Raises
    ------
    DataError
        If it is no TOML, or a key is unknown or has a wrong value.
    """
    if path is None:
        return Description()
    try:
        tree = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path} is not TOML", got=str(error), then="Correct that line.") from None
    try:
        return Description.model_validate(tree)
    except ValidationError as error:
        raise _explained(path, error) from None


def fill(template: str, values: Mapping[str, str], source: str) -> str:
    """Fill ``{name}`` and ``{name:03}`` in a text with values.

    Raises
    ------
    DataError
        If a name has no value.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise DataError(
                f"'{template}' cannot be filled for {source}",
                got=f"no '{match[1]}'",
                expected=f"one of: {', '.join(values)}",
                then=f"Correct it in {FILE}.",
            )
        return values[match[1]].zfill(int(match[2] or 0))

    return _FIELD.sub(value, template)


def is_template(text: str) -> bool:
    """Whether a text holds a name between braces."""
    return bool(_FIELD.search(text))


def _explained(path: Path, error: ValidationError) -> DataError:
    first = error.errors()[0]
    place = [str(part) for part in first["loc"]]
    if first["type"] != "extra_forbidden":
        name = f"'{'.'.join(place)}' in {path}" if place else str(path)
        missing = first["type"] == "missing"
        got = "nothing" if missing else f"{first['input']!r}"
        wrong = first["msg"].removeprefix("Value error, ")
        return DataError(f"{name} is wrong", got=got, expected=wrong, then="See docs/data.md for what it may hold.")
    known = _known_keys(place[:-1])
    near = difflib.get_close_matches(place[-1], known, n=1, cutoff=0.4)
    then = f"Did you mean '{'.'.join([*place[:-1], near[0]])}'?" if near else "Delete it."
    return DataError(f"Unknown key '{'.'.join(place)}' in {path}", expected=", ".join(known), then=then)


def _known_keys(place: list[str]) -> list[str]:
    sections: dict[str, Any] = {
        "events": EventsDescription,
        "lookup": LookupDescription,
        "transcripts": TranscriptsDescription,
    }
    return list((sections[place[0]] if place else Description).model_fields)

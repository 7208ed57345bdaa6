"""Identifies a cell: encoder, data set and seed, and where each of them came from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from eeg2speech_bench.core.records.part import Count, Name, RecordPart, Whole

#: longest name of a cell, since it becomes a file name with an ending
MAX_ID_BYTES = 200


def is_safe_name(name: str) -> bool:
    """Whether a cell's id can be a file name anywhere: no separators, no leading dot, nothing invisible."""
    fits = 0 < len(name.encode(errors="replace")) <= MAX_ID_BYTES
    return fits and not name.startswith(".") and all(c.isalnum() or c in "-._" for c in name)


class CellId(RecordPart):
    """The identity of a cell.

    Attributes
    ----------
    id : str
        Name of its files.
    encoder, dataset, preset : str
    label : str
        What a person calls the encoder, where that is more than its name.
    dataset_argument : str
        The data set as it was typed.
    preset_version, seed : int
    """

    id: Name
    encoder: Name
    label: str = ""
    dataset: Name
    dataset_argument: Name
    preset: Name
    preset_version: Whole = 1
    seed: Whole

    @property
    def title(self) -> str:
        """What the board calls the encoder."""
        return self.label or self.encoder

    @field_validator("id")
    @classmethod
    def _is_a_safe_file_name(cls, value: str) -> str:
        if not is_safe_name(value):
            raise ValueError("a cell's id names files: letters, digits and -._ only, at most 200 bytes")
        return value


class EncoderOrigin(RecordPart):
    """The encoder: who made it, from which source, and what it is there for.

    Attributes
    ----------
    name, distribution, version, target, licence, citation : str
        As the plugin declares them; ``target`` is ``"package.module:attribute"``.
    source_hash : str
        Of all source that it is made of.
    modality : str
        What it reads: ``"eeg"``, ``"text"`` or ``"audio"``.
    baseline, ceiling : bool
        It is a floor or control; it sees the audio itself.
    own_settings : dict
        Optimiser settings of its own instead of the preset's.
    options : dict
        What its constructor was given.
    """

    name: Name
    distribution: Name
    version: str
    target: str = ""
    source_hash: Name
    licence: str = ""
    citation: str = ""
    modality: Literal["eeg", "text", "audio"] = "eeg"
    baseline: bool = False
    ceiling: bool = False
    own_settings: dict[str, Any] = Field({})
    options: dict[str, Any] = Field({})


class DatasetOrigin(RecordPart):
    """The data set: its revision, and what was left of it for this cell.

    Attributes
    ----------
    name, revision : str
    about : str
        Who was recorded.
    is_null : bool
        Its EEG and speech are independent.
    n_subjects, n_stimuli : int, optional
        None in the record of a cell that ended before they were counted.
    n_segments : dict of str to int
        By part of the split.
    sound : str
        ``"waveform"`` or ``"envelope"``, of data that come without audio.
    skipped_recordings : list
        What could not be used, with the reason.
    reading_notes : list
        What was decided on how recordings were read: channels left out, cuts, clocks.
    """

    name: Name
    revision: Name
    about: str = ""
    is_null: bool = False
    n_subjects: Count | None = None
    n_stimuli: Count | None = None
    n_segments: dict[str, Whole] = Field({})
    sound: str = ""
    skipped_recordings: list[Any] = Field([])
    reading_notes: list[Any] = Field([])


class TargetOrigin(RecordPart):
    """The audio target that the encoder was aligned to."""

    name: Name
    options: dict[str, Any] = Field({})

"""Describes a proven split: which stimulus time trains, which validates and which tests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

#: what the column ``split`` of the segment table holds
SplitName = Literal["train", "valid", "test"]


class SharedAudio(BaseModel):
    """Audio that was found in two stimuli, or twice in one.

    Attributes
    ----------
    one, other : str
        Names of the stimuli.
    start_s, other_start_s, duration_s : float
        Where it is in each.
    correlation : float
        Of the samples, 0 to 1.
    kept_as : str
        ``"one stimulus"`` where all of one stimulus is in the other, which replaces it; ``"one part"`` where the split
        keeps both sides in one part, or leaves one out.
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="allow", allow_inf_nan=False, ser_json_inf_nan="constants"
    )

    one: str
    other: str
    start_s: float
    other_start_s: float
    duration_s: float
    correlation: float
    kept_as: str


class Evidence(BaseModel):
    """The proof that a split shares nothing between its parts.

    Attributes
    ----------
    seconds, n_stimuli, n_windows_apart : dict
        Stimulus time, stimuli and windows that fit side by side, per part.
    shared_s : dict of str to float
        Shared seconds per pair of parts (``"train-test"``, ...); all zero.
    smallest_distance_s : float, optional
        Between parts in one stimulus; None where no stimulus has two parts.
    eeg_gap_s : float, optional
        Smallest time between EEG samples of different parts.
    shared_audio : list of SharedAudio
        The longest stretches of audio that stimuli share.
    n_shared_audio : int, optional
        How many there are; None where nobody looked.
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="allow", allow_inf_nan=False, ser_json_inf_nan="constants"
    )

    seconds: dict[str, float] = {}
    n_stimuli: dict[str, int] = {}
    n_windows_apart: dict[str, int] = {}
    shared_s: dict[str, float] = {}
    smallest_distance_s: float | None = None
    eeg_gap_s: float | None = None
    shared_audio: list[SharedAudio] = []
    n_shared_audio: int | None = None


class Split(BaseModel):
    """A planned and proven split, as prepared data and records hold it.

    Attributes
    ----------
    kind : str
        ``"stimulus-time"``, ``"story"``, ``"sentence"``, ``"subject"``, ``"recording"``, ``"published"`` (the data
        set's own parts), or the name of a protocol.
    fractions : list of float
        Shares of train, valid and test that were asked for.
    guard_s : float
        Stimulus time kept free between parts.
    held_out : list of str
        Listeners whose EEG is tested and never trained on.
    evidence : Evidence
    hash : str, optional
        SHA-256 of the zones and of held-out listeners: equal for equal splits of equal audio; None in the record of a
        cell that was not split.
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="allow", allow_inf_nan=False, ser_json_inf_nan="constants"
    )

    kind: str = ""
    fractions: list[float] = []
    guard_s: float = 0.0
    held_out: list[str] = []
    evidence: Evidence = Evidence()
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{16,128}$")] | None = None

"""Describes what a check of a data set found: what ``check.json`` holds."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from eeg2speech_bench.core.segments.split import Evidence

FILE = "check.json"
#: ``refused``: `run` stops at it; ``wrong``: `run` takes it and scores are wrong; ``told``: worth knowing
Severity = Literal["refused", "wrong", "told"]
#: ``no evidence`` is no fault: weak EEG is normal
Outcome = Literal["aligned", "shifted", "no evidence"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Finding(_Part):
    """Something that is not as it should be.

    Attributes
    ----------
    check : str
        Which check found it: ``"order of sounds"``, ``"clipping"``, ...
    severity : str
        ``"refused"``, ``"wrong"`` or ``"told"``.
    recording : str
        Empty where it concerns the whole data set.
    found : str
        What was found, with numbers.
    then : str
        What to do about it.
    """

    check: str
    severity: Severity
    recording: str = ""
    found: str
    then: str = ""

    @property
    def is_fault(self) -> bool:
        """Whether scores cannot be had, or would be wrong."""
        return self.severity != "told"


class Alignment(_Part):
    """Evidence that the EEG follows the sound at the time that the tables say.

    Attributes
    ----------
    outcome : str
        ``"aligned"``, ``"shifted"`` or ``"no evidence"``.
    lag_s : float
        By how much the EEG is later than the tables say, at the highest correlation.
    low_s, high_s : float
        Its 95 % interval over pieces of the recording.
    r : float
        Correlation of the reconstructed and the true envelope at that lag.
    p : float
        Of a value as high anywhere within the lags, were the sound another one; Gumbel fit to circular shifts.
    latency_s : float
        Time from sound to response, from this recording alone.
    trained_on : str
        Whose data the decoder was fitted to: ``"other recordings"``, or ``"other parts"`` of this one.
    minutes : float
        EEG with sound.
    lags_s, curve : list of float
        Correlation at each lag.
    null_high : float
        Value that 95 % of circular shifts stay below everywhere within the lags.
    """

    outcome: Outcome
    lag_s: float
    low_s: float
    high_s: float
    r: float
    p: float
    latency_s: float
    trained_on: str
    minutes: float
    lags_s: list[float]
    curve: list[float]
    null_high: float


class CheckedRecording(_Part):
    """A recording in numbers; what could not be read is None.

    Attributes
    ----------
    recording, subject : str
    hours, sfreq : float, optional
        As recorded.
    channels, left_out : list of str
        EEG channels that are used, and channels of the file that are not.
    bad : list of str
        Marked bad, and interpolated.
    n_presentations : int
    heard_s, lost_s : float
        Seconds of sound that EEG goes with, and that the tables name but no EEG goes with.
    cuts_s : list of float
        Times at which the recording was interrupted or edited.
    line_noise_db : float, optional
        Power at 50 or 60 Hz over its surroundings, median over channels.
    notes : list of str
        Decisions of the reader.
    alignment : Alignment, optional
    """

    recording: str
    subject: str
    hours: float | None = None
    sfreq: float | None = None
    channels: list[str] = []
    left_out: list[str] = []
    bad: list[str] = []
    n_presentations: int = 0
    heard_s: float = 0.0
    lost_s: float = 0.0
    cuts_s: list[float] = []
    line_noise_db: float | None = None
    notes: list[str] = []
    alignment: Alignment | None = None


class Forecast(_Part):
    """What preparing will take: an estimate.

    Attributes
    ----------
    disk_bytes : int
        Of the prepared folder, from the sizes of its arrays and the number of rows of its tables.
    seconds : float
        From the time that reading the recordings took just now.
    n_segments : dict of str to int
        Per part of the split.
    """

    disk_bytes: int
    seconds: float
    n_segments: dict[str, int]


class CheckReport(_Part):
    """All that a check of a data set found.

    Attributes
    ----------
    schema_version : int
    dataset, revision : str
        Empty revision where the data set could not be opened.
    findings : list of Finding
        Faults first.
    recordings : list of CheckedRecording
    not_downloaded : list of str
        Recordings of which only the tables are there.
    split : Evidence, optional
    forecast : Forecast, optional
    """

    schema_version: Literal[1] = 1
    dataset: str
    revision: str = ""
    findings: list[Finding] = []
    recordings: list[CheckedRecording] = []
    not_downloaded: list[str] = []
    split: Evidence | None = None
    forecast: Forecast | None = None

    @property
    def faults(self) -> list[Finding]:
        """Findings because of which scores cannot be had, or would be wrong."""
        return [finding for finding in self.findings if finding.is_fault]

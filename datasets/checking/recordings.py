"""Reads a recording as `run` would, and says what it holds and what is wrong with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.channel_types import PICKED, type_of
from eeg2speech_bench.core.segments.recordings import Recording, Sound
from eeg2speech_bench.datasets.checking.channel_scale import findings_of_scale, scale_over_time
from eeg2speech_bench.datasets.checking.report import CheckedRecording, Finding
from eeg2speech_bench.datasets.checking.signals import (
    SIGNAL_CHECKS,
    RecordedEeg,
    findings_of_cuts,
    line_noise_db,
)
from eeg2speech_bench.datasets.checking.sounds import findings_of_lengths
from eeg2speech_bench.datasets.preparation.cut_markers import find_cuts
from eeg2speech_bench.datasets.preparation.preprocessing import LoadedEeg, load_eeg


@dataclass
class ReadRecording:
    """A recording that was read.

    Attributes
    ----------
    about : CheckedRecording
    findings : list of Finding
    loaded : LoadedEeg, optional
        None where `run` would refuse it.
    scale : array, shape (n_pieces, n_chans), optional
    seconds : float
        That reading it as `run` does took.
    """

    about: CheckedRecording
    findings: list[Finding] = field(default_factory=list)
    loaded: LoadedEeg | None = None
    scale: np.ndarray | None = None
    seconds: float = 0.0


def refusal(error: BenchError, check: str, recording: str = "") -> Finding:
    """Turn an error that `run` would stop at into a finding."""
    expected = f", expected {error.expected}" if error.expected is not None else ""
    got = f": {error.got}" if error.got is not None else ""
    found = f"{error.problem}{got}{expected}"
    return Finding(check=check, severity="refused", recording=recording, found=found, then=error.then)


class RecordingReader:
    """Reads recordings one after the other; the channels of the first are those of all.

    Parameters
    ----------
    settings : DataConfig
    durations_s : mapping of str to float
        Of the stimuli, by id.
    sound : callable
        Returns the samples of a stimulus by its id.
    """

    def __init__(self, settings: DataConfig, durations_s: Mapping[str, float], sound: Callable[[str], Sound]) -> None:
        self._settings, self._durations_s, self._sound = settings, durations_s, sound
        self._names: list[str] = []
        self._types: list[str] = []

    def read(self, recording: Recording) -> ReadRecording:
        """Read a recording; whatever is wrong with it becomes a finding."""
        about = CheckedRecording(recording=recording.recording_id, subject=recording.subject)
        read = ReadRecording(about, list(findings_of_lengths(recording, self._durations_s)))
        try:
            self._look_at_samples(recording, read)
            started_s = time.monotonic()
            loaded = load_eeg(recording, self._settings, self._sound)
            self._names = self._names or [c["ch_name"] for c in loaded.chs_info]
            self._types = self._types or [type_of(c) for c in loaded.chs_info]
        except BenchError as error:
            if not any(finding.severity == "refused" for finding in read.findings):
                read.findings.append(refusal(error, "reading", recording.recording_id))
            return read
        read.seconds = time.monotonic() - started_s
        read.loaded = loaded
        read.scale = scale_over_time(loaded.eeg, self._settings.sfreq)
        read.findings += self._findings(recording, read)
        read.about = _with_what_is_used(read.about, read.loaded, recording)
        return read

    def _look_at_samples(self, recording: Recording, read: ReadRecording) -> None:
        """Look at the samples as recorded; a file that cannot be read at all is left to `load_eeg` to refuse."""
        try:
            raw = recording.load()
            raw.load_data(verbose="ERROR")
            eeg = RecordedEeg.of(recording, raw, self._settings.picks)
            used = PICKED[self._settings.picks]
            kinds = list(zip(raw.ch_names, raw.get_channel_types(), strict=True))
        except BenchError:
            raise
        except Exception:  # MNE's readers raise whatever a broken file leads them to
            return
        for check in SIGNAL_CHECKS:
            read.findings += check(eeg)
        read.about = read.about.model_copy(
            update={
                "hours": round(raw.n_times / raw.info["sfreq"] / 3600, 4),
                "sfreq": float(raw.info["sfreq"]),
                "bad": list(raw.info["bads"]),
                "left_out": [n for n, kind in kinds if kind not in used],
                "cuts_s": [round(cut.at_s, 3) for cut in find_cuts(raw)],
                "line_noise_db": line_noise_db(eeg),
            }
        )

    def _findings(self, recording: Recording, read: ReadRecording) -> Iterator[Finding]:
        assert read.loaded is not None and read.scale is not None
        name, loaded = recording.recording_id, read.loaded
        yield from findings_of_cuts(name, read.about.cuts_s, recording.presentations)
        sfreq = self._settings.sfreq
        yield from findings_of_scale(name, loaded.eeg, sfreq, read.scale, self._names, self._types)


def _with_what_is_used(about: CheckedRecording, loaded: LoadedEeg, recording: Recording) -> CheckedRecording:
    heard_s = sum(p.duration_s for p in loaded.presentations)
    named_s = sum(p.duration_s for p in recording.presentations)
    return about.model_copy(
        update={
            "channels": [c["ch_name"] for c in loaded.chs_info],
            "n_presentations": len(loaded.presentations),
            "heard_s": round(heard_s, 2),
            "lost_s": round(named_s - heard_s, 2),
            "notes": list(loaded.notes),
        }
    )

"""Checks a data set before anything is trained on it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.channel_types import Picks
from eeg2speech_bench.core.segments.recordings import Recording, Sound, SpeechDataset, Stimulus
from eeg2speech_bench.core.segments.split import Evidence
from eeg2speech_bench.datasets.checking.alignment import AlignmentEvidence
from eeg2speech_bench.datasets.checking.forecast import PreparationForecast
from eeg2speech_bench.datasets.checking.heard import place_on_clock, thinned_rate
from eeg2speech_bench.datasets.checking.recordings import ReadRecording, RecordingReader, refusal
from eeg2speech_bench.datasets.checking.report import CheckReport, Finding, Forecast
from eeg2speech_bench.datasets.checking.sound_order import (
    findings_of_order,
    read_timetables,
)
from eeg2speech_bench.datasets.checking.sounds import check_sounds, findings_of_repeats, findings_of_shared_audio
from eeg2speech_bench.datasets.preparation.channel_picks import picked
from eeg2speech_bench.datasets.preparation.channel_sets import with_equal_channels
from eeg2speech_bench.datasets.preparation.originals import find_originals
from eeg2speech_bench.datasets.preparation.prepare import heard_stimuli, planned_split
from eeg2speech_bench.datasets.preparation.preprocessing import open_eeg
from eeg2speech_bench.datasets.sounds.sound_files import is_pointer

Progress = Callable[[str, float], None]
SEVERITIES = ("refused", "wrong", "told")
NOT_DOWNLOADED = "not downloaded"


@dataclass
class Checked:
    """What a check found, and what pictures are drawn from.

    Attributes
    ----------
    report : CheckReport
    scales : dict of str to array, shape (n_pieces, n_chans)
        Size of each channel over time, by recording.
    recordings : dict of str to Recording
    """

    report: CheckReport
    scales: dict[str, np.ndarray] = field(default_factory=dict)
    recordings: dict[str, Recording] = field(default_factory=dict)


def check_dataset(
    name: str,
    open_dataset: Callable[[], SpeechDataset],
    settings: DataConfig,
    root: Path | None = None,
    progress: Progress = lambda text, share: None,
) -> Checked:
    """Read a data set as `run` would, and say what is wrong with it.

    Tables are looked at first, and without the EEG; then recordings pass through memory one at a time.

    Parameters
    ----------
    name : str
        As the user named it.
    open_dataset : callable
        Opens it.
    settings : DataConfig
    root : Path, optional
        Its folder, where it is a BIDS data set.
    progress : callable, optional
        Called with a line of text and the share (0 to 1) that is done.
    """
    findings = list(findings_of_order(read_timetables(root))) if root else []
    missing = _not_downloaded(root) if root else []
    try:
        dataset = picked(open_dataset(), settings.picks)
        stimuli = heard_stimuli(dataset)
    except BenchError as error:
        findings.append(refusal(error, "opening"))
        return Checked(CheckReport(dataset=name, findings=_sorted(findings), not_downloaded=missing))
    with tempfile.TemporaryDirectory() as folder:
        checked = _DatasetCheck(dataset, stimuli, settings, progress, Path(folder)).run(findings)
    report = {"dataset": name, "revision": dataset.revision, "not_downloaded": missing}
    checked.report = checked.report.model_copy(update=report)
    return checked


def _not_downloaded(root: Path) -> list[str]:
    recorded = (path for path in root.glob("sub-*/**/*_[em]eg.*") if path.suffix != ".json")
    return sorted({path.stem for path in recorded if is_pointer(path)})


def _sorted(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def _is_readable(recording: Recording, picks: Picks) -> bool:
    try:
        return bool(recording.channels or open_eeg(recording, picks))
    except BenchError:
        return False


class _DatasetCheck:
    """Goes through an opened data set."""

    def __init__(
        self,
        dataset: SpeechDataset,
        stimuli: list[Stimulus],
        settings: DataConfig,
        progress: Progress,
        folder: Path,
    ) -> None:
        self.dataset, self.stimuli, self.settings = dataset, stimuli, settings
        self.progress, self.folder = progress, folder
        self._by_id = {s.stimulus_id: s for s in stimuli}
        self._sounds: dict[str, Sound] = {}
        self.recordings: Sequence[Recording] = dataset.recordings

    def run(self, findings: list[Finding]) -> Checked:
        """Check sounds, split, recordings and alignment, in this order."""
        started_s = time.monotonic()
        self.progress("sounds", 0.0)
        envelopes, found = check_sounds(self.stimuli, thinned_rate(self.settings.sfreq)[1])
        seconds = time.monotonic() - started_s
        findings += [*found, *findings_of_repeats(self.dataset), *self._left_out()]
        self.recordings = self._with_equal_channels(findings)
        forecast, split = self._planned(findings)
        checked = Checked(CheckReport(dataset=self.dataset.name))
        about = []
        evidence = AlignmentEvidence(self.folder, envelopes)
        for read in self._read():
            seconds += read.seconds
            findings += read.findings
            about.append(read.about)
            self._take(read, evidence, forecast, checked)
        self.progress("evidence of alignment", 0.8)
        alignments, found = evidence.judge()
        recordings = [one.model_copy(update={"alignment": alignments.get(one.recording)}) for one in about]
        checked.recordings = {r.recording_id: r for r in self.dataset.recordings}
        checked.report = CheckReport(
            dataset=self.dataset.name,
            findings=_sorted(findings + found),
            recordings=recordings,
            split=split,
            forecast=_forecast(forecast, seconds),
        )
        return checked

    def _with_equal_channels(self, findings: list[Finding]) -> Sequence[Recording]:
        """Give the recordings their common channels; those that cannot be read stay, to be refused one by one."""
        readable = [recording for recording in self.dataset.recordings if _is_readable(recording, self.settings.picks)]
        try:
            equal = {r.recording_id: r for r in with_equal_channels(readable, self.settings)} if readable else {}
        except BenchError as error:
            findings.append(refusal(error, "channels"))
            equal = {}
        return [equal.get(recording.recording_id, recording) for recording in self.dataset.recordings]

    def _planned(self, findings: list[Finding]) -> tuple[PreparationForecast | None, Evidence | None]:
        try:
            originals = find_originals(self.stimuli, self._sound, getattr(self.dataset, "heard_together", ()))
            recordings = originals.presented(self.dataset.recordings)
            plan = planned_split(self.dataset, self.settings, recordings, originals)
        except BenchError as error:
            findings.append(refusal(error, "split"))
            return None, None
        findings += findings_of_shared_audio(plan.evidence)
        return PreparationForecast(plan, self.stimuli, self.dataset.sound_kind, self.settings), plan.evidence

    def _left_out(self) -> Iterator[Finding]:
        """Tell of recordings that opening the data set left out, other than those not downloaded."""
        for recording, reason in getattr(self.dataset, "skipped", ()):
            if NOT_DOWNLOADED not in reason:
                yield Finding(check="left out", severity="told", recording=recording, found=reason)

    def _read(self) -> Iterator[ReadRecording]:
        durations_s = {s.stimulus_id: s.duration_s for s in self.stimuli}
        reader = RecordingReader(self.settings, durations_s, self._sound)
        for number, recording in enumerate(self.recordings):
            self.progress(recording.recording_id, 0.1 + 0.7 * number / len(self.recordings))
            read = reader.read(recording)
            yield read

    def _sound(self, stimulus_id: str) -> Sound:
        """Return a sound, decoded once: every recording asks for the sounds it heard many times."""
        if stimulus_id not in self._sounds:
            sound = self._by_id[stimulus_id].load()
            kept = self.folder / f"sound-{len(self._sounds)}.npy"
            np.save(kept, sound.values)
            self._sounds[stimulus_id] = Sound(sound.kind, np.load(kept, mmap_mode="r"), sound.rate_hz)
        return self._sounds[stimulus_id]

    def _take(
        self, read: ReadRecording, evidence: AlignmentEvidence, forecast: PreparationForecast | None, into: Checked
    ) -> None:
        """Add what was read to all that needs it, before the next recording takes its place in memory."""
        if read.loaded is None or read.scale is None:
            return
        into.scales[read.about.recording] = read.scale
        eeg, heard = read.loaded.eeg, [p for p in read.loaded.presentations if p.stimulus_id in evidence.envelopes]
        evidence.add(
            place_on_clock(
                read.about.recording, read.about.channels, eeg, self.settings.sfreq, heard, evidence.envelopes
            )
        )
        if forecast:
            forecast.add(read.loaded.presentations, *eeg.shape)


def _forecast(forecast: PreparationForecast | None, seconds: float) -> Forecast | None:
    return forecast.result(seconds) if forecast else None

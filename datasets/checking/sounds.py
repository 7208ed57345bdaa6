"""Looks at the sounds of a data set: what can be heard in them, and which of them are one sound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.segments.recordings import Recording, Sound, SpeechDataset, Stimulus
from eeg2speech_bench.core.segments.split import Evidence
from eeg2speech_bench.datasets.checking.heard import speech_envelope
from eeg2speech_bench.datasets.checking.report import Finding

#: share of samples at full scale above which a sound is distorted
CLIPPED_SHARE = 0.001
#: samples by which a sound may differ from the length it declares
LENGTH_SAMPLES = 2
#: seconds of a sound that no EEG goes with before it is said
LOST_S = 0.1
REPLACE = "Replace the file by a complete one."


def _not_finite(stimulus: Stimulus, sound: Sound) -> Iterator[Finding]:
    if not np.isfinite(sound.values).all():
        yield _finding("sound", "refused", f"'{stimulus.name}' holds values that are not finite", REPLACE)


def _silent(stimulus: Stimulus, sound: Sound) -> Iterator[Finding]:
    if np.ptp(sound.values) == 0:
        yield _finding("sound", "wrong", f"'{stimulus.name}' is silent", REPLACE)


def _length(stimulus: Stimulus, sound: Sound) -> Iterator[Finding]:
    if abs(len(sound.values) - stimulus.duration_s * sound.rate_hz) > LENGTH_SAMPLES:
        lengths = f"{len(sound.values) / sound.rate_hz:.2f} s long and declares {stimulus.duration_s:.2f} s"
        yield _finding("sound", "refused", f"'{stimulus.name}' is {lengths}", REPLACE)


def _clipped(stimulus: Stimulus, sound: Sound) -> Iterator[Finding]:
    if sound.kind != "waveform" or not len(sound.values):
        return
    share = float(np.mean(np.abs(sound.values) >= 0.999))
    if share > CLIPPED_SHARE:
        found = f"'{stimulus.name}' is at full scale for {share:.1%} of its samples"
        yield _finding("sound", "told", found, "It is distorted: generated speech will be, too. Use the original.")


#: what is looked for in a sound; each gives what it finds
SOUND_CHECKS: tuple[Callable[[Stimulus, Sound], Iterator[Finding]], ...] = (_not_finite, _silent, _length, _clipped)


def check_sounds(stimuli: Sequence[Stimulus], rate_hz: float) -> tuple[dict[str, np.ndarray], list[Finding]]:
    """Read each sound once; return the envelopes at ``rate_hz`` by stimulus, and what is wrong.

    A sound that cannot be read has no envelope.
    """
    envelopes: dict[str, np.ndarray] = {}
    findings: list[Finding] = []
    for stimulus in stimuli:
        try:
            sound = stimulus.load()
        except BenchError as error:
            findings.append(_finding("sound", "refused", str(error), ""))
            continue
        found = [finding for check in SOUND_CHECKS for finding in check(stimulus, sound)]
        findings += found
        if not any(finding.severity == "refused" for finding in found):
            envelopes[stimulus.stimulus_id] = speech_envelope(sound, rate_hz)
    return envelopes, findings


def findings_of_shared_audio(evidence: Evidence) -> Iterator[Finding]:
    """Tell of audio that two stimuli share, and of how the split keeps it together."""
    for shared in evidence.shared_audio:
        places = f"{shared.duration_s:.1f} s of '{shared.one}' (from {shared.start_s:.1f} s) and of '{shared.other}'"
        found = f"{places} (from {shared.other_start_s:.1f} s) are the same audio, r = {shared.correlation:.2f}"
        then = f"It is kept as {shared.kept_as}, so that no part of the split trains on what another tests."
        yield _finding("shared audio", "told", found, then)


def findings_of_repeats(dataset: SpeechDataset) -> Iterator[Finding]:
    """Tell if several recordings have one and the same sound and nothing else."""
    heard = Counter(p.stimulus_id for r in dataset.recordings for p in r.presentations)
    if len(heard) == 1 and len(dataset.recordings) > 1:
        (stimulus_id, times), *_ = heard.items()
        seconds = next(s.duration_s for s in dataset.stimuli if s.stimulus_id == stimulus_id)
        found = f"all {len(dataset.recordings)} recordings have one identical sound of {seconds:.0f} s, {times} times"
        then = "Only a split by stimulus time is honest here, and scores say nothing of other speech."
        yield _finding("repeats", "told", found, then)


def findings_of_lengths(recording: Recording, durations_s: Mapping[str, float]) -> Iterator[Finding]:
    """Tell of presentations that are shorter than their sound."""
    lost = [
        (p, durations_s[p.stimulus_id] - p.duration_s)
        for p in recording.presentations
        if durations_s[p.stimulus_id] - p.duration_s > LOST_S
    ]
    if lost:
        most, lost_s = max(lost, key=lambda item: item[1])
        found = (
            f"{len(lost)} presentation(s) are shorter than their sound, that at {most.onset_s:.1f} s by {lost_s:.1f} s"
        )
        then = (
            "The rest is not used. See whether playback stopped there, or the next row or the recording's end cuts it."
        )
        yield Finding(check="length", severity="told", recording=recording.recording_id, found=found, then=then)


def _finding(check: str, severity: str, found: str, then: str) -> Finding:
    return Finding.model_validate({"check": check, "severity": severity, "found": found, "then": then})

"""Whether the EEG follows the sound when the tables say: what is off is named, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eeg2speech_bench.core.segments.recordings import Presentation
from eeg2speech_bench.datasets.checking.alignment import AlignmentEvidence
from eeg2speech_bench.datasets.checking.heard import in_band, place_on_clock, speech_envelope

LATE_S = 0.3


def late(by_s):
    """Make every presentation of a recording follow its true time by less: the EEG is late."""
    return lambda heard: [replace(p, onset_s=p.onset_s - by_s) for p in heard]


def named(report, check):
    return [f.recording for f in report.findings if f.check == check]


@pytest.fixture
def real_heard(realdata):
    """Two minutes each of two listeners to one book, as late as a test says."""
    folder = realdata / "sparrkulee_brainpipe/tests/test_data/truncated_sparrKULee/derivatives"
    envelope = np.load(folder / "stimuli" / "audiobook_7_5_-_envelope.npy")[:, 0]

    def make(late_s):
        for path in sorted(folder.glob("eeg/*/*/*_eeg.npy")):
            eeg = np.load(path).T
            eeg = np.concatenate([eeg[: round(late_s * 64)], eeg])
            heard = [Presentation("book", 0.0, len(envelope) / 64)]
            yield place_on_clock(
                path.stem, list(map(str, range(64))), eeg, 64.0, heard, {"book": in_band(envelope, 64.0)}
            )

    return make


def test_recordings_that_follow_their_sound_are_called_aligned(listeners, check):
    report = check(listeners())
    assert [one.alignment.outcome for one in report.recordings] == ["aligned"] * 3
    assert report.findings == []


def test_recordings_without_response_give_no_evidence_and_no_finding(listeners, check):
    report = check(listeners(strength=0.0))
    assert [one.alignment.outcome for one in report.recordings] == ["no evidence"] * 3
    assert report.findings == []


@pytest.mark.parametrize("by_s", [LATE_S, -LATE_S])
def test_one_recording_that_slipped_among_others_is_named(listeners, check, by_s):
    dataset = listeners(strength=0.1)
    dataset.change(1, late(by_s))
    report = check(dataset)
    assert named(report, "alignment") == ["sub-02"]
    assert report.recordings[1].alignment.lag_s == pytest.approx(by_s, abs=0.05)


def test_the_others_of_a_slipped_recording_stay_aligned(listeners, check):
    dataset = listeners()
    dataset.change(1, late(LATE_S))
    assert [one.alignment.outcome for one in check(dataset).recordings] == ["aligned", "shifted", "aligned"]


def test_recordings_that_all_slipped_alike_are_found_by_when_they_respond(listeners, check):
    dataset = listeners()
    for index in range(3):
        dataset.change(index, late(LATE_S))
    report = check(dataset)
    assert named(report, "alignment") == [""]
    assert "all recordings together" in report.faults[0].found


def test_a_single_recording_that_slipped_is_found_by_when_it_responds(listeners, check):
    dataset = listeners(count=1)
    dataset.change(0, late(0.4))
    assert len(named(check(dataset), "alignment")) == 1


def test_a_single_recording_in_time_is_called_aligned(listeners, check):
    report = check(listeners(count=1))
    assert (report.recordings[0].alignment.outcome, report.findings) == ("aligned", [])


def test_a_trigger_that_was_lost_within_a_presentation_is_found_there(listeners, check):
    dataset = listeners(strength=1.0)

    def lose(heard):
        first, rest = replace(heard[1], duration_s=20.0), heard[1]
        later = replace(rest, onset_s=rest.onset_s + 20 - 0.4, start_s=20.0, duration_s=rest.duration_s - 20)
        return [heard[0], first, later, *heard[2:]]

    dataset.change(2, lose)
    report = check(dataset)
    assert named(report, "slip") == ["sub-03"]
    assert "presentation 3" in report.faults[0].found


def test_labels_of_two_presentations_that_are_swapped_are_found(listeners, check):
    dataset = listeners()

    def swap(heard):
        one, other = heard[0], heard[2]
        length_s = min(one.duration_s, other.duration_s)
        heard[0] = replace(one, stimulus_id=other.stimulus_id, duration_s=length_s)
        heard[2] = replace(other, stimulus_id=one.stimulus_id, duration_s=length_s)
        return heard

    dataset.change(1, swap)
    assert named(check(dataset), "labels") == ["sub-02"]


def test_labels_that_are_off_by_one_throughout_are_found(listeners, check):
    dataset = listeners()

    def rename(heard):  # the first trigger was lost, and the others were numbered from one
        lengths_s = {p.stimulus_id: p.duration_s for p in heard}
        pairs = zip(heard[1:], [p.stimulus_id for p in heard], strict=False)
        return [replace(p, stimulus_id=s, duration_s=min(p.duration_s, lengths_s[s])) for p, s in pairs]

    dataset.change(1, rename)
    report = check(dataset)
    assert "labels are off by +1" in next(f.found for f in report.findings if f.check == "labels")


def test_recordings_with_other_channels_are_not_decoded_by_each_other(listeners, tmp_path):
    dataset = listeners()
    envelopes = {s.stimulus_id: speech_envelope(s.load(), 64.0) for s in dataset.stimuli}
    evidence = AlignmentEvidence(tmp_path, envelopes)
    for k, recording in enumerate(dataset.recordings):
        eeg = dataset.samples(k)[: 8 - k].T
        heard = place_on_clock(
            recording.recording_id, list("abcdefgh")[: 8 - k], eeg, 64.0, recording.presentations, envelopes
        )
        evidence.add(heard)
    assert {said.trained_on for said in evidence.judge()[0].values()} == {"other parts"}


def test_real_recordings_follow_their_sound_when_their_files_say(real_heard, tmp_path):
    evidence = AlignmentEvidence(tmp_path, {})
    for heard in real_heard(late_s=0.0):
        evidence.add(heard)
    assert [said.outcome for said in evidence.judge()[0].values()] == ["aligned", "aligned"]


def test_real_recordings_that_are_all_late_respond_when_none_can(real_heard, tmp_path):
    evidence = AlignmentEvidence(tmp_path, {})
    for heard in real_heard(late_s=LATE_S):
        evidence.add(heard)
    (finding,) = evidence.judge()[1]
    assert "about 303 ms later" in finding.found

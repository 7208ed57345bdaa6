"""Every fault that is planted is named, with its recording."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.recordings import Presentation
from eeg2speech_bench.datasets.checking.check_dataset import check_dataset
from eeg2speech_bench.datasets.checking.signals import RecordedEeg, findings_of_cuts, line_noise_db

SFREQ = 64


def faults(report):
    return [(f.check, f.severity, f.recording) for f in report.findings]


def test_samples_that_are_not_finite_are_named(listeners, check):
    dataset = listeners()
    dataset.samples(1)[2, 500:510] = np.nan
    report = check(dataset)
    assert faults(report) == [("not finite", "refused", "sub-02")]
    assert "10 samples are not finite, from 7.8 s on, in Pz" in report.findings[0].found


def test_a_flat_channel_is_named(listeners, check):
    dataset = listeners()
    dataset.samples(0)[3] = 0.0
    report = check(dataset)
    assert faults(report) == [("flat", "refused", "sub-01")]
    assert "Oz" in report.findings[0].found


def test_a_channel_that_is_clipped_is_named(listeners, check):
    dataset = listeners()
    values = dataset.samples(2)[1]
    np.clip(values, *np.percentile(values, [5, 95]), out=values)
    report = check(dataset)
    assert faults(report) == [("clipping", "wrong", "sub-03")]
    assert "Cz" in report.findings[0].found


def test_a_gap_while_a_sound_is_heard_is_wrong(listeners, check):
    dataset = listeners()
    dataset.samples(0)[:, 20 * SFREQ : 35 * SFREQ] = 0.0
    report = check(dataset)
    assert faults(report) == [("gap", "wrong", "sub-01")]
    assert "15.0 s together, first at 20.0 s" in report.findings[0].found


def test_a_gap_between_sounds_is_only_told(listeners, check):
    dataset = listeners()
    dataset.samples(0)[:, : 2 * SFREQ] = 0.0
    assert faults(check(dataset)) == [("gap", "told", "sub-01")]


def test_cuts_of_a_recording_are_listed(listeners, check):
    dataset = listeners()
    dataset.eeg["sub-02"].annotations.append(30.0, 0.0, "boundary")
    assert [one.cuts_s for one in check(dataset).recordings] == [[], [30.0], []]


def test_a_sound_that_runs_on_over_a_cut_is_told():
    heard = [Presentation("s", 10.0, 30.0), Presentation("s", 50.0, 30.0)]
    (finding,) = findings_of_cuts("sub-02", [5.0, 30.0, 45.0], heard)
    assert finding.severity == "told"
    assert finding.found == "the recording was cut at 30.0 s, while a sound was playing; no window lies there"


def test_a_channel_far_larger_than_the_others_is_told(listeners, check):
    dataset = listeners()
    dataset.samples(1)[4] *= 30
    report = check(dataset)
    assert faults(report) == [("bad channel", "told", "sub-02")]
    assert "F3 (" in report.findings[0].found


def test_a_step_is_told_with_its_time(listeners, check):
    dataset = listeners()
    dataset.samples(1)[0, 100 * SFREQ :] += 0.05
    report = check(dataset)
    assert faults(report) == [("step", "told", "sub-02")]
    assert "Fz at 100 s" in report.findings[0].found


def test_eeg_of_a_size_that_no_eeg_has_is_told(listeners, check):
    dataset = listeners()
    dataset.samples(0)[:] *= 1e3
    assert faults(check(dataset)) == [("unit", "told", "sub-01")]


def test_one_sound_in_two_files_is_told(listeners, check):
    dataset = listeners()
    one, two, *others = dataset.stimuli
    dataset.stimuli = (one, two, *others, replace(two, stimulus_id="copy", name="copy of story 1"))
    dataset.change(0, lambda heard: [replace(p, stimulus_id="copy") if p.stimulus_id == "s1" else p for p in heard])
    report = check(dataset)
    assert faults(report) == [("shared audio", "told", "")]
    assert "of 'story 1' (from 0.0 s) and of 'copy of story 1' (from 0.0 s) are the same" in report.findings[0].found
    assert "kept as one stimulus" in report.findings[0].then


def test_one_sound_for_all_recordings_is_told(listeners, check):
    dataset = listeners()
    for index in range(3):
        dataset.change(index, lambda heard: [p for p in heard if p.stimulus_id == "s3"])
    report = check(dataset)
    assert "all 3 recordings have one identical sound of 48 s, 3 times" in report.findings[0].found


def test_a_sound_of_another_length_than_it_declares_is_refused(listeners, check):
    dataset = listeners()
    dataset.stimuli = (replace(dataset.stimuli[0], duration_s=46.0), *dataset.stimuli[1:])
    assert ("sound", "refused", "") in faults(check(dataset))


def test_a_presentation_shorter_than_its_sound_is_told(listeners, check):
    dataset = listeners()
    dataset.change(2, lambda heard: [replace(heard[0], duration_s=heard[0].duration_s - 7), *heard[1:]])
    report = check(dataset)
    assert faults(report) == [("length", "told", "sub-03")]
    assert "by 7.0 s" in report.findings[0].found


def test_a_split_that_cannot_be_made_is_refused(listeners):
    dataset = listeners()
    report = check_dataset("listeners", lambda: dataset, DataConfig(sfreq=64.0, split="subject")).report
    assert ("split", "refused", "") in faults(report)


def test_a_recording_that_was_left_out_is_told(listeners, check):
    dataset = listeners()
    dataset.skipped = (("sub-09", "no events.tsv"),)
    assert faults(check(dataset)) == [("left out", "told", "sub-09")]


def test_a_file_that_cannot_be_read_is_refused_and_the_others_are_checked(listeners, check):
    def broken():
        raise ValueError("file is too short")

    dataset = listeners()
    dataset.recordings = (replace(dataset.recordings[0], load=broken), *dataset.recordings[1:])
    report = check(dataset)
    assert faults(report) == [("reading", "refused", "sub-01")]
    assert [one.alignment is None for one in report.recordings] == [True, False, False]


def noise_with_hum(hum_uv):
    times_s = np.arange(60 * 256) / 256
    noise = 5 * np.random.default_rng(0).standard_normal((2, len(times_s)))
    return RecordedEeg("r", ["Fz", "Cz"], 1e-6 * (noise + hum_uv * np.sin(2 * np.pi * 60 * times_s)), 256.0, ())


def test_line_noise_is_measured_against_its_surroundings():
    assert line_noise_db(noise_with_hum(20.0)) > 25


def test_eeg_without_line_noise_stands_out_nowhere():
    assert line_noise_db(noise_with_hum(0.0)) < 3

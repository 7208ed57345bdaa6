#!/usr/bin/env bash
# mne 1.13.2: in runs that were joined and then resampled, annotations drift away from the EEG, a little more with each run.
#
# Expected: concatenate_raws followed by raw.resample keeps every annotation (and every row of events=) on its EEG, up to
# the rounding to one new sample, whichever run it is in.
# What happens: 20 runs of 60.006 s at 512 Hz, each with a pulse at 30 s and an annotation on it, resampled to 64 Hz. Each
# run is rounded to whole new samples by itself (3840.375 becomes 3840), while annotations stay at their seconds. The EEG is
# 4 ms before its annotation in run 1, 57 ms in run 10 and 115 ms in run 20. method="polyphase" does the same, and events
# given by events= are 7 samples (109 ms) late in the last run. There is no warning. Resampled first and joined afterwards,
# the EEG is 4 ms early in every run (and that is the finding of mne_resample_shifts_time.sh).
#
# Why it matters: joining the runs of a session and then resampling is the usual order. Speech responses lie within some
# 100 ms, so the later runs of a session are paired with the wrong piece of sound, and an average over runs is smeared.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check mne==1.13.2 numpy==2.4.6 scipy==1.17.1
cd "$work"
"$work/venv/bin/python" - <<'PY'
import warnings

import mne
import numpy as np

mne.set_log_level("WARNING")
SFREQ, NEW, RUNS, RUN_S, PULSE_S = 512, 64, 20, 60.006, 30.0
N_TIMES = round(SFREQ * RUN_S)


def run():
    t = np.arange(N_TIMES) / SFREQ
    pulse = 1e-4 * np.exp(-0.5 * ((t - PULSE_S) / 0.05) ** 2)
    raw = mne.io.RawArray(pulse[None], mne.create_info(["Cz"], SFREQ, "eeg"), verbose="ERROR")
    return raw.set_annotations(mne.Annotations([PULSE_S], [0], ["pulse"]))


def eeg_minus_annotation_ms(raw):
    """The centre of each pulse in the EEG minus the onset of its annotation."""
    x, sfreq, found = raw.get_data()[0], raw.info["sfreq"], []
    for onset in (a["onset"] - raw.first_time for a in raw.annotations if a["description"] == "pulse"):
        first = int((onset - 1) * sfreq)
        power = x[first : int((onset + 1) * sfreq)] ** 2
        centre = first + np.average(np.arange(len(power)), weights=power)
        found.append(1e3 * (centre / sfreq - onset))
    return [found[0], found[RUNS // 2 - 1], found[-1]]


def show(name, raw, expected):
    seen = eeg_minus_annotation_ms(raw)
    print(f"{name:34s}", "  ".join(f"{round(v, 2) + 0.0:+8.2f}" for v in seen), f"   {raw.n_times} samples")
    assert np.allclose(seen, expected, atol=0.1), (seen, expected)


print("mne", mne.__version__)
print("EEG minus its annotation in ms, in runs 1, 10 and 20; expected: the same in all runs")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    joined = mne.concatenate_raws([run() for _ in range(RUNS)], verbose="ERROR")
    show("joined, not resampled", joined, (0, 0, 0))
    show("joined, then resample(64)", joined.copy().resample(NEW), (-3.91, -56.64, -115.23))
    show("joined, then method='polyphase'", joined.copy().resample(NEW, method="polyphase"), (-2.93, -55.66, -114.26))
    early = mne.concatenate_raws([run().resample(NEW) for _ in range(RUNS)], verbose="ERROR")
    show("resample(64), then joined", early, (-3.91, -3.91, -3.91))
    events, _ = mne.events_from_annotations(joined, regexp="pulse", verbose="ERROR")
    raw, events = joined.copy().resample(NEW, events=events)
    first = events[-1, 0] - NEW
    off = events[-1, 0] - (first + np.argmax(raw.get_data()[0, first : first + 2 * NEW]))
    print(f"events= of the last run: {off} samples = {1e3 * off / NEW:.0f} ms after the pulse")
    assert off == 7
print("warnings:", len(caught))
assert not caught, [str(w.message) for w in caught]
PY

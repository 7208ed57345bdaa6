#!/usr/bin/env bash
# neo 0.14.6: every BrainVision marker comes one sample after the sample that it marks.
#
# Expected: in a .vmrk file the first data point has position 1, so a marker at position 251 of a recording at 250 Hz is
# sample 250 (counted from 0), at 1.000 s. The "New Segment" of the first data point is at 0 s.
# What happens: neo divides the position by the rate as it stands. The marker gets 1.004 s, 4 ms after the spike that it
# marks in the signal of the same neo Segment, and "New Segment" gets 0.004 s though the signal starts at 0 s. mne 1.13.2 puts
# the same marker at 1.000 s. No warning.
#
# Why it matters: one sample is 4 ms at 250 Hz and 10 ms at 100 Hz, in all events alike, so no averaging removes it. A
# sample is also the step of the lags at which EEG and sound are compared, so a response peaks at the wrong lag, and a study
# that reads some recordings by neo and others by mne mixes both.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check neo==0.14.6 mne==1.13.2 numpy==2.4.6 scipy==1.17.1
cd "$work"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version
from pathlib import Path

import mne
import neo
import numpy as np

SFREQ, SPIKE = 250, 250
eeg = np.zeros(500, "<i2")
eeg[SPIKE] = 1000
eeg.tofile("spike.eeg")
Path("spike.vhdr").write_text(f"""Brain Vision Data Exchange Header File Version 1.0

[Common Infos]
Codepage=UTF-8
DataFile=spike.eeg
MarkerFile=spike.vmrk
DataFormat=BINARY
DataOrientation=MULTIPLEXED
NumberOfChannels=1
SamplingInterval={1_000_000 // SFREQ}

[Binary Infos]
BinaryFormat=INT_16

[Channel Infos]
Ch1=Cz,,0.1,uV
""")
Path("spike.vmrk").write_text(f"""Brain Vision Data Exchange Marker File, Version 1.0

[Common Infos]
Codepage=UTF-8
DataFile=spike.eeg

[Marker Infos]
Mk1=New Segment,,1,1,0,20240102100000000000
Mk2=Stimulus,S  1,{SPIKE + 1},1,0
""")

segment = neo.io.BrainVisionIO("spike.vhdr").read_block().segments[0]
signal = segment.analogsignals[0]
spike_s = float(signal.times[np.argmax(signal.magnitude[:, 0])].rescale("s").magnitude)
events = {event.name: [float(t) for t in event.times.rescale("s").magnitude] for event in segment.events}
print(f"neo {version('neo')}: signal from {signal.t_start}, spike at {spike_s} s, events {events}")
assert float(signal.t_start.rescale("s").magnitude) == 0.0
assert spike_s == 1.0
assert np.allclose(events["Stimulus"], [1.004], atol=1e-9)
assert np.allclose(events["New Segment"], [0.004], atol=1e-9)

raw = mne.io.read_raw_brainvision("spike.vhdr", preload=True, verbose="ERROR")
found = {str(a["description"]): float(a["onset"]) for a in raw.annotations}
print(f"mne {mne.__version__}: spike at {raw.times[np.argmax(raw.get_data()[0])]} s, events {found}")
assert found == {"Stimulus/S  1": 1.0}
PY

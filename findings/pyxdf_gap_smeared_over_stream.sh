#!/usr/bin/env bash
# pyxdf 1.17.5: a pause of 3 s in a 100 Hz stream disappears, and every time stamp of the stream is moved to hide it.
#
# Expected: XDF stores a time stamp with every sample. Where a stream drops out for 3 s (a lost connection, a paused
# amplifier), load_xdf keeps the pause, since its documentation names breaks as something it can handle, and samples and
# markers on both sides keep their times.
# What happens: by default, one straight line is laid through all time stamps. EEG of 60 s at 100 Hz with a pause of 3 s after
# 20 s comes back without a pause, as a stream of 93.75 Hz. The sample that was taken together with a marker at 119.00 s is
# now given 120.27 s, while the marker stays: 1.27 s apart. Stamps are off by up to 1.67 s, and there is no warning. A pause is
# kept only if it is longer than 1 s AND than 500 samples, which is 5 s at 100 Hz but 1 s at 500 Hz. The docstring gives these
# two limits; it does not say that a shorter pause is spread over the whole recording.
# With jitter_break_threshold_samples=100 or dejitter_timestamps=False all times are right.
#
# Why it matters: EEG and the marks of sound are separate streams of such a file, joined by these time stamps alone. A short
# dropout moves words against EEG by more than a second, before the dropout as well as after it, and the lower the sampling
# rate, the longer the pauses that are lost.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pyxdf==1.17.5 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import logging
import struct
from importlib.metadata import version

import numpy as np
import pyxdf

SFREQ, N, PAUSE_AT, PAUSE_S, SPIKE = 100, 6000, 2000, 3.0, 1900
EEG, MARKERS = 1, 2


def chunk(tag, content):
    return b"\x04" + struct.pack("<IH", len(content) + 2, tag) + content


def stream_header(stream, name, kind, rate, form):
    fields = {"name": name, "type": kind, "channel_count": 1, "nominal_srate": rate, "channel_format": form, "created_at": 0}
    body = "".join(f"<{key}>{value}</{key}>" for key, value in fields.items())
    return chunk(2, struct.pack("<I", stream) + f'<?xml version="1.0"?><info>{body}</info>'.encode())


def samples(stream, rows):
    return chunk(3, struct.pack("<I", stream) + b"\x04" + struct.pack("<I", len(rows)) + b"".join(rows))


true_s = 100 + np.arange(N) / SFREQ
true_s[PAUSE_AT:] += PAUSE_S
eeg = np.zeros(N, "<f4")
eeg[SPIKE] = 1
mark = b"spike"
content = b"XDF:" + chunk(1, b'<?xml version="1.0"?><info><version>1.0</version></info>')
content += stream_header(EEG, "amplifier", "EEG", SFREQ, "float32")
content += stream_header(MARKERS, "player", "Markers", 0, "string")
for time_s in np.arange(100.0, true_s[-1], 5.0):  # both clocks are the recorder's own
    content += b"".join(chunk(4, struct.pack("<Idd", stream, time_s, 0.0)) for stream in (EEG, MARKERS))
content += samples(EEG, [b"\x08" + struct.pack("<df", t, x) for t, x in zip(true_s, eeg)])
content += samples(MARKERS, [b"\x08" + struct.pack("<d", true_s[SPIKE]) + b"\x01" + struct.pack("<B", len(mark)) + mark])
for stream, first, last, count in ((EEG, true_s[0], true_s[-1], N), (MARKERS, true_s[SPIKE], true_s[SPIKE], 1)):
    body = f"<first_timestamp>{first}</first_timestamp><last_timestamp>{last}</last_timestamp><sample_count>{count}</sample_count>"
    content += chunk(6, struct.pack("<I", stream) + f'<?xml version="1.0"?><info>{body}</info>'.encode())
with open("pause.xdf", "wb") as file:
    file.write(content)


class Warned(logging.Handler):
    def emit(self, record):
        warned.append(record.getMessage())


logging.getLogger().addHandler(Warned(logging.WARNING))
print("pyxdf", version("pyxdf"))
print(f"in the file: {true_s[0]:.2f} to {true_s[-1]:.2f} s, longest step {np.diff(true_s).max():.2f} s, spike and marker at {true_s[SPIKE]:.2f} s")
SEEN = [  # arguments, longest step, measured rate, spike minus marker, largest error of a stamp, warnings
    ({}, 0.010667, 93.75, 1.267, 1.666, 0),
    ({"dejitter_timestamps": False}, 3.01, 95.237, 0, 0, 0),
    ({"jitter_break_threshold_samples": 100}, 3.01, 100.0, 0, 0, None),
]
for how, *expected, n_warned in SEEN:
    warned = []
    streams = {s["info"]["name"][0]: s for s in pyxdf.load_xdf("pause.xdf", **how)[0]}
    stamps, marker_s = streams["amplifier"]["time_stamps"], streams["player"]["time_stamps"][0]
    spike_s = stamps[np.argmax(streams["amplifier"]["time_series"][:, 0])]
    rate = streams["amplifier"]["info"]["effective_srate"]
    longest, apart, off = np.diff(stamps).max(), spike_s - marker_s, np.abs(stamps - true_s).max()
    print(how or "defaults")
    print(f"   {stamps[0]:.2f} to {stamps[-1]:.2f} s, longest step {longest:.4f} s, effective_srate {rate:.3f} Hz, warnings {warned}")
    print(f"   spike at {spike_s:.3f} s, marker at {marker_s:.3f} s: {apart + 0.0:+.3f} s; stamps off by {off:.3f} s at most")
    assert np.allclose((longest, rate, apart, off), expected, atol=2e-3), (longest, rate, apart, off)
    assert n_warned is None or len(warned) == n_warned, warned
PY

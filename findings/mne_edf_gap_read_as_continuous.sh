#!/usr/bin/env bash
# mne 1.13.2: an EDF+D file with a pause is read as if there were no pause, but its events keep the time with the pause.
#
# Expected: "EDF+D" in the header says that data records need not follow each other in time, and the first entry of each
# record's annotation list says when it starts. A reader either honours these times, or marks the pause, or refuses the file.
# What happens: records at 0 to 9 s and at 12 to 21 s. The file marks 15.5 s, and the EEG has its spike there. read_raw_edf
# joins the records to 20 s without a gap or a mark: the spike lies at 13.5 s, while the annotation stays at 15.5 s, 2 s
# later. There is no warning. edfio 0.4.18 gives the same two numbers, but says "EDF+D" in .reserved; pyedflib 0.1.42
# refuses the file in plain words. (Reported for mne as issue 13429 and still so in this release.)
#
# Why it matters: EDF+D is the form of EDF+ for a recording that was paused, for example between two stories. Every word after
# the pause is paired with EEG that was taken 2 s after it, every further pause adds to this, and nothing in the Raw tells.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  mne==1.13.2 edfio==0.4.18 pyedflib==0.1.42 numpy==2.4.6 scipy==1.17.1
cd "$work"
"$work/venv/bin/python" - <<'PY'
import warnings
from importlib.metadata import version

import edfio
import mne
import numpy as np
import pyedflib

SFREQ, TAL_BYTES, MARK_S = 100, 48, 15.5
STARTS = [*range(10), *range(12, 22)]  # 1 s records with a pause from 10 to 12 s


def text(value, width):
    return str(value).ljust(width).encode("ascii")


FIELDS = [  # of the EEG signal and of the annotation signal, with the width of the field
    ("EEG Cz", "EDF Annotations", 16),
    ("", "", 80),
    ("uV", "", 8),
    (-3276.8, -1, 8),
    (3276.7, 1, 8),
    (-32768, -32768, 8),
    (32767, 32767, 8),
    ("", "", 80),
    (SFREQ, TAL_BYTES // 2, 8),
    ("", "", 32),
]
header = text(0, 8) + text("X X X X", 80) + text("Startdate 02-JAN-2024 X X X", 80) + b"02.01.2410.00.00"
header += text(256 * 3, 8) + text("EDF+D", 44) + text(len(STARTS), 8) + text(1, 8) + text(2, 4)
header += b"".join(text(eeg, width) + text(annotation, width) for eeg, annotation, width in FIELDS)
with open("pause.edf", "wb") as file:
    file.write(header)
    for start in STARTS:
        eeg, tal = np.zeros(SFREQ, "<i2"), f"+{start}\x14\x14\0"
        if start <= MARK_S < start + 1:
            eeg[round((MARK_S - start) * SFREQ)] = 1000
            tal += f"+{MARK_S}\x14spike\x14\0"
        file.write(eeg.tobytes() + tal.encode("ascii").ljust(TAL_BYTES, b"\0"))

print("records start at", STARTS, "s; the file marks", MARK_S, "s, where the EEG has its spike")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    raw = mne.io.read_raw_edf("pause.edf", preload=True, verbose="WARNING")
spike_s = raw.times[np.argmax(raw.get_data()[0])]
found = [(float(a["onset"]), str(a["description"])) for a in raw.annotations]
print(f"mne {mne.__version__}: {raw.n_times / SFREQ} s, spike in the EEG at {spike_s} s, annotations {found}, warnings {len(caught)}")
assert (raw.n_times, spike_s, found, len(caught)) == (2000, 13.5, [(15.5, "spike")], 0)

edf = edfio.read_edf("pause.edf")
spike_s, onset = np.argmax(edf.signals[0].data) / SFREQ, edf.annotations[0].onset
print(f"edfio {version('edfio')}: {edf.duration} s, spike at {spike_s} s, annotation at {onset} s, reserved {edf.reserved!r}")
assert (edf.duration, spike_s, onset, edf.reserved) == (20.0, 13.5, 15.5, "EDF+D")

try:
    pyedflib.EdfReader("pause.edf")
except OSError as error:
    print(f"pyedflib {version('pyedflib')}: {error}")
    assert "discontinuous" in str(error)
else:
    raise SystemExit("pyedflib reads the file now")
PY

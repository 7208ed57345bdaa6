#!/usr/bin/env bash
# mne-bids 0.20.0: of channels.tsv, name, type and status are heeded; units and sampling_frequency are ignored without a word.
#
# Expected: BIDS requires the column "units" in channels.tsv, and the reader heeds it, or says that it does not agree with the
# recording. EEGLAB files have no field for the unit, so there channels.tsv is the only place that can say it. The same goes for the
# sampling rate that channels.tsv and eeg.json name.
# What happens: a .set file at 500 Hz whose numbers are 0.05, with units "V" in channels.tsv, comes out of read_raw_bids as
# 0.05 microvolts, a million times too small. "mV", "uV" and "n/a" give the very same values. With sampling_frequency 250 in
# channels.tsv and SamplingFrequency 250 in eeg.json the Raw still has 500 Hz. No warning in any case, while the type "MISC",
# the status "bad" and PowerLineFrequency 60 of the same two files are taken over.
#
# Why it matters: who corrects a wrong unit or rate in a data set does it in these files, as BIDS wants it, and nothing happens.
# Wrong units pass through fixed thresholds for artefacts (all of it is rejected, or none). A wrong rate is worse: at 500 instead
# of 250 Hz, EEG runs at twice the speed against the sound.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  mne-bids==0.20.0 mne==1.13.2 pandas==3.1.1 numpy==2.4.6 scipy==1.17.1
cd "$work"
"$work/venv/bin/python" - <<'PY'
import json
import warnings
from pathlib import Path

import mne
import mne_bids
import numpy as np
import scipy.io

SFREQ, N, NAMES = 500, 1000, ["Cz", "Pz", "Aux"]
root, stem = Path("bids"), "sub-01_task-listen"
folder = root / "sub-01" / "eeg"
folder.mkdir(parents=True)
(root / "dataset_description.json").write_text(json.dumps({"Name": "made", "BIDSVersion": "1.10.0", "DatasetType": "raw"}))
(root / "README").write_text("One made recording.\n")
(root / "participants.tsv").write_text("participant_id\nsub-01\n")
(folder / f"{stem}_events.tsv").write_text("onset\tduration\ttrial_type\n0.2\t0.1\tword\n")
eeg = {
    "setname": stem,
    "nbchan": len(NAMES),
    "pnts": N,
    "trials": 1,
    "srate": float(SFREQ),
    "xmin": 0.0,
    "xmax": (N - 1) / SFREQ,
    "data": np.full((len(NAMES), N), 0.05, "f4"),
    "chanlocs": np.array([(name,) for name in NAMES], [("labels", object)]),
    "event": np.zeros(0),
    "icawinv": np.zeros(0),
    "icaweights": np.zeros(0),
    "icasphere": np.zeros(0),
}
scipy.io.savemat(folder / f"{stem}_eeg.set", {"EEG": eeg}, appendmat=False)

print("mne-bids", mne_bids.__version__, "and mne", mne.__version__)
print(f"in the file: {SFREQ} Hz, every number is 0.05")
path = mne_bids.BIDSPath(subject="01", task="listen", datatype="eeg", suffix="eeg", extension=".set", root=root)
for units, rate in (("uV", 500), ("mV", 500), ("V", 500), ("n/a", 500), ("V", 250)):
    rows = [("Cz", "EEG", "good"), ("Pz", "EEG", "bad"), ("Aux", "MISC", "good")]
    lines = ["name\ttype\tunits\tsampling_frequency\tstatus"]
    lines += [f"{name}\t{kind}\t{units}\t{rate}\t{status}" for name, kind, status in rows]
    (folder / f"{stem}_channels.tsv").write_text("\n".join(lines) + "\n")
    side = {"TaskName": "listen", "SamplingFrequency": rate, "PowerLineFrequency": 60, "EEGReference": "n/a", "SoftwareFilters": "n/a"}
    (folder / f"{stem}_eeg.json").write_text(json.dumps(side))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        raw = mne_bids.read_raw_bids(path, verbose="WARNING")
    value, sfreq = raw.get_data()[0, 0], raw.info["sfreq"]
    kinds, bads, line = raw.get_channel_types(), raw.info["bads"], raw.info["line_freq"]
    print(f"units {units:4s} rate {rate}:  Cz {value:.3g} V at {sfreq} Hz; types {kinds}, bads {bads}, line_freq {line}; warnings {len(caught)}")
    assert np.isclose(value, 5e-8) and sfreq == 500.0
    assert (kinds, bads, line) == (["eeg", "eeg", "misc"], ["Pz"], 60.0)
    assert not caught, [str(w.message) for w in caught]
PY

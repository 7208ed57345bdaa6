#!/usr/bin/env bash
# mne-lsl 1.14.0: PlayerLSL stamps every annotation one sample before the sample that it stands at.
#
# Expected: an annotation of a recording that is played has the time stamp of its own sample, so that a reader finds the two together.
# What happens: its stamp is that of the sample before. At 100 Hz it is 10 ms early, whatever the length of the chunks.
#
# Why it matters: sound and EEG are aligned by such markers. Epochs that are cut live around them begin one sample early beside those that MNE
# cuts from the file. To be safe, compare with stamps of the EEG itself, or add 1 / sfreq to the stamps of annotations.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check mne-lsl==1.14.0 mne==1.13.2 numpy==2.4.6
cd "$work"
printf '[multicast]\nResolveScope = machine\n[lab]\nKnownPeers = {127.0.0.1}\n[log]\nlevel = -3\n' > lsl_api.cfg
LSLAPICFG="$work/lsl_api.cfg" "$work/venv/bin/python" - <<'PY' 2> /dev/null
import time

import mne
import numpy as np
from mne_lsl.lsl import StreamInlet, resolve_streams
from mne_lsl.player import PlayerLSL

RATE = 100.0
MARKED = np.array([405, 500, 611, 699, 700, 803])
# every sample holds its own number
raw = mne.io.RawArray(np.arange(1000.0)[None], mne.create_info(["number"], RATE, "misc"), verbose="ERROR")
raw.set_annotations(mne.Annotations(MARKED / RATE, 0.1, "marker"), verbose="ERROR")


def opened(name):
    inlet = StreamInlet(resolve_streams(10, name=name)[0])
    inlet.open_stream(timeout=10)
    return inlet


def samples_marked(chunk_size):
    """Numbers of the samples that the stamps of the annotations fall on."""
    name = f"player-{chunk_size}"
    numbers, stamps, marks = [], [], []
    with PlayerLSL(raw, chunk_size=chunk_size, n_repeat=1, name=name, source_id=name):
        eeg, markers = opened(name), opened(f"{name}-annotations")
        stop = time.monotonic() + 10
        while time.monotonic() < stop:
            values, times = eeg.pull_chunk(timeout=0.0, max_samples=4096)
            numbers += values[:, 0].tolist() if len(times) else []
            stamps += times.tolist()
            marks += markers.pull_chunk(timeout=0.0, max_samples=100)[1].tolist()
            time.sleep(0.01)
        eeg._del()
        markers._del()
    return np.interp(marks, stamps, numbers)


early = True
for chunk_size in (1, 10, 32):
    found = samples_marked(chunk_size)
    print(f"chunks of {chunk_size:2d}: marked {MARKED.tolist()}, stamped as {found.round(2).tolist()}")
    early &= len(found) == len(MARKED) and bool(np.allclose(found, MARKED - 1, atol=0.1))
raise SystemExit(0 if early else "annotations are no longer stamped a sample early")
PY

#!/usr/bin/env bash
# mne-lsl 1.14.0 (liblsl 1.17 in its wheel): an outlet that is closed and opened anew at once is found again after 1.5 s, or only after 31 s.
#
# Expected: an inlet with recover=True has the same outlet back (same name and source_id, same machine) within a second or two.
# What happens: mostly it does; in 3 of 12 restarts the inlet stayed silent for 30.9 s and then went on. Where
# the outlet came back three seconds after it had gone, two of two were found within a second.
#
# Why it matters: a program that takes a silent stream for an ended one after ten seconds ends in a part of all restarts. Wait for more
# than 31 s, or wait three seconds before the outlet is opened anew.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check mne-lsl==1.14.0 mne==1.13.2 numpy==2.4.6
cd "$work"
printf '[multicast]\nResolveScope = machine\n[lab]\nKnownPeers = {127.0.0.1}\n[log]\nlevel = -3\n' > lsl_api.cfg
LSLAPICFG="$work/lsl_api.cfg" "$work/venv/bin/python" - <<'PY' 2> /dev/null
import threading
import time

import numpy as np
from mne_lsl.lsl import StreamInfo, StreamInlet, StreamOutlet, resolve_streams


def seconds_until_it_is_back(name):
    def outlet():
        return StreamOutlet(StreamInfo(name, "EEG", 2, 100, "float64", f"{name}-source"))

    first = outlet()
    inlet = StreamInlet(resolve_streams(20, name=name)[0], recover=True)
    inlet.open_stream(timeout=20)
    first.push_chunk(np.zeros((10, 2)))
    time.sleep(0.5)
    inlet.pull_chunk(timeout=0)
    ended = threading.Event()

    def read():
        while not ended.is_set():
            inlet.pull_chunk(timeout=0.0, max_samples=100)
            time.sleep(0.01)

    first._del()
    second, began = outlet(), time.monotonic()
    reader = threading.Thread(target=read)
    reader.start()
    assert second.wait_for_consumers(120)
    seconds = time.monotonic() - began
    ended.set()
    reader.join()
    return seconds


waits = []
while len(waits) < 40 and not any(wait > 15 for wait in waits):
    waits.append(seconds_until_it_is_back(f"restarted-{len(waits)}"))
    print(f"restart {len(waits)}: back after {waits[-1]:.1f} s", flush=True)
assert min(waits) < 5, waits
assert 25 < max(waits) < 40, waits
print("as described")
PY

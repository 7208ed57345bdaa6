#!/usr/bin/env bash
# mne-lsl 1.14.0 (liblsl in its wheel): PlayerLSL stamps every sample with a time that has not come yet, by one chunk.
#
# Expected, from its documentation: the last sample of a chunk is given the current time, so that samples reach a reader some
# milliseconds after their time stamps, as those of an amplifier do.
# What happens: the stamp of a chunk is the time at which the next one will be sent. Samples arrive 0.03 s, 0.12 s or 1 s before their own
# stamps at 256 Hz in chunks of 8, 32 and 256.
#
# Why it matters: a player is what the delay of an online decoder is measured with. It comes out too small by the length of a chunk, or
# negative, and markers of another stream, stamped with the true time, lie a chunk early beside the EEG. To be safe, take small chunks, and count a
# delay from the arrival where a stamp lies in the future.
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
from mne_lsl.lsl import StreamInlet, local_clock, resolve_streams
from mne_lsl.player import PlayerLSL

RATE = 256.0
raw = mne.io.RawArray(np.zeros((2, 60 * 256)), mne.create_info(2, RATE, "eeg"), verbose="ERROR")


def ages_at_arrival(chunk_size):
    """Seconds from the stamp of the newest sample to its arrival, of the chunks of five seconds."""
    name = f"player-{chunk_size}"
    ages = []
    with PlayerLSL(raw, chunk_size=chunk_size, name=name, source_id=name):
        inlet = StreamInlet(resolve_streams(10, name=name)[0])
        inlet.open_stream(timeout=10)
        inlet.pull_chunk(timeout=0.0, max_samples=4096)
        stop = time.monotonic() + 5
        while time.monotonic() < stop:
            _, stamps = inlet.pull_chunk(timeout=0.0, max_samples=4096)
            if len(stamps):
                ages.append(local_clock() - stamps[-1])
            time.sleep(0.001)
        inlet._del()
    return np.array(ages)


ahead = True
for chunk_size in (8, 32, 256):
    age_s = float(np.median(ages_at_arrival(chunk_size)))
    print(f"chunks of {chunk_size:3d} samples ({chunk_size / RATE:.3f} s): a sample arrives {1000 * age_s:+.0f} ms after its stamp")
    ahead &= -1.1 * chunk_size / RATE < age_s < 0
raise SystemExit(0 if ahead else "the stamps are no longer ahead of time")
PY

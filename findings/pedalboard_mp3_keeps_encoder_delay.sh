#!/usr/bin/env bash
# pedalboard 0.9.26: an MP3 is read with the encoder's delay in front, though the file says how long it is.
#
# Expected: an MP3 encoder puts some silence before the sound and after it, and writes both lengths into a tag in the first
# frame, so that a reader can cut them off. 1 s of sound at 44 100 Hz is read back as 44 100 samples, each in its place.
# What happens: soundfile 0.14.0 does so. pedalboard's AudioFile gives 46 080 samples, and a click that was at sample 22 050
# is at 23 155: 1105 samples or 25.06 ms late (576 of the encoder, by the tag, and 529 that every decoder adds). The same
# with files that pedalboard has written itself. .frames and .duration count the silence as sound. No warning.
#
# Why it matters: audiobook stimuli are often MP3. With sound read by pedalboard, all EEG seems to come 25 ms too soon, which
# turns a response at 100 ms into one at 75 ms; a project that reads training sound by one library and test sound by the other
# has both.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pedalboard==0.9.26 soundfile==0.14.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
import soundfile
from pedalboard.io import AudioFile

RATE, CLICK = 44100, 22050
sound = np.zeros(RATE, np.float32)
sound[CLICK] = 0.9
soundfile.write("by_soundfile.mp3", sound, RATE)
with AudioFile("by_pedalboard.mp3", "w", RATE, 1) as file:
    file.write(sound)

print("pedalboard", version("pedalboard"), "and soundfile", version("soundfile"))
print(f"written: {RATE} samples, click at {CLICK}")
for path in ("by_soundfile.mp3", "by_pedalboard.mp3"):
    with open(path, "rb") as file:
        content = file.read()
    tag = content.index(b"LAME", max(content.find(b"Xing"), content.find(b"Info"), 0))
    high, middle, low = content[tag + 21 : tag + 24]
    delay, padding = high << 4 | middle >> 4, (middle & 15) << 8 | low
    print(f"{path}: its tag names {delay} samples of delay and {padding} of padding")
    assert delay == 576
    read, _ = soundfile.read(path)
    frames, click = len(read), int(np.argmax(np.abs(read)))
    print(f"   soundfile:  {frames} samples, click at {click}")
    assert (frames, click) == (RATE, CLICK)
    with AudioFile(path) as file:
        frames, seconds, read = file.frames, file.duration, file.read(file.frames)[0]
    click = int(np.argmax(np.abs(read)))
    print(f"   pedalboard: {frames} samples ({seconds:.4f} s), click at {click}: {1e3 * (click - CLICK) / RATE:+.2f} ms")
    assert (frames, len(read), click) == (46080, 46080, CLICK + 1105)
PY

#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2): where the disk fills up with the last bytes of a file, write() returns as if all were well.
#
# Expected: whoever writes sound to a disk that takes no more gets an error, as for WAV, however few bytes are missing.
# What happens: encoders hold back the end of a sound and write it when the file is closed, and there an error is not passed on.
# With room for 1000 bytes less than 20 s of sound need, WAV raises and OGG does not, with Vorbis as with Opus: the file ends 0.86 s or
# 1.03 s early and opens without a complaint. With 100 bytes too few FLAC raises nothing either and cannot be read at all, and
# MP3 loses 53 ms. A limit on the size of files stands in for a full disk here: both make write(2) take less than it is given.
#
# Why it matters: generated speech, or speech of an experiment, is then shorter than its transcript or its EEG says, and nobody was
# told. To be safe, read the length back after writing.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check soundfile==0.14.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY' 2> /dev/null
import os
import resource
import signal

import numpy as np
import soundfile

RATE, SECONDS = 16000, 20.0
sound = (0.1 * np.random.default_rng(0).standard_normal(round(SECONDS * RATE))).astype("f4")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then a write beyond the limit fails, as on a full disk


def limit_files(n_bytes):
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, resource.RLIM_INFINITY))


def read_back_s(path):
    try:
        samples, rate = soundfile.read(path)
    except (RuntimeError, ValueError) as error:
        return type(error).__name__
    return round(len(samples) / rate, 3)


print("soundfile", soundfile.__version__, "with", soundfile.__libsndfile_version__)
seen = {}
for kind, coding in (("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")):
    path = f"{coding}.{kind.lower()}"
    limit_files(resource.RLIM_INFINITY)
    soundfile.write(path, sound, RATE, format=kind, subtype=coding)
    whole = os.path.getsize(path)
    for missing in (100, 1000):
        limit_files(whole - missing)
        try:
            soundfile.write(path, sound, RATE, format=kind, subtype=coding)
            said = "no error"
        except soundfile.LibsndfileError:
            said = "an error"
        seen[kind, coding, missing] = (said, read_back_s(path))
        print(f"{kind:4s} {coding:14s} of {whole} bytes the last {missing:4d} do not fit: {said}; read back: {seen[kind, coding, missing][1]}")
limit_files(resource.RLIM_INFINITY)
assert [seen["WAV", "PCM_16", n][0] for n in (100, 1000)] == ["an error"] * 2
for coding, lost_s in (("VORBIS", 0.5), ("OPUS", 0.5)):
    for missing in (100, 1000):
        said, left_s = seen["OGG", coding, missing]
        assert said == "no error" and left_s < SECONDS - lost_s, (coding, said, left_s)
assert seen["FLAC", "PCM_16", 100] == ("no error", "ValueError") and seen["FLAC", "PCM_16", 1000][0] == "an error"
said, left_s = seen["MP3", "MPEG_LAYER_III", 100]
assert said == "no error" and left_s < SECONDS - 0.03
PY

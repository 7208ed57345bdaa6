"""Writes a BIDS data set of noise, of any size, for measurements of time and memory."""

from __future__ import annotations

import json
from pathlib import Path

import mne
import numpy as np
import soundfile

#: what the sounds and recordings leave free at both ends, seconds
REST_S = 2.0
#: a story is as long as this, or as the recording
STORY_S = 285.0
SOUND_RATE_HZ = 16_000


def make_recordings(root: Path, n_listeners: int, minutes: float, n_chans: int, sfreq: float) -> Path:
    """Write listeners who all hear the same stories, as BrainVision files of 16 bits, unless the folder exists.

    A minute of noise, a new one for each listener, is repeated; a file has the size of a real one.
    """
    if root.exists():
        return root
    (root / "stimuli").mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": root.name, "BIDSVersion": "1.9.0"}))
    room_s = 60 * minutes - 2 * REST_S
    story_s = min(STORY_S, room_s)
    n_stories = int(room_s // story_s)
    for number in range(n_stories):
        _write_story(root / "stimuli" / f"{number}.wav", number, story_s)
    rows = "".join(f"{REST_S + n * story_s}\t{story_s}\t{n}.wav\n" for n in range(n_stories))
    names = mne.channels.make_standard_montage("biosemi64").ch_names[:n_chans]
    for number in range(1, n_listeners + 1):
        folder = root / f"sub-{number:03d}" / "eeg"
        folder.mkdir(parents=True)
        stem = folder / f"sub-{number:03d}_task-listen"
        stem.with_name(f"{stem.name}_events.tsv").write_text(f"onset\tduration\tstim_file\n{rows}")
        sidecar = {"TaskName": "listen", "EEGReference": "n/a", "SamplingFrequency": sfreq, "PowerLineFrequency": 50}
        stem.with_name(f"{stem.name}_eeg.json").write_text(json.dumps(sidecar))
        _write_brainvision(stem.with_name(f"{stem.name}_eeg"), number, minutes, names, sfreq)
    return root


def _write_story(path: Path, seed: int, seconds: float) -> None:
    """Write noise whose level changes as that of speech."""
    rng = np.random.default_rng((1, seed))
    n, step = round(seconds * SOUND_RATE_HZ), SOUND_RATE_HZ // 4
    level = np.interp(np.arange(n), step * np.arange(n // step + 2), rng.random(n // step + 2) ** 2)
    soundfile.write(path, (0.2 * level * rng.standard_normal(n)).clip(-1, 1).astype(np.float32), SOUND_RATE_HZ)


def _write_brainvision(stem: Path, seed: int, minutes: float, names: list[str], sfreq: float) -> None:
    common = f"[Common Infos]\nCodepage=UTF-8\nDataFile={stem.name}.eeg\n"
    channels = "\n".join(f"Ch{k}={name},,0.1,µV" for k, name in enumerate(names, start=1))
    stem.with_suffix(".vhdr").write_text(
        f"Brain Vision Data Exchange Header File Version 1.0\n\n{common}MarkerFile={stem.name}.vmrk\n"
        f"DataFormat=BINARY\nDataOrientation=MULTIPLEXED\nNumberOfChannels={len(names)}\n"
        f"SamplingInterval={1e6 / sfreq:g}\n\n[Binary Infos]\nBinaryFormat=INT_16\n\n[Channel Infos]\n{channels}\n",
        encoding="utf8",
    )
    stem.with_suffix(".vmrk").write_text(
        f"Brain Vision Data Exchange Marker File, Version 1.0\n\n{common}\n[Marker Infos]\n"
        "Mk1=New Segment,,1,1,0,20240506100000000000\n",
        encoding="utf8",
    )
    noise = 100 * np.random.default_rng((2, seed)).standard_normal((round(60 * sfreq), len(names)), dtype=np.float32)
    noise[1:] += 0.9 * noise[:-1]
    minute = noise.clip(-32_000, 32_000).astype("<i2")
    with stem.with_suffix(".eeg").open("wb") as file:
        left = round(60 * minutes * sfreq)
        while left:
            n = min(left, len(minute))
            file.write(minute[:n].tobytes())
            left -= n

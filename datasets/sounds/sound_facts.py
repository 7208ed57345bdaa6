"""Tells what must be known of a sound file before it is used, and remembers it so that a second run decodes nothing."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.core.stages.json_files import read_json, write_json
from eeg2speech_bench.datasets.sounds.channels import mixed
from eeg2speech_bench.datasets.sounds.decoding import decode, read_header

#: the folder of remembered facts below the cache folder; its number changes with the way sounds are read
MEMORY = "sound-facts-1"


@dataclass(frozen=True)
class SoundFacts:
    """What is known of a sound file.

    Attributes
    ----------
    sound_id : str
        16 hexadecimal digits: a hash of the samples in one channel at the file's own rate, so that WAV and FLAC of the
        same samples have one id on every computer. Lossy files have the hash of their content, since their decoders
        may round differently elsewhere.
    n_frames, rate_hz : int
    notes : list of str
        On channels that were left out, and on the delay of an MP3.
    """

    sound_id: str
    n_frames: int
    rate_hz: int
    notes: list[str]


def sound_facts(path: Path, hashes: FileHashes, channel: int | None = None) -> SoundFacts:
    """Return the facts of a sound file; it is decoded once and remembered by its content in the cache of ``hashes``.

    Raises
    ------
    DataError
        As `read_header`, `decode` and `mixed`.
    """
    content = hashes.of(path)
    memory = hashes.cache / MEMORY / f"{content[:32]}-{channel or 'mix'}.json" if hashes.cache else None
    if memory:
        try:
            return SoundFacts(**read_json(memory))
        except (OSError, ValueError, TypeError):
            pass  # not remembered, or damaged: it can always be decoded again
    facts = _decoded_facts(path, content, channel)
    if memory:
        try:
            memory.parent.mkdir(parents=True, exist_ok=True)
            write_json(memory, asdict(facts))
        except OSError:
            pass  # a memory that cannot be kept costs time alone
    return facts


def _decoded_facts(path: Path, content: str, channel: int | None) -> SoundFacts:
    header = read_header(path)
    delayed = [f"the MP3 encoder's delay of {header.delay} samples was removed"] if header.delay else []
    if header.is_lossy and header.n_channels == 1:
        return SoundFacts(content[:16], header.n_frames, header.rate_hz, delayed)
    samples = decode(path)
    values, notes = mixed(samples, path, channel)
    sound_id = content[:16]
    if not header.is_lossy:
        digest = hashlib.sha256(f"{samples.rate_hz}\0".encode())
        digest.update(np.ascontiguousarray(values + np.float32(0.0), dtype="<f4").data)  # no sign for zero
        sound_id = digest.hexdigest()[:16]
    return SoundFacts(sound_id, len(values), samples.rate_hz, [*delayed, *notes])

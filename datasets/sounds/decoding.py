"""Decodes sound files with libsndfile, and refuses those that it cannot place in time."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.sounds.mp3_delay import encoder_delay

#: WAV writers that do not know the length beforehand put about 2 or 4 GiB into the header
UNKNOWN_LENGTH = 0x7FFF0000
#: frames that libsndfile gives a FLAC stream of unknown length
ENDLESS = 1 << 62
#: codings whose decoders may give other last bits on another processor
LOSSY = {"VORBIS", "OPUS", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III"}


@dataclass(frozen=True)
class SoundHeader:
    """What the header of a sound file says.

    Attributes
    ----------
    n_frames, rate_hz, n_channels : int
    is_lossy : bool
    delay : int, optional
        Samples of silence that an MP3 encoder put before the sound, and decoding removes.
    """

    n_frames: int
    rate_hz: int
    n_channels: int
    is_lossy: bool
    delay: int | None = None


@dataclass(frozen=True)
class Samples:
    """A decoded sound file: ``values`` of float32, shape (n_frames, n_channels), and their number per second."""

    values: np.ndarray = field(repr=False)
    rate_hz: int


def read_header(path: Path) -> SoundHeader:
    """Read the length, rate and channels of a sound file.

    Raises
    ------
    DataError
        If the file is damaged or empty, is shorter than its header says, or does not say how long it is or, as an MP3,
        where its sound starts.
    """
    import soundfile

    try:
        info = soundfile.info(path, verbose=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise damaged(path, str(error)) from error
    wav = re.search(r"^data\s*: (\d+) \(should be (\d+)\)", info.extra_info, re.MULTILINE)
    if wav and int(wav[2]) < int(wav[1]) < UNKNOWN_LENGTH:
        raise damaged(path, f"{wav[2]} bytes of sound where its header says {wav[1]}")
    if "lacks an end-of-stream" in info.extra_info:
        raise damaged(path, "an Ogg stream that stops before its end")
    if info.frames == 0:
        raise damaged(path, "no sound in it")
    if info.frames >= ENDLESS:
        raise _without_length(path)
    delay = encoder_delay(path) if info.subtype.startswith("MPEG") else None
    if info.subtype.startswith("MPEG") and delay is None:
        raise _mp3_without_delay(path)
    return SoundHeader(info.frames, info.samplerate, info.channels, info.subtype in LOSSY, delay)


def decode(path: Path) -> Samples:
    """Decode a sound file whole, all channels, at its own sampling rate.

    Raises
    ------
    DataError
        As `read_header`, or if the file breaks off.
    """
    import soundfile

    header = read_header(path)
    try:
        values, _ = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise damaged(path, str(error)) from error
    if len(values) < header.n_frames:
        raise damaged(path, f"{len(values)} of {header.n_frames} frames")
    if not np.isfinite(values).all():
        raise damaged(path, "samples that are not finite")
    return Samples(values, header.rate_hz)


def damaged(path: Path, got: str) -> DataError:
    """Return the error of a file that cannot be decoded."""
    return DataError(
        f"Sound file {path} is truncated or damaged",
        got=got,
        expected="a complete file that libsndfile reads (WAV, FLAC, Ogg, MP3)",
        then="Download or convert it again.",
    )


def _without_length(path: Path) -> DataError:
    return DataError(
        f"Sound file {path} does not say how long it is",
        got="a FLAC stream of unknown length, as a program writes that cannot go back in its output",
        expected="a file that says it",
        then="Write it again: ffmpeg -i IN.flac OUT.flac.",
    )


def _mp3_without_delay(path: Path) -> DataError:
    return DataError(
        f"MP3 file {path} does not say where its sound starts and ends",
        got="no Xing or Info tag with the encoder's delay: the sound may start 1105 samples late (25 ms at 44.1 kHz), "
        "and its length is a guess",
        expected="a file whose every sample has its time",
        then="Convert the sound that was played to WAV or FLAC (ffmpeg -i IN.mp3 OUT.wav, where the player had this "
        "MP3), and name that file in stim_file.",
    )

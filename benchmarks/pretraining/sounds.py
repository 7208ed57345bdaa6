"""Makes the speech that the shipped autoencoder and vocoder are trained on: free synthesisers and free recordings.

Nothing here is shipped but the names and hashes of the sounds (``manifest.txt``). Voices whose own licence is GPL are
left out, as are recordings with a share-alike or research licence.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.generator.mel import SAMPLE_RATE_HZ

MANIFEST = Path(__file__).with_name("manifest.txt")
#: how many of the 18 stories are spoken; the last two are held out
N_STORIES = 16
#: LJSpeech clips that training may hear; 25 to 32 are held out
LJSPEECH_TRAINED = range(1, 25)
#: tempo and pitch together: recordings played slower and faster are other speakers, and free
SPEEDS = (0.84, 0.92, 1.0, 1.08, 1.17, 1.27)
FLITE = ("slt", "rms", "awb", "kal16", "kal")
FESTIVAL = ("kal_diphone", "ked_diphone", "cmu_us_slt_arctic_hts")
ESPEAK = (
    "en-us+klatt2",
    "en-gb+f2",
    "en-us+m3",
    "en-gb-scotland+klatt4",
    "en-us+f5",
    "en-us+Andy",
    "en-gb+Annie",
    "en+m7",
)
#: recordings that Debian's pocketsphinx-testdata carries under its BSD-2 licence (LibriVox: public domain)
POCKETSPHINX = Path("/usr/share/pocketsphinx/test/data")


def sentences() -> list[str]:
    """Return what the synthesisers say: the simulated data set's stories, less the last two."""
    told = files("eeg2speech_bench.datasets.speech").joinpath("stories.json").read_text(encoding="utf8")
    stories = json.loads(told)["stories"][:N_STORIES]
    return [part for story in stories for part in re.split(r"(?<=[.?!])\s+", story["text"].strip())]


def make_sounds(data: Path) -> list[Path]:
    """Write every training sound that is missing, 16 kHz mono, and return them in a fixed order.

    Parameters
    ----------
    data : Path
        Has the folder ``ljspeech`` with ``LJ001-0001.wav`` and so on; gets the folder ``sounds``.

    Raises
    ------
    BenchError
        If a synthesiser or a recording is missing.
    """
    folder = data / "sounds"
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in _recipes(data):
        path = folder / f"{name}.wav"
        if not path.exists():
            part = path.with_suffix(".part.wav")
            make(part)
            part.rename(path)
    return sorted(path for path in folder.glob("*.wav") if ".part" not in path.name)


def manifest_of(sounds: list[Path]) -> str:
    """Return one line per sound: SHA-256 of its bytes and its name."""
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sounds)


def manifest_hash() -> str:
    """Return the SHA-256 of the manifest that the shipped weights were trained on."""
    return hashlib.sha256(MANIFEST.read_bytes()).hexdigest()


def _recipes(data: Path) -> Iterator[tuple[str, Callable[[Path], None]]]:
    rng = random.Random(0)
    said = sentences()
    chunks = [" ".join(said[i : i + 3]) for i in range(0, len(said), 3)]
    for voice in FLITE:
        for k, text in enumerate(chunks):
            stretch, pitch = rng.uniform(0.85, 1.3), rng.uniform(0.8, 1.3)
            if k % 2 == FLITE.index(voice) % 2:
                yield f"flite_{voice}_{k:03d}", _flite(text, voice, stretch, pitch)
    for k, text in enumerate(chunks):
        yield f"hibari_heart_{k:03d}", _hibari(text, rng.uniform(0.85, 1.2))
    for voice in FESTIVAL:
        for k in range(FESTIVAL.index(voice), len(chunks), 3):
            yield f"festival_{voice}_{k:03d}", _festival(chunks[k], voice)
    for k in range(0, len(chunks), 2):
        voice = ESPEAK[k // 2 % len(ESPEAK)]
        yield f"espeak_{voice}_{k:03d}", _espeak(chunks[k], voice, rng.randint(130, 210), rng.randint(25, 75))
    for k in LJSPEECH_TRAINED:
        for speed in SPEEDS:
            path = data / "ljspeech" / f"LJ001-{k:04d}.wav"
            yield f"recorded_ljspeech_{k:04d}_{speed}", _recorded(path, speed)
    raw = (POCKETSPHINX / f"{name}.raw" for name in ("goforward", "numbers", "something"))
    for path in [*sorted(POCKETSPHINX.glob("librivox/*.wav")), *sorted(POCKETSPHINX.glob("cards/*.wav")), *raw]:
        for speed in SPEEDS[1:]:
            yield f"recorded_pocketsphinx_{path.stem}_{speed}", _recorded(path, speed)


def _type(*command: str, given: str | None = None) -> None:
    program = shutil.which(command[0])
    if program is None:
        raise BenchError(f"{command[0]} is not installed", then="See benchmarks/pretraining/README.md.")
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{command[0]} failed", got=done.stderr.strip()[-200:])


def _flite(text: str, voice: str, stretch: float, pitch: float) -> Callable[[Path], None]:
    mean = {"slt": 175, "rms": 97, "awb": 128, "kal16": 105, "kal": 105}[voice] * pitch
    options = ["--setf", f"duration_stretch={stretch:.2f}", "--setf", f"int_f0_target_mean={mean:.0f}"]

    def make(path: Path) -> None:
        _type("flite", "-voice", voice, *options, "-t", text, "-o", str(path))
        _resample(path, path)

    return make


def _espeak(text: str, voice: str, rate: int, pitch: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        _type("espeak-ng", "-v", voice, "-s", str(rate), "-p", str(pitch), "-w", str(path), text)
        _resample(path, path)

    return make


def _festival(text: str, voice: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        _type("text2wave", "-o", str(path), "-eval", f"(voice_{voice})", given=text)
        _resample(path, path)

    return make


def _hibari(text: str, speed: float) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        soundfile.write(path, _heart()(text, speed=speed, seed=0), 24_000)
        _resample(path, path)

    return make


@cache
def _heart() -> Any:
    try:
        from hibari import Hibari
    except ImportError as error:
        raise BenchError("The synthesiser hibari is not installed", then="Type: pip install hibari-tts") from error
    return Hibari()


def _recorded(source: Path, speed: float) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        _resample(source, path, speed)

    return make


def _resample(source: Path, path: Path, speed: float = 1.0) -> None:
    """Bring a file to 16 kHz, ``speed`` times as fast and as high."""
    from scipy.signal import resample_poly

    if source.suffix == ".raw":
        wave, rate = np.fromfile(source, dtype="<i2") / 32768, 16_000
    else:
        wave, rate = soundfile.read(source)
    up, down = SAMPLE_RATE_HZ, round(rate * speed)
    wave = resample_poly(wave, up // gcd(up, down), down // gcd(up, down)) if up != down else wave
    wave = wave * 0.9 / max(np.abs(wave).max(), 1e-3)
    soundfile.write(path, wave, SAMPLE_RATE_HZ, subtype="PCM_16")

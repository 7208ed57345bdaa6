"""Makes the stories' audio and word times from ``stories.json`` with flite, and checks them with Whisper.

Run ``python -m eeg2speech_bench.datasets.speech.make_speech`` (needs the Debian package ``flite``), then the same with
``--check WEIGHTS_FOLDER`` (needs the extra ``speech`` and the weights of a CTranslate2 Whisper model).

References
----------
Black & Lenzo 2001, "Flite: a small fast run-time synthesis engine"; Kominek & Black 2004, "The CMU Arctic speech
databases" (voices slt, rms and awb).
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from eeg2speech_bench.core.errors import BenchError, DataError
from eeg2speech_bench.core.segments.recordings import Word
from eeg2speech_bench.core.stages.json_files import read_json

FOLDER = Path(__file__).parent
RATE_HZ = 16000
PEAK = 0.6
#: silence added between sentences; flite's own pauses around a sentence add about 0.35 s
PAUSE_S = 0.15
#: factor on phone durations: slt and awb speak faster than rms
STRETCH = {"slt": 1.03, "rms": 1.0, "awb": 1.05}


@dataclass(frozen=True)
class Phone:
    """A spoken phone with its place in the waveform, in seconds."""

    name: str
    start_s: float
    stop_s: float


def flite(*arguments: str) -> str:
    """Run flite and return what it prints.

    Raises
    ------
    BenchError
        If flite is not installed or fails.
    """
    program = shutil.which("flite")
    if program is None:
        raise BenchError("The speech synthesiser flite is not installed", then="Type: apt-get install flite")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"flite failed with arguments {arguments}", got=done.stderr.strip()[-200:])
    return done.stdout


def sentences(text: str) -> list[str]:
    """Split a text after full stops."""
    return re.split(r"(?<=\.)\s+", text.strip())


def words_of(text: str) -> list[str]:
    """Return the words of a text without punctuation, apostrophes inside words kept."""
    return [word for word in (token.strip(".,") for token in text.split()) if word]


@cache
def pronounce(word: str) -> tuple[str, ...]:
    """Return the phones that flite gives a word spoken alone."""
    return tuple(phone for phone in flite("-voice", "slt", "-ps", "-t", word, "-o", "none").split() if phone != "pau")


def speak(sentence: str, voice: str) -> tuple[np.ndarray, list[Phone]]:
    """Synthesise a sentence.

    Returns
    -------
    waveform : array of float64, shape (n_samples,)
        At `RATE_HZ`.
    phones : list of Phone
        Pauses included.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sentence.wav"
        stretch = f"duration_stretch={STRETCH[voice]}"
        printed = flite("-voice", voice, "--setf", stretch, "-psdur", "-t", sentence, "-o", str(path))
        waveform, rate_hz = soundfile.read(path)
    if rate_hz != RATE_HZ:
        raise DataError(f"Voice {voice} has another sampling rate", got=rate_hz, expected=RATE_HZ)
    names, stops = zip(*(item.split(":") for item in printed.split()), strict=True)
    stops_s = [float(stop) for stop in stops]
    return waveform, [Phone(*phone) for phone in zip(names, [0.0, *stops_s[:-1]], stops_s, strict=True)]


def _cost(spoken: str, expected: str) -> float:
    """Cost of hearing one phone for another: vowels are reduced in context, a vowel is never a consonant."""
    if spoken == expected:
        return 0.0
    n_vowels = (spoken[0] in "aeiou") + (expected[0] in "aeiou")
    return {2: 0.5, 0: 1.0, 1: 3.0}[n_vowels]


def align(spoken: list[str], expected: list[str]) -> list[int]:
    """Align two phone sequences by least edit cost (Needleman & Wunsch 1970).

    A phone of a word in a sentence may differ from the word's dictionary form: "the" before a vowel, for one.

    Parameters
    ----------
    spoken, expected : list of str
        Phones of the sentence as spoken, and of its words one after the other.

    Returns
    -------
    list of int, one per spoken phone
        Index of the expected phone that it stands for (for an insertion: of the one before it).
    """
    n, m = len(spoken), len(expected)
    total = np.add.outer(np.arange(n + 1.0), np.arange(m + 1.0))
    step = np.zeros((n + 1, m + 1), dtype=int)
    step[0, 1:], step[1:, 0] = 2, 1
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            options = (
                total[i - 1, j - 1] + _cost(spoken[i - 1], expected[j - 1]),
                total[i - 1, j] + 1,
                total[i, j - 1] + 1,
            )
            step[i, j] = int(np.argmin(options))
            total[i, j] = options[step[i, j]]
    return _walk_back(step)


def _walk_back(step: np.ndarray) -> list[int]:
    i, j = step.shape[0] - 1, step.shape[1] - 1
    owners: list[int] = []
    while i:
        move = int(step[i, j])
        if move != 2:
            owners.append(max(j - 1, 0))
        i, j = i - (move != 2), j - (move != 1)
    return owners[::-1]


def word_times(sentence: str, phones: list[Phone]) -> list[Word]:
    """Give each word of a sentence the time from its first to its last phone.

    Raises
    ------
    DataError
        If a word is left without a phone.
    """
    words = words_of(sentence)
    owner = [index for index, word in enumerate(words) for _ in pronounce(word)]
    expected = [phone for word in words for phone in pronounce(word)]
    spoken = [phone for phone in phones if phone.name != "pau"]
    owners = [owner[k] for k in align([phone.name for phone in spoken], expected)]
    timed = []
    for index, word in enumerate(words):
        own = [phone for phone, of in zip(spoken, owners, strict=True) if of == index]
        if not own:
            raise DataError(f"No phone was spoken for the word {word!r} of {sentence!r}")
        timed.append(Word(word, own[0].start_s, own[-1].stop_s))
    return timed


def tell(text: str, voice: str) -> tuple[np.ndarray, list[Word]]:
    """Synthesise a story, sentence by sentence.

    Returns
    -------
    waveform : array of float64, shape (n_samples,)
        Peak at `PEAK`.
    words : list of Word
    """
    pause = np.zeros(round(PAUSE_S * RATE_HZ))
    pieces: list[np.ndarray] = []
    words: list[Word] = []
    for sentence in sentences(text):
        waveform, phones = speak(sentence, voice)
        offset_s = sum(map(len, pieces)) / RATE_HZ
        words += [Word(w.text, w.start_s + offset_s, w.stop_s + offset_s) for w in word_times(sentence, phones)]
        pieces += [waveform, pause]
    whole = np.concatenate(pieces[:-1])
    return whole * PEAK / np.abs(whole).max(), words


def shift_samples(original: np.ndarray, coded: np.ndarray) -> int:
    """Delay of ``coded`` against ``original`` in samples, by cross-correlation; both have shape (n_samples,)."""
    n_fft = 2 * len(original)
    product = np.fft.rfft(coded, n_fft) * np.conj(np.fft.rfft(original, n_fft))
    delay = int(np.argmax(np.fft.irfft(product)))
    return delay - n_fft if delay > n_fft // 2 else delay


def write_story(story: dict[str, str]) -> None:
    """Write a story's audio (Ogg Opus, about 28 kbit/s) and its transcript with word times.

    Raises
    ------
    DataError
        If the compressed file is not exactly as long as the waveform, or is shifted against it.
    """
    waveform, words = tell(story["text"], story["voice"])
    path = FOLDER / f"{story['name']}.ogg"
    soundfile.write(path, waveform, RATE_HZ, format="OGG", subtype="OPUS")
    coded, rate_hz = soundfile.read(path)
    shift = shift_samples(waveform, coded)
    if rate_hz != RATE_HZ or len(coded) != len(waveform) or shift:
        got = f"{rate_hz} Hz, {len(coded)} samples, shift {shift}"
        raise DataError(f"Opus changed the timing of {path.name}", got=got, expected=f"{len(waveform)} samples")
    transcript: dict[str, Any] = {"name": story["name"], "voice": story["voice"]}
    transcript |= {"duration_s": round(len(waveform) / RATE_HZ, 3), "text": story["text"]}
    transcript["words"] = [
        {key: value if isinstance(value, str) else round(value, 3) for key, value in asdict(word).items()}
        for word in words
    ]
    path.with_suffix(".json").write_text(json.dumps(transcript, indent=1) + "\n", encoding="utf8")
    print(f"{path.name}: {transcript['duration_s']:.2f} s, {len(words)} words, shift {shift} samples")


def main(arguments: list[str] | None = None) -> None:
    """Make all stories, or check those made."""
    parser = argparse.ArgumentParser(prog="make_speech", description=__doc__.partition("\n")[0])
    parser.add_argument("--check", metavar="WEIGHTS_FOLDER", type=Path, help="score the stories with this Whisper")
    weights = parser.parse_args(arguments).check
    if weights is not None:
        from eeg2speech_bench.datasets.speech.check_speech import check  # only a check needs Whisper's packages

        check(weights)
        return
    for story in read_json(FOLDER / "stories.json")["stories"]:
        write_story(story)


if __name__ == "__main__":
    main()

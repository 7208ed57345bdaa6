"""Judges the shipped vocoder and autoencoder on real speech of people and recordings that training never heard.

Run ``python -m eeg2speech_bench.benchmarks.pretraining.judge --real DIR --whisper FOLDER``.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

from eeg2speech_bench.benchmarks.metrics.intelligibility import estoi
from eeg2speech_bench.benchmarks.metrics.recognition import transcripts, word_error_rate
from eeg2speech_bench.benchmarks.pretraining.sounds import LJSPEECH_TRAINED
from eeg2speech_bench.core.generator.autoencoder import AutoencoderTraining, MelAutoencoder
from eeg2speech_bench.core.generator.griffin_lim import GriffinLimVocoder
from eeg2speech_bench.core.generator.mel import SAMPLE_RATE_HZ, MelSpectrogram, normalise_waveform
from eeg2speech_bench.core.generator.pretrained import load_pretrained_autoencoder, load_pretrained_vocoder
from eeg2speech_bench.core.presets.config import AutoencoderConfig
from eeg2speech_bench.core.segments.clips import Clips

#: today's autoencoder of the preset ``quick``
QUICK = AutoencoderConfig(
    channels=(16, 32, 64),
    patch=2,
    layers_per_block=1,
    norm_groups=8,
    batch_size=4,
    learning_rate=2e-3,
    warmup_steps=20,
    decay=0.5,
    max_steps=400,
)
HELD_OUT_LJSPEECH = range(25, 33)
#: samples that every autoencoder here compresses evenly
EVEN = 1280
#: longest stretch of "Alice" that the recogniser is given at once
ALICE_S = 9.0
MEL = MelSpectrogram()
Chain = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Spoken:
    """A clip of real speech: who or what, its waveform (1, n_samples) with peak 0.5, and its words where known."""

    source: str
    wave: Tensor
    text: str = ""


def held_out_speech(real: Path) -> list[Spoken]:
    """Read LJSpeech clips 25 to 32, three LibriSpeech readers and segment 12 of "Alice" from ``real``."""
    spoken = [Spoken("LJSpeech", _clip(_ljspeech(real, k))) for k in HELD_OUT_LJSPEECH]
    for path in sorted((real / "speech_audio/librispeech_librosa").glob("*.hq.ogg")):
        wave = _read(path)
        half = len(wave) // 2
        reader = path.name.split("-")[0]
        spoken += [Spoken(f"LibriSpeech {reader}", _clip(part)) for part in (wave[:half], wave[half:])]
    return spoken + _alice(real / "brennan2019_nm000180")


def _ljspeech(real: Path, k: int) -> np.ndarray:
    return _read(real / f"speech_audio/ljspeech_coqui/wavs/LJ001-{k:04d}.wav")


def _alice(folder: Path) -> list[Spoken]:
    wave = _read(folder / "stimuli/DownTheRabbitHoleFinal_SoundFile12.wav")
    with (folder / "sourcedata/AliceChapterOne-EEG.csv").open(encoding="utf8") as file:
        rows = [row for row in csv.DictReader(file) if row["Segment"] == "12"]
    words = [(row["Word"], float(row["onset"]), float(row["offset"])) for row in rows]
    spoken, first = [], 0
    while first < len(words):
        last = first
        while last + 1 < len(words) and words[last + 1][2] - words[first][1] < ALICE_S:
            last += 1
        part = slice(*(max(round(SAMPLE_RATE_HZ * s), 0) for s in (words[first][1] - 0.05, words[last][2] + 0.05)))
        spoken.append(Spoken("Alice", _clip(wave[part]), " ".join(word[0] for word in words[first : last + 1])))
        first = last + 1
    return spoken


def _read(path: Path) -> np.ndarray:
    from scipy.signal import resample_poly

    wave, rate = soundfile.read(path)
    common = math.gcd(SAMPLE_RATE_HZ, rate)
    resampled: np.ndarray = resample_poly(wave, SAMPLE_RATE_HZ // common, rate // common)
    return resampled


def _clip(wave: np.ndarray) -> Tensor:
    even = np.pad(wave, (0, -len(wave) % EVEN))
    return normalise_waveform(torch.tensor(even, dtype=torch.float32)[None])


def todays_autoencoder(waves: list[Tensor]) -> MelAutoencoder:
    """Train the autoencoder of ``quick`` as its stage does, on windows of 2.88 s of the given recordings."""
    torch.manual_seed(0)
    windows = torch.cat([w.unfold(1, 46_080, 8_000)[0] for w in waves if w.shape[1] >= 46_080])
    mels = MEL(normalise_waveform(windows))
    autoencoder = MelAutoencoder(QUICK)
    autoencoder.fit_input(mels)
    training = AutoencoderTraining(autoencoder, QUICK)
    plan = training.configure_optimizers()
    optimizer, scheduler = plan["optimizer"], plan["lr_scheduler"]["scheduler"]  # type: ignore[index,typeddict-item]
    for _ in range(QUICK.max_steps):
        mel = mels[torch.randint(len(mels), (QUICK.batch_size,))]
        first = int(torch.randint(mel.shape[1] - 96 + 1, ()))
        training.loss(mel[:, first : first + 96]).backward()
        torch.nn.utils.clip_grad_norm_(training.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()
    return autoencoder.eval()


@torch.no_grad()
def judge(spoken: list[Spoken], chains: dict[str, Chain], whisper: str | None) -> list[dict[str, str]]:
    """Return one row per chain.

    Columns are ESTOI by source and its mean over sources; the word error rate on "Alice", whose words are known; that
    on all others against what the recogniser hears in the clean clip; and seconds of one core per second of speech.
    """
    true = [_clips(clip.wave) for clip in spoken]
    heard = [
        clip.text or (transcripts(own, whisper)[0] if whisper else "") for clip, own in zip(spoken, true, strict=True)
    ]
    return [_row(name, chain, spoken, true, heard, whisper) for name, chain in chains.items()]


def _row(
    name: str, chain: Chain, spoken: list[Spoken], true: list[Clips], heard: list[str], whisper: str | None
) -> dict[str, str]:
    mels = [MEL(clip.wave) for clip in spoken]
    begun = time.process_time()
    made = [clip.wave for clip in spoken] if name == "clean" else [chain(mel) for mel in mels]
    used_s = time.process_time() - begun
    ours = [_clips(wave) for wave in made]
    by_source: dict[str, list[float]] = {}
    for clip, own, reference in zip(spoken, ours, true, strict=True):
        by_source.setdefault(clip.source, []).append(float(estoi(own, reference)[0]))
    means = {source: float(np.mean(values)) for source, values in by_source.items()}
    row = {"chain": name} | {source: f"{mean:.3f}" for source, mean in means.items()}
    row["mean"] = f"{np.mean(list(means.values())):.3f}"
    known = np.array([bool(clip.text) for clip in spoken])
    if whisper:
        n_words = np.array([len(text.split()) for text in heard])
        pairs = zip(ours, true, heard, strict=True)
        errors = n_words * [float(word_error_rate(own, ref, (text,), whisper)[0]) for own, ref, text in pairs]
        row["WER, Alice"] = f"{errors[known].sum() / n_words[known].sum():.3f}"
        row["heard otherwise, others"] = f"{errors[~known].sum() / n_words[~known].sum():.3f}"
    row["RTF"] = f"{used_s * SAMPLE_RATE_HZ / sum(clip.wave.shape[1] for clip in spoken):.3f}"
    print(" | ".join(row.values()), flush=True)
    return row


def _clips(wave: Tensor) -> Clips:
    return Clips(wave.numpy(), MEL(wave).numpy())


def table(rows: list[dict[str, str]]) -> str:
    """Write rows as a Markdown table."""
    lines = [" | ".join(rows[0]), " | ".join("---" for _ in rows[0]), *(" | ".join(row.values()) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines)


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="judge", description=__doc__.partition("\n")[0])
    parser.add_argument("--real", type=Path, required=True, help="folder with speech_audio/ and brennan2019_nm000180/")
    parser.add_argument("--whisper", help="folder of a CTranslate2 Whisper model; no word errors without")
    parser.add_argument("--weights", type=Path, help="folder of weights other than those shipped")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    at = (lambda name: (asked.weights / name,)) if asked.weights else (lambda name: ())
    vocoder = load_pretrained_vocoder(*at("vocoder.safetensors"))
    codec = load_pretrained_autoencoder(*at("autoencoder.safetensors"))
    eight = GriffinLimVocoder(8)
    today = todays_autoencoder([_clip(_ljspeech(asked.real, k)) for k in LJSPEECH_TRAINED])
    chains: dict[str, Chain] = {
        "clean": lambda mel: mel,
        "mel, Griffin-Lim 8": eight,
        "mel, Griffin-Lim 32": GriffinLimVocoder(32),
        "mel, vocoder": vocoder,
        "today's autoencoder, Griffin-Lim 8": lambda mel: eight(today.decode(today.encode(mel)[0])),
        "today's autoencoder, vocoder": lambda mel: vocoder(today.decode(today.encode(mel)[0])),
        "autoencoder, Griffin-Lim 8": lambda mel: eight(codec.decode(codec.encode(mel)[0])),
        "autoencoder, vocoder": lambda mel: vocoder(codec.decode(codec.encode(mel)[0])),
    }
    print(table(judge(held_out_speech(asked.real), chains, asked.whisper)))


if __name__ == "__main__":
    main()

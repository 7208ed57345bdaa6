"""Measures what a speech recogniser (Whisper) makes of generated clips: errors, and its inner view."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from eeg2speech_bench.benchmarks.metrics import retrieval
from eeg2speech_bench.benchmarks.metrics.availability import why_unavailable
from eeg2speech_bench.benchmarks.metrics.distribution import frechet_at_infinity
from eeg2speech_bench.benchmarks.metrics.identification import identify
from eeg2speech_bench.benchmarks.metrics.loudness import is_silent
from eeg2speech_bench.core.segments.clips import Clips

#: clips are padded to this length, or their own, and not to the 30 s of Whisper's training: a sixth of the time
WINDOW_S = 10
#: clips that are recognised together
BATCH_SIZE = 16
#: tokens at most: speech has fewer than five per second
_MAX_TOKENS = 96
_FEATURE_RATE_HZ = 100
#: root mean square that clips are brought to, -26 dB re full scale
_LEVEL = 10 ** (-26 / 20)


def word_error_rate(generated: Clips, reference: Clips, texts: tuple[str, ...], model: str) -> np.ndarray:
    """Return the word errors per true word of each clip as Whisper hears it, at most 1.

    Substitutions, deletions and insertions, after Whisper's English normaliser; limited to 1 per clip, because
    recognisers invent repetitions on noise. Words cut by the border of a window cost even the true audio some
    errors: read it beside the ceilings. Nothing recognised, as for silence, is 1.

    Parameters
    ----------
    generated, reference : Clips
        n clips of the same segments.
    texts : tuple of str
        Words spoken in each.
    model : str
        Folder or hub id of a CTranslate2 Whisper model.

    Returns
    -------
    array of float, shape (n,)
        0 is best, chance 1. NaN where nothing is said.

    Raises
    ------
    ContractError
        If the clips differ in number or length.

    Notes
    -----
    Source: Radford et al. (2023), *ICML* (arXiv 2212.04356), by faster-whisper; edit distance by jiwer.
    """
    from jiwer import process_words

    def error(true: str, heard: str) -> float:
        return min(1.0, process_words(true, heard).wer)

    return _by_clip(error, generated, reference, texts, model)


def character_error_rate(generated: Clips, reference: Clips, texts: tuple[str, ...], model: str) -> np.ndarray:
    """Return the character errors per true character.

    Finer than `word_error_rate`, and kinder to near misses.
    """
    from jiwer import process_characters

    def error(true: str, heard: str) -> float:
        return min(1.0, process_characters(true, heard).cer)

    return _by_clip(error, generated, reference, texts, model)


def word_hits(generated: Clips, reference: Clips, texts: tuple[str, ...], model: str) -> np.ndarray:
    """Return the share of the true words that Whisper hears, in order.

    Chance is that of frequent words, about 0.05.

    Parameters, NaN and errors as `word_error_rate`; insertions cost nothing.
    """
    from jiwer import process_words

    def share(true: str, heard: str) -> float:
        return process_words(true, heard).hits / len(true.split())

    return _by_clip(share, generated, reference, texts, model)


def content_similarity(generated: Clips, reference: Clips, model: str) -> np.ndarray:
    """Return the mean cosine of Whisper's encoder frames, after each clip's mean frame is removed.

    Says whether the same is spoken at the same time without asking for words.

    Parameters and errors as `word_error_rate`.

    Returns
    -------
    array of float, shape (n,)
        1 is best; unrelated speech gets 0.2 to 0.4, so read it beside the controls. Silence gets 0. NaN where
        the reference is silent.
    """
    generated.check_matches(reference)
    ours, theirs = (_centred(whisper_frames(clips, model)) for clips in (generated, reference))
    norms = np.linalg.norm(ours, axis=2) * np.linalg.norm(theirs, axis=2)
    cosine = np.einsum("ntd,ntd->nt", ours, theirs) / np.maximum(norms, 1e-12)
    values = np.where(is_silent(generated.waveform), 0.0, cosine.mean(axis=1))
    return np.where(is_silent(reference.waveform), np.nan, values)


def whisper_identification(generated: Clips, reference: Clips, model: str) -> np.ndarray:
    """Return the credit for picking the true clip first by `whisper_frames`; chance is 1 / n.

    Frames are compared by their correlation over time.

    Values and NaN as `identification.identification`.
    """
    generated.check_matches(reference)
    ours, theirs = whisper_frames(generated, model), whisper_frames(reference, model)
    return identify(
        retrieval.top_1, np.where(is_silent(generated.waveform)[:, None, None], 0.0, ours), theirs, reference
    )


def frechet_whisper(generated: Clips, reference: Clips, model: str) -> float:
    """Return the Frechet distance at infinite n between `whisper_frames` of all clips.

    See `distribution.frechet_at_infinity`.
    """
    return frechet_at_infinity(whisper_frames(generated, model), whisper_frames(reference, model))


def available(model: str | None = None) -> str | None:
    """Say why the metrics of this module cannot run, and what to type; None if they can.

    Parameters
    ----------
    model : str, optional
        Folder, or hub id, which is downloaded if it is not in the cache.
    """
    reason = why_unavailable(
        ("faster_whisper", "jiwer", "whisper_normalizer"), "pip install faster-whisper jiwer whisper-normalizer"
    )
    if reason:
        return reason
    if model is None:
        return "no recogniser is named; type: --set scores.models.whisper=Systran/faster-whisper-tiny.en (or a folder)"
    try:
        _folder(model)
    except Exception as error:  # the hub's client raises of many kinds: offline, no such model, no access
        cause = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        return f"recogniser {model} is not there ({cause}); name a folder with a CTranslate2 Whisper model"
    return None


@lru_cache(maxsize=2)
def transcripts(clips: Clips, model: str) -> tuple[str, ...]:
    """Transcribe clips in Whisper's English normal form.

    Greedy, without context, without repetitions of three words.

    Silent clips are not shown to the recogniser, which would invent words: their transcript is empty.
    """
    sounding = np.flatnonzero(~is_silent(clips.waveform))
    heard = [""] * len(clips)
    for first in range(0, len(sounding), BATCH_SIZE):
        rows = sounding[first : first + BATCH_SIZE]
        for row, text in zip(rows, _transcribe(clips.waveform[rows], model), strict=True):
            heard[row] = _normaliser()(text)
    return tuple(heard)


@lru_cache(maxsize=2)
def whisper_frames(clips: Clips, model: str) -> np.ndarray:
    """Return frames of Whisper's encoder at 50 Hz, (n, n_frames, dim), of clips that are not padded to 30 s.

    The frames carry their position, so only clips of one length can be compared.
    """
    frames = [np.array(_encode(waveform[None], model, 0.0))[0] for waveform in clips.waveform]
    return np.stack(frames).astype(np.float32)


def _by_clip(measure: Any, generated: Clips, reference: Clips, texts: tuple[str, ...], model: str) -> np.ndarray:
    generated.check_matches(reference)
    true = [_normaliser()(text) for text in texts]
    heard = transcripts(generated, model)
    return np.array([measure(t, h) if t else np.nan for t, h in zip(true, heard, strict=True)], dtype=np.float64)


@lru_cache(maxsize=1)
def _normaliser() -> Any:
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


@lru_cache(maxsize=1)
def _folder(model: str) -> str:
    """Folder of a model on this machine; a hub id is downloaded into the hub's cache first."""
    from faster_whisper.utils import download_model

    path = Path(model).expanduser()
    folder = path if path.is_dir() else Path(download_model(model))
    if not (folder / "model.bin").is_file():
        raise FileNotFoundError(f"no model.bin in {folder}")
    return str(folder)


@lru_cache(maxsize=1)
def _recogniser(model: str) -> Any:
    from faster_whisper import WhisperModel

    # Rounding to 8 bits costs 0.3 % of words and saves two thirds of the time; values are the same on every CPU.
    return WhisperModel(_folder(model), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)


def _transcribe(waveforms: np.ndarray, model: str) -> list[str]:
    from faster_whisper.tokenizer import Tokenizer

    recogniser = _recogniser(model)
    tokenizer = Tokenizer(recogniser.hf_tokenizer, recogniser.model.is_multilingual, "transcribe", "en")
    prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
    results = recogniser.model.generate(
        _encode(waveforms, model, WINDOW_S),
        [prompt] * len(waveforms),
        beam_size=1,
        no_repeat_ngram_size=3,
        max_length=_MAX_TOKENS,
    )
    return [tokenizer.decode(result.sequences_ids[0]) for result in results]


def _encode(waveforms: np.ndarray, model: str, window_s: float) -> Any:
    """Encoder output of clips (n, n_samples) that are padded to a window; a buffer (n, n_frames, dim) at 50 Hz."""
    import ctranslate2

    recogniser = _recogniser(model)
    features = np.stack([recogniser.feature_extractor(_levelled(waveform)) for waveform in waveforms])
    n_missing = max(0, round(window_s * _FEATURE_RATE_HZ) - features.shape[2])
    padded = np.pad(features, ((0, 0), (0, 0), (0, n_missing))).astype(np.float32)
    return recogniser.model.encode(ctranslate2.StorageView.from_array(padded), to_cpu=True)


def _levelled(waveform: np.ndarray) -> np.ndarray:
    return (waveform * (_LEVEL / max(float(np.sqrt(np.mean(np.square(waveform)))), 1e-8))).astype(np.float32)


def _centred(frames: np.ndarray) -> np.ndarray:
    return frames - frames.mean(axis=1, keepdims=True)

"""Scores the stories with Whisper: word error rate, and its word onsets against those of the transcripts."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.datasets.speech import load_story, story_names, story_path

#: greedy repetition is cut by the 3-gram rule; one temperature keeps the result deterministic
DECODING = {
    "language": "en",
    "beam_size": 5,
    "temperature": 0.0,
    "condition_on_previous_text": False,
    "vad_filter": False,
    "no_repeat_ngram_size": 3,
    "word_timestamps": True,
}


@dataclass(frozen=True)
class StoryScore:
    """What Whisper made of one story.

    Attributes
    ----------
    name, voice : str
    duration_s : float
    wer : float
        Word error rate.
    n_words : int
        Words of the normalised text, the weight of ``wer``.
    onset_lags_s : array, shape (n_matched,)
        Whisper's word onset minus the transcript's, of words that both have.
    """

    name: str
    voice: str
    duration_s: float
    wer: float
    n_words: int
    onset_lags_s: np.ndarray


def load_whisper(weights: Path) -> Any:
    """Load a CTranslate2 Whisper model from a folder, without a network.

    Raises
    ------
    BenchError
        If the packages of the extra ``speech`` or the weights are missing.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"  # a folder is given: nothing may be fetched
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise BenchError(
            "The spoken words cannot be checked", got=str(error), then="Type: pip install 'eeg2speech-bench[speech]'"
        ) from error
    if not (weights / "model.bin").is_file():
        raise BenchError(f"{weights} holds no Whisper weights", got="no model.bin", expected="a CTranslate2 folder")
    return WhisperModel(str(weights), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)


def _bare(word: str) -> str:
    return re.sub(r"[^a-z]", "", word.lower())


def onset_lags(words: list[dict[str, Any]], heard: list[tuple[str, float]]) -> np.ndarray:
    """Compare onsets of the words that transcript and recogniser have in common.

    Parameters
    ----------
    words : list of dict
        The transcript's words (``text``, ``start_s``).
    heard : list of (str, float)
        The recogniser's words with their onsets in seconds.

    Returns
    -------
    array, shape (n_matched,)
        Recogniser minus transcript, in seconds.
    """
    ours, theirs = [_bare(word["text"]) for word in words], [_bare(word) for word, _ in heard]
    blocks = SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks()
    pairs = [(block.a + k, block.b + k) for block in blocks for k in range(block.size)]
    return np.array([heard[b][1] - words[a]["start_s"] for a, b in pairs])


def score_story(name: str, whisper: Any) -> StoryScore:
    """Transcribe one story as it is on disk and compare it with its text."""
    import jiwer
    from whisper_normalizer.english import EnglishTextNormalizer

    transcript, waveform, _ = load_story(name)
    segments = list(whisper.transcribe(waveform, **DECODING)[0])
    normalise = EnglishTextNormalizer()
    text, heard_text = normalise(transcript["text"]), normalise("".join(segment.text for segment in segments))
    heard = [(word.word, word.start) for segment in segments for word in segment.words]
    return StoryScore(
        name,
        transcript["voice"],
        transcript["duration_s"],
        float(jiwer.wer(text, heard_text)),
        len(text.split()),
        onset_lags(transcript["words"], heard),
    )


def _row(label: str, scores: list[StoryScore]) -> str:
    lags_ms = 1000 * np.concatenate([score.onset_lags_s for score in scores])
    wer = np.average([score.wer for score in scores], weights=[score.n_words for score in scores])
    minutes = sum(score.duration_s for score in scores) / 60
    matched = f"{len(lags_ms)}/{sum(score.n_words for score in scores)}"
    return (
        f"| {label} | {minutes:.2f} | {wer:.3f} | {np.median(np.abs(lags_ms)):.0f} | "
        f"{np.median(lags_ms):+.0f} | {matched} |"
    )


def check(weights: Path) -> None:
    """Print a table of all stories, all voices and the total, in Markdown.

    Raises
    ------
    BenchError
        If Whisper or its weights are missing.
    """
    whisper = load_whisper(weights)
    print("| speech | minutes | WER | median abs. onset difference, ms | median, ms | words matched |")
    print("|---|---|---|---|---|---|")
    scores = []
    for name in story_names():
        scores.append(score_story(name, whisper))
        print(_row(f"{name} ({scores[-1].voice})", scores[-1:]), flush=True)
    for voice in sorted({score.voice for score in scores}):
        print(_row(f"all {voice}", [score for score in scores if score.voice == voice]))
    print(_row("all", scores))
    n_bytes = sum(story_path(score.name).stat().st_size for score in scores)
    print(f"\nAudio: {len(scores)} files, {n_bytes / 1e6:.2f} MB")

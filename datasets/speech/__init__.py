"""Ships eighteen short stories, read by three synthetic voices, with the times of their words."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eeg2speech_bench.core.errors import UnknownNameError
from eeg2speech_bench.core.stages.json_files import read_json

if TYPE_CHECKING:
    import numpy as np


def _folder() -> Path:
    return Path(str(files(__name__)))


def story_names() -> list[str]:
    """Return the names of all stories, in the order in which they are told."""
    return sorted(path.stem for path in _folder().glob("*.ogg"))


def story_path(name: str) -> Path:
    """Return the audio file of a story; its transcript lies beside it with the suffix ``.json``.

    Parameters
    ----------
    name : str
        One of `story_names`.

    Raises
    ------
    UnknownNameError
        If there is no such story.
    """
    known = story_names()
    if name not in known:
        raise UnknownNameError("story", name, known)
    return _folder() / f"{name}.ogg"


def voice_of(name: str) -> str:
    """Return the name of the synthetic voice that tells a story.

    Parameters
    ----------
    name : str
        One of `story_names`.

    Raises
    ------
    UnknownNameError
        If there is no such story.
    """
    voice: str = read_json(story_path(name).with_suffix(".json"))["voice"]
    return voice


def load_story(name: str) -> tuple[dict[str, Any], np.ndarray, int]:
    """Load the transcript and the waveform of a story.

    Parameters
    ----------
    name : str
        One of `story_names`.

    Returns
    -------
    transcript : dict
        ``name``, ``voice``, ``duration_s``, ``text`` and ``words``: a list of ``{"text", "start_s", "stop_s"}``.
    waveform : array of float32, shape (n_samples,)
        Mono, peak about 0.6.
    rate_hz : int
        16000.

    Raises
    ------
    UnknownNameError
        If there is no such story.
    """
    import soundfile

    path = story_path(name)
    transcript = read_json(path.with_suffix(".json"))
    waveform, rate_hz = soundfile.read(path, dtype="float32")
    return transcript, waveform, rate_hz

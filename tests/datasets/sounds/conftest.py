"""Speech of the suite's own voice, and ways to write it."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile

from eeg2speech_bench.core.segments.recordings import Sound

SPEECH = Path(__file__).resolve().parents[3] / "datasets" / "speech"


@cache
def _story(number: int) -> np.ndarray:
    path = next(SPEECH.glob(f"{number:02}_*.ogg"))
    return soundfile.read(path, dtype="float32")[0]


@pytest.fixture
def speech() -> Callable[..., np.ndarray]:
    """Cut speech at 16 kHz out of a story."""

    def cut(number: int, start_s: float = 0.0, stop_s: float = 20.0) -> np.ndarray:
        return _story(number)[round(16000 * start_s) : round(16000 * stop_s)].copy()

    return cut


@pytest.fixture
def waveform() -> Callable[[np.ndarray], Sound]:
    return lambda values: Sound("waveform", np.asarray(values, dtype=np.float32), 16000.0)


@pytest.fixture
def coded() -> Callable[..., np.ndarray]:
    """Code sound at 16 kHz, and decode it."""

    def code(values: np.ndarray, **how: str | float) -> np.ndarray:
        file = io.BytesIO()
        soundfile.write(file, values, 16000, **how)
        file.seek(0)
        return soundfile.read(file, dtype="float32")[0]

    return code

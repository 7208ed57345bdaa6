"""Turns speech into sequences of vectors that no stage of the suite was trained on.

Every function takes `Clips` and returns (n, n_vectors, dim); those that run a network remember the last two sets,
which are the references and the clips under one condition.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from eeg2speech_bench.benchmarks.metrics.availability import why_unavailable
from eeg2speech_bench.benchmarks.metrics.cepstral import cepstra
from eeg2speech_bench.core.segments.clips import Clips

#: samples that openWakeWord reads at a time, 80 ms
_CHUNK = 1280


def cepstral(clips: Clips) -> np.ndarray:
    """Return cepstral coefficients 1 to 13 at 100 Hz: no network, no level, the coarse spectrum."""
    return cepstra(clips.mel)


@lru_cache(maxsize=2)
def wakeword(clips: Clips) -> np.ndarray:
    """Return embeddings of openWakeWord: 96 numbers per 775 ms of sound below 3.8 kHz, every 80 ms.

    Google's speech embedding network (Lin et al. 2020, arXiv 2002.01322), trained on spoken keywords of many
    speakers; Apache-2.0, the weights are part of the package ``pyopen-wakeword``. Clips are brought to one peak first.
    """
    network = _wakeword_network()
    return np.stack([_wakeword_of_clip(network, waveform) for waveform in clips.waveform])


def wakeword_available(model: str | None = None) -> str | None:
    """Say why `wakeword` cannot run, and what to type; None if it can."""
    return why_unavailable(("pyopen_wakeword",), "pip install pyopen-wakeword")


@lru_cache(maxsize=1)
def _wakeword_network() -> Any:
    from pyopen_wakeword import OpenWakeWordFeatures

    return OpenWakeWordFeatures.from_builtin()


def _wakeword_of_clip(network: Any, waveform: np.ndarray) -> np.ndarray:
    network.reset()
    network.new_audio_samples = network.new_mels = 0  # else seconds of silence come first
    peak = np.abs(waveform).max()
    samples = np.round(waveform * (0.5 * 32767 / max(peak, 1e-8))).astype(np.int16)
    chunks = (samples[first : first + _CHUNK] for first in range(0, len(samples), _CHUNK))
    return np.concatenate([vector[0, 0] for chunk in chunks for vector in network.process_streaming(chunk.tobytes())])

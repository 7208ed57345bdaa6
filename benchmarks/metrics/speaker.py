"""Measures how alike two voices are, whatever they say."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from eeg2speech_bench.benchmarks.metrics.availability import why_unavailable
from eeg2speech_bench.benchmarks.metrics.loudness import is_silent, rms
from eeg2speech_bench.core.segments.clips import Clips

#: root mean square that voices are brought to, -30 dB re full scale, as in the network's training
_LEVEL = 10 ** (-30 / 20)


def speaker_similarity(generated: Clips, reference: Clips) -> np.ndarray:
    """Return the cosine of the voices of generated and reference clip.

    Says little where one narrator reads everything: every condition learns that voice. Noise gets about 0.5 and
    another speaker 0.54 to 0.64, so read it beside the controls.

    Parameters
    ----------
    generated, reference : Clips
        n clips of the same segments; brought to one level.

    Returns
    -------
    array of float, shape (n,)
        At most 1; 0 for a silent clip, NaN where the reference is silent.

    Raises
    ------
    ContractError
        If the clips differ in number or length.

    Notes
    -----
    Source: Wan et al. (2018), *ICASSP*, 4879 (arXiv 1710.10467), by the package ``resemblyzer``.
    """
    generated.check_matches(reference)
    ours, theirs = _voices(generated), _voices(reference)
    heard = np.linalg.norm(theirs, axis=1) > 0
    return np.where(heard, np.einsum("nd,nd->n", ours, theirs), np.nan)


def available(model: str | None = None) -> str | None:
    """Say why `speaker_similarity` cannot run, and what to type; None if it can."""
    # Its own requirements name a package that no longer imports; the wheels do.
    install = "pip install --no-deps resemblyzer && pip install librosa webrtcvad-wheels"
    return why_unavailable(("resemblyzer", "librosa", "webrtcvad"), install)


@lru_cache(maxsize=2)
def _voices(clips: Clips) -> np.ndarray:
    """Unit vectors of the voices (n, 256); zeros for silence."""
    network = _network()
    voices = np.zeros((len(clips), 256))
    for i, waveform in enumerate(clips.waveform):
        if not is_silent(waveform):
            voices[i] = network.embed_utterance((waveform * (_LEVEL / rms(waveform))).astype(np.float32))
    return voices


@lru_cache(maxsize=1)
def _network() -> Any:
    from resemblyzer import VoiceEncoder

    return VoiceEncoder("cpu", verbose=False)

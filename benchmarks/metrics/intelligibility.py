"""Intelligibility without a recogniser: extended short-time objective intelligibility (ESTOI)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from eeg2speech_bench.core.clips import CLIP_RATE_HZ, Clips

#: root mean square (full scale 1) below which a clip is silent: -100 dB, under the last bit of 16-bit audio
SILENT_RMS = 1e-5


def estoi(generated: Clips, reference: Clips) -> np.ndarray:
    """ESTOI of each generated clip against its reference.

    The reference decides which frames hold speech (40 dB below its loudest and they do not) and whether the clip
    is scored at all: a reference that is silent or has under 30 active frames (0.39 s of speech) gives NaN
    whatever was generated, so that the same segments are left out for every condition. A generated clip that is
    silent gets 0, which is also the chance level. Needs alignment: a shift of 50 ms takes a perfect copy to
    about 0.2. A gain does not change the value while the clip stays above `SILENT_RMS`.

    Parameters
    ----------
    generated, reference : Clips
        n clips of the same segments; resampled from 16 to 10 kHz inside.

    Returns
    -------
    array of float, shape (n,)
        At most 1; chance 0; NaN as said above.

    Raises
    ------
    ContractError
        If the clips differ in number or length.

    Notes
    -----
    Source: Jensen and Taal (2016), *IEEE/ACM Transactions on Audio, Speech, and Language Processing* 24:2009, as
    implemented by pystoi. It takes about 45 ms per clip of 2.88 s.
    """
    generated.check_matches(reference)
    with _unchanged_global_generator():
        pairs = zip(generated.waveform, reference.waveform, strict=True)
        return np.array([_estoi_of_clip(ours, theirs) for ours, theirs in pairs], dtype=np.float64)


def _estoi_of_clip(generated: np.ndarray, reference: np.ndarray) -> float:
    if _is_silent(reference):
        return np.nan
    if _is_silent(generated):
        # Only whether the reference is scored at all is still open.
        return _stoi(reference, reference) * 0.0
    return _stoi(reference, generated)


def _stoi(reference: np.ndarray, generated: np.ndarray) -> float:
    from pystoi import stoi

    # pystoi dithers with numpy's global generator; where frames are digital zero the dither is all there is.
    np.random.seed(0)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Not enough STFT frames", category=RuntimeWarning)
        try:
            return float(stoi(reference.astype(np.float64), generated.astype(np.float64), CLIP_RATE_HZ, extended=True))
        except RuntimeWarning:
            return np.nan


def _is_silent(waveform: np.ndarray) -> bool:
    return bool(np.sqrt(np.mean(np.square(waveform, dtype=np.float64))) < SILENT_RMS)


@contextmanager
def _unchanged_global_generator() -> Iterator[None]:
    state = np.random.get_state()
    try:
        yield
    finally:
        np.random.set_state(state)

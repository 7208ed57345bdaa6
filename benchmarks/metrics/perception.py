"""Measures perceived quality: PESQ against the reference, DNSMOS and DistillMOS without one."""

from __future__ import annotations

import contextlib
import io
from functools import lru_cache
from typing import Any

import numpy as np

from eeg2speech_bench.benchmarks.metrics.availability import why_unavailable
from eeg2speech_bench.benchmarks.metrics.loudness import is_silent, rms
from eeg2speech_bench.core.segments.clips import CLIP_RATE_HZ, Clips

#: what silence gets on every scale of this module: the bottom
WORST = 1.0
#: root mean square that clips are brought to before a network listens, -26 dB re full scale
_LEVEL = 10 ** (-26 / 20)
#: samples that the networks hear at a time; shorter clips are repeated
_DNSMOS_SAMPLES, _DISTILLMOS_SAMPLES = round(9.01 * CLIP_RATE_HZ), 122_880


def pesq(generated: Clips, reference: Clips) -> np.ndarray:
    """Return the wide-band PESQ of each generated clip against its reference.

    Saturates near 1 already at 10 dB of noise, and says nothing of what is spoken instead. It aligns time and
    level itself.

    Parameters
    ----------
    generated, reference : Clips
        n clips of the same segments.

    Returns
    -------
    array of float, shape (n,)
        From 1.02 to 4.64; `WORST` where the generated clip holds no speech that PESQ can find. NaN where the
        reference holds none, or is shorter than 0.25 s.

    Raises
    ------
    ContractError
        If the clips differ in number or length.

    Notes
    -----
    Source: ITU-T P.862.2 (2007), by the package ``pesq``.
    """
    generated.check_matches(reference)
    pairs = zip(generated.waveform, reference.waveform, strict=True)
    return np.array([_pesq_of_clip(ours, theirs) for ours, theirs in pairs], dtype=np.float64)


def pesq_available(model: str | None = None) -> str | None:
    """Say why `pesq` cannot run, and what to type; None if it can."""
    return why_unavailable(("pesq",), "pip install pesq (compiles: needs a C compiler and Python's headers)")


def dnsmos_overall(generated: Clips, reference: Clips) -> np.ndarray:
    """Return the overall quality that DNSMOS P.835 expects listeners to give.

    Hears the generated clip alone: a good voice that says something else scores well. Clips are brought to one level
    and repeated to 9.01 s, one window of the network.

    Parameters
    ----------
    generated, reference : Clips
        ``reference`` is not read.

    Returns
    -------
    array of float, shape (n,)
        From 1 to 5; `WORST` for silence, to which the network itself gives 1.8.

    Notes
    -----
    Source: Reddy et al. (2022), *ICASSP*, 886 (arXiv 2110.01763), by the package ``speechmos``.
    """
    return _dnsmos(generated)["ovrl_mos"]


def dnsmos_signal(generated: Clips, reference: Clips) -> np.ndarray:
    """Return the quality of the speech itself by DNSMOS P.835.

    See `dnsmos_overall`.
    """
    return _dnsmos(generated)["sig_mos"]


def dnsmos_background(generated: Clips, reference: Clips) -> np.ndarray:
    """Return the quality of the background by DNSMOS P.835.

    See `dnsmos_overall`.
    """
    return _dnsmos(generated)["bak_mos"]


def dnsmos_p808(generated: Clips, reference: Clips) -> np.ndarray:
    """Return the overall quality by DNSMOS P.808 (Reddy et al. 2021).

    White noise gets about 2.1. See `dnsmos_overall`.
    """
    return _dnsmos(generated)["p808_mos"]


def dnsmos_available(model: str | None = None) -> str | None:
    """Say why the DNSMOS metrics cannot run, and what to type; None if they can."""
    packages = ("speechmos", "onnxruntime", "librosa", "requests")  # speechmos does not declare the others
    return why_unavailable(packages, "pip install speechmos onnxruntime librosa requests")


def distillmos(generated: Clips, reference: Clips) -> np.ndarray:
    """Return the quality that DistillMOS expects listeners to give.

    It has the widest range of its kind, and level does not change it.

    Hears the generated clip alone, see `dnsmos_overall`. Clips are repeated to 7.68 s: with the silence that
    the package would append, 2.88 s of clean speech get 3.2 instead of 4.3 and white noise 2.0 instead of 1.2.

    Parameters
    ----------
    generated, reference : Clips
        ``reference`` is not read.

    Returns
    -------
    array of float, shape (n,)
        From 1 to 5; `WORST` for silence.

    Notes
    -----
    Source: Stahl and Gamper (2025), *ICASSP* (arXiv 2502.05356), by the package ``distillmos``.
    """
    import torch

    network = _distillmos_network()
    values = np.full(len(generated), WORST)
    for i in np.flatnonzero(~is_silent(generated.waveform)):
        with torch.no_grad():
            values[i] = network(torch.from_numpy(_repeated(generated.waveform[i], _DISTILLMOS_SAMPLES))[None]).item()
    return values


def distillmos_available(model: str | None = None) -> str | None:
    """Say why `distillmos` cannot run, and what to type; None if it can."""
    return why_unavailable(("distillmos", "xls_r_sqa"), "pip install distillmos")


def _pesq_of_clip(generated: np.ndarray, reference: np.ndarray) -> float:
    if is_silent(reference) or len(reference) < CLIP_RATE_HZ // 4:
        return np.nan
    score = np.nan if is_silent(generated) else _pesq_score(generated, reference)
    if np.isfinite(score):
        return score
    # Only whether the reference is scored at all is still open.
    return WORST if np.isfinite(_pesq_score(reference, reference)) else np.nan


def _pesq_score(generated: np.ndarray, reference: np.ndarray) -> float:
    from pesq import PesqError
    from pesq import pesq as score

    try:
        return float(score(CLIP_RATE_HZ, reference, generated, "wb"))
    except (PesqError, ValueError):  # no utterance found
        return np.nan


@lru_cache(maxsize=2)
def _dnsmos(clips: Clips) -> dict[str, np.ndarray]:
    from speechmos import dnsmos

    values = {name: np.full(len(clips), WORST) for name in ("ovrl_mos", "sig_mos", "bak_mos", "p808_mos")}
    for i in np.flatnonzero(~is_silent(clips.waveform)):
        waveform = clips.waveform[i]
        levelled = np.clip(waveform * (_LEVEL / float(rms(waveform))), -1, 1)
        opinion = dnsmos.run(_repeated(levelled, _DNSMOS_SAMPLES), CLIP_RATE_HZ)
        for name, column in values.items():
            column[i] = opinion[name]
    return values


@lru_cache(maxsize=1)
def _distillmos_network() -> Any:
    from distillmos import ConvTransformerSQAModel

    with contextlib.redirect_stdout(io.StringIO()):  # it prints where its weights lie
        return ConvTransformerSQAModel().eval()


def _repeated(waveform: np.ndarray, n_samples: int) -> np.ndarray:
    return np.resize(waveform, max(n_samples, len(waveform)))

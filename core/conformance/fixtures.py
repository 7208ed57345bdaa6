"""Makes the tiny data that encoders are checked on: 32 electrodes, 2.88 s at 120 Hz, three listeners."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eeg2speech_bench.core.segments.segment_store import Batch, SignalInfo, TargetInfo

N_CHANS = 32
SFREQ = 120.0
#: 2.88 s, the window of the presets: encoders with fixed kernels need a real length
N_TIMES = 346
N_SUBJECTS = 3
SOUND_RATE_HZ = 16_000.0
N_SOUND_SAMPLES = 46_080
N_SEGMENTS = 8
#: a standard deviation in inter-quartile ranges of a normal distribution
SD_IN_IQR = 0.7413

#: caps by their number of channels: a montage of MNE, and which of its electrodes; those of the largest have names of
#: their own (A1 to D32)
MONTAGES: dict[int, tuple[str, tuple[str, ...]]] = {
    8: ("colin27_1005", ("Fz", "C3", "Cz", "C4", "Pz", "PO7", "Oz", "PO8")),
    19: (
        "colin27_1020",
        (
            *("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz"),
            *("C4", "T8", "P7", "P3", "Pz", "P4", "P8", "O1", "O2"),
        ),
    ),
    32: ("biosemi32", ()),
    64: ("biosemi64", ()),
    128: ("biosemi128", ()),
}

TINY_TARGET = TargetInfo(dim=40, n_tokens=86, token_rate_hz=30.0)

#: what was said in each segment: of different lengths, since padding is where text encoders go wrong
TEXTS = (
    "the old man and the sea",
    "rain",
    "she had never seen a house so large, nor so quiet, in all the years of her life",
    "no one answered",
    "forty-two boats left the harbour before dawn",
    "what was that",
    "the letter lay on the table where he had left it the night before",
    "a door closed somewhere above them",
)


@lru_cache
def _channels(n_chans: int) -> tuple[dict[str, Any], ...]:
    """Channel dictionaries with the keys that prepared data sets have."""
    import mne

    cap, names = MONTAGES[min((n for n in MONTAGES if n >= n_chans), default=max(MONTAGES))]
    montage = mne.channels.make_standard_montage(cap)
    info = mne.create_info(list(names or montage.ch_names)[:n_chans], SFREQ, "eeg")
    info.set_montage(montage)
    keys = ("ch_name", "loc", "kind", "coil_type", "unit", "coord_frame")
    return tuple({key: channel[key] for key in keys} for channel in info["chs"])


def tiny_signal(n_chans: int = N_CHANS, n_times: int = N_TIMES) -> SignalInfo:
    """Return a cap of `MONTAGES`, or the first ``n_chans`` of the next larger one, with positions in metres."""
    chs_info = tuple({**channel, "loc": np.array(channel["loc"])} for channel in _channels(n_chans))
    return SignalInfo(len(chs_info), n_times, SFREQ, chs_info, N_SUBJECTS, SOUND_RATE_HZ)


def tiny_batch(seed: int = 0, n_chans: int = N_CHANS, n_times: int = N_TIMES, *, with_sound: bool = False) -> Batch:
    """Return eight different segments of three listeners; the same for the same ``seed``.

    Parameters
    ----------
    seed : int
    n_chans, n_times : int
    with_sound : bool
        Fill ``sound``, which only encoders of modality ``"audio"`` are given.
    """
    generator = torch.Generator().manual_seed(seed)
    texts = tuple(TEXTS[(row + 3 * seed) % len(TEXTS)] for row in range(N_SEGMENTS))
    sound = 0.1 * _pink_noise((N_SEGMENTS, N_SOUND_SAMPLES), generator) if with_sound else None
    eeg = SD_IN_IQR * _pink_noise((N_SEGMENTS, n_chans, n_times), generator)
    order = torch.arange(N_SEGMENTS)
    elapsed_s = 10.0 + 37.0 * order + seed
    return Batch(eeg, order % N_SUBJECTS, order + N_SEGMENTS * seed, texts, sound, elapsed_s)


def tiny_embeddings(target: TargetInfo, seed: int = 0) -> Tensor:
    """Return the target embeddings (8, n_tokens, dim) of `tiny_batch`: independent normal numbers."""
    generator = torch.Generator().manual_seed(1000 + seed)
    return torch.randn(N_SEGMENTS, target.n_tokens, target.dim, generator=generator)


def select_segments(batch: Batch, rows: list[int]) -> Batch:
    """Return the segments ``rows`` of a batch, in that order."""

    def of(value: Any) -> Any:
        if value is None:
            return None
        return tuple(value[row] for row in rows) if isinstance(value, tuple) else value[rows]

    return Batch(**{field.name: of(getattr(batch, field.name)) for field in fields(batch)})


def _pink_noise(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw noise with the 1/f spectrum of EEG and speech, of standard deviation 1 over the last axis."""
    spectrum = torch.fft.rfft(torch.randn(shape, generator=generator))
    spectrum = spectrum / torch.arange(spectrum.shape[-1]).clamp(min=1).sqrt()
    noise = torch.fft.irfft(spectrum, n=shape[-1])
    return (noise - noise.mean(-1, keepdim=True)) / noise.std(-1, keepdim=True)

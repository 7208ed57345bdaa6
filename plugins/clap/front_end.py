"""Computes the log-mel frames that CLAP's audio tower reads, with either of its two filter banks."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import pad
from torchaudio.functional import resample
from torchaudio.transforms import MelSpectrogram

from eeg2speech_bench.core.errors import DataError, UsageError

#: LAION's HTSAT configurations: 48 kHz, 1024-point Hann windows every 480 samples, 64 bands of 50 to 14 000 Hz
RATE_HZ = 48_000
N_FFT = 1024
HOP_LENGTH = 480
N_MELS = 64
F_MIN_HZ, F_MAX_HZ = 50.0, 14_000.0
FRAME_RATE_HZ = RATE_HZ / HOP_LENGTH
#: power below which a band counts as silent, and what it is in dB
FLOOR = 1e-10
SILENCE_DB = -100.0
#: what the towers were trained on: 10 s, both end frames included
CLIP_S = 10
N_CLIP_FRAMES = CLIP_S * RATE_HZ // HOP_LENGTH + 1

MelScale = Literal["slaney", "htk"]


def mel_scale_of(fused: bool, option: str = "auto") -> MelScale:
    """Choose the filter bank that a network was trained with.

    Two conventions circulate, and both are right for some weights: networks without feature fusion compute the
    spectrogram themselves, with librosa's bands of equal area (``slaney``); networks with fusion are given
    torchaudio's bands of equal height (``htk``). Reference: LAION-AI/CLAP, clap_module/htsat.py and training/data.py.

    Parameters
    ----------
    fused : bool
        Whether the network has a fusion block.
    option : str
        ``"slaney"`` or ``"htk"`` to overrule that, ``"auto"`` to follow it.

    Raises
    ------
    UsageError
        If ``option`` is none of the three.
    """
    if option == "auto":
        return "htk" if fused else "slaney"
    if option not in get_args(MelScale):
        raise UsageError("Option mel_scale of CLAP is unknown", got=repr(option), expected="auto, slaney or htk")
    return option  # type: ignore[return-value]


@lru_cache
def front_end(mel_scale: MelScale) -> MelSpectrogram:
    """Return the mel spectrogram (power) of one convention."""
    return MelSpectrogram(
        RATE_HZ,
        n_fft=N_FFT,
        hop_length=HOP_LENGTH,
        f_min=F_MIN_HZ,
        f_max=F_MAX_HZ,
        n_mels=N_MELS,
        norm="slaney" if mel_scale == "slaney" else None,
        mel_scale=mel_scale,
    )


def log_mel(sound: Tensor, rate_hz: float, mel_scale: MelScale) -> Tensor:
    """Turn sound into log-mel frames in dB, one every 10 ms.

    Frame k is centred on second k / 100.

    Parameters
    ----------
    sound : Tensor, shape (..., n_samples)
    rate_hz : float
        Samples per second of ``sound``.
    mel_scale : str
        ``"slaney"`` or ``"htk"``.

    Returns
    -------
    Tensor of float32, shape (..., n_samples / rate_hz * 100 + 1, 64)
    """
    with torch.autocast(sound.device.type, enabled=False):
        wave = resample(sound.float(), int(rate_hz), RATE_HZ)
        power = front_end(mel_scale).to(wave.device)(wave)
        return 10 * power.clamp(min=FLOOR).log10().transpose(-1, -2)


def fill_clip(frames: Tensor) -> Tensor:
    """Fill the 10 s that a pretrained tower hears: whole repetitions, then silence (LAION's ``repeatpad``).

    LAION repeats the waveform; repeating frames differs from that by the one frame on either side of a seam.

    Parameters
    ----------
    frames : Tensor, shape (batch, n_frames, 64)

    Returns
    -------
    Tensor, shape (batch, 1001, 64)

    Raises
    ------
    DataError
        If a window is longer than 10 s.
    """
    n_frames = frames.shape[1]
    if n_frames > N_CLIP_FRAMES:
        raise DataError(
            "CLAP cannot hear a whole window",
            got=f"{n_frames / FRAME_RATE_HZ:g} s",
            expected=f"at most {CLIP_S} s",
            then="Set a shorter data.window_s, or choose another audio target.",
        )
    repeated = frames.repeat(1, (N_CLIP_FRAMES - 1) // n_frames or 1, 1)
    return pad(repeated, (0, 0, 0, N_CLIP_FRAMES - repeated.shape[1]), value=SILENCE_DB)

"""Takes the log-mel spectrogram as audio target, or the envelope where no audio is published."""

from __future__ import annotations

import torch
from torch import Tensor

from eeg2speech_bench.core.conditioning import SoundInfo
from eeg2speech_bench.plugins.targets.frames import FrameTarget

#: front end of Defossez et al. (2023): rate of the waveform, window and hop of the short-time Fourier transform
RATE_HZ = 16_000
N_FFT = 512
HOP_LENGTH = 128
#: added before the logarithm; silence is log10(FLOOR) = -5
FLOOR = 1e-5


class MelFrames(FrameTarget):
    """Is the base of targets made of mel frames.

    A waveform becomes ``log10(mel + 1e-5)`` of 0 to 8 kHz in ``n_bands`` bands (16 kHz, 512-point normalised
    transform every 128 samples, waveform standardised per stretch; Defossez et al. 2023, audio features). An
    envelope has one band, whatever ``n_bands`` says, and is taken as published: most are compressed already.
    """

    def __init__(self, sound: SoundInfo, dim: int | None, n_bands: int, token_rate_hz: float) -> None:
        self.n_bands = n_bands if sound.kind == "waveform" else 1
        super().__init__(sound, dim or self.n_bands, token_rate_hz)

    def features(self, sound: Tensor) -> Tensor:
        """Turn a stretch of sound (n_samples,) into frames (n_frames, n_bands) at `feature_rate_hz`."""
        if self.sound.kind == "envelope":
            return self._at_token_rate(sound[:, None], self.sound.rate_hz, len(sound))
        return self._at_token_rate(self._log_mel(sound), RATE_HZ / HOP_LENGTH, len(sound))

    def _log_mel(self, sound: Tensor) -> Tensor:
        from torchaudio.functional import resample
        from torchaudio.transforms import MelSpectrogram

        wave = resample(sound, int(self.sound.rate_hz), RATE_HZ)
        wave = (wave - wave.mean()) / (wave.std() + 1e-8)
        front_end = MelSpectrogram(
            RATE_HZ, n_fft=N_FFT, hop_length=HOP_LENGTH, n_mels=self.n_bands, normalized=True
        ).to(wave.device)
        return torch.log10(front_end(wave) + FLOOR).T


class MelTarget(MelFrames):
    """Standardises the log-mel spectrogram itself: no weights, one token per frame.

    Parameters
    ----------
    sound : SoundInfo
    n_bands : int
        Mel bands, and so the width of a token.
    token_rate_hz : float
        Tokens per second.
    centre_in_time : bool
        Subtract each band's mean over the window. The mean spectrum tells the speaker and the loudness and not what was
        said when, and dominates the score. Not in Defossez et al. (2023).
    """

    def __init__(
        self, sound: SoundInfo, *, n_bands: int = 120, token_rate_hz: float = 120.0, centre_in_time: bool = True
    ) -> None:
        super().__init__(sound, None, n_bands, token_rate_hz)
        self.centre_in_time = centre_in_time

    def forward(self, frames: Tensor) -> Tensor:
        """Map windows of frames (batch, n_tokens, n_bands) to tokens of the same shape."""
        tokens = self.standardise(frames)
        return tokens - tokens.mean(1, keepdim=True) if self.centre_in_time else tokens

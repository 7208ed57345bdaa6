"""Computes AudioLDM's log-mel spectrogram, which the generator paints and the vocoder plays."""

from __future__ import annotations

import math

import torch
import torchaudio
from torch import Tensor, nn

#: samples per second of every waveform that the generator reads or writes
SAMPLE_RATE_HZ = 16_000
#: samples between neighbouring frames
HOP = 160
#: mel bands, 0 to 8000 Hz
N_MELS = 64
#: frames per second
FRAME_RATE_HZ = SAMPLE_RATE_HZ // HOP
#: samples of one analysis window
N_FFT = 1024
#: reflected samples on each side, so that N samples give exactly N / HOP frames
PAD = (N_FFT - HOP) // 2
#: smallest mel amplitude that is told from silence
AMPLITUDE_FLOOR = 1e-5
#: natural logarithm of `AMPLITUDE_FLOOR`: the log-mel of silence
FLOOR = math.log(AMPLITUDE_FLOOR)


def normalise_waveform(wave: Tensor) -> Tensor:
    """Centre a waveform and scale its peak to one half, as AudioLDM does before the spectrogram.

    Parameters
    ----------
    wave : Tensor, shape (..., n_samples)
        Each row is normalised on its own.

    Returns
    -------
    Tensor, shape (..., n_samples)
        Peak 0.5; silence stays silence.
    """
    wave = wave - wave.mean(-1, keepdim=True)
    return 0.5 * wave / (wave.abs().amax(-1, keepdim=True) + 1e-8)


class MelSpectrogram(nn.Module):
    """Computes natural-log mel spectrograms with AudioLDM's settings (HiFi-GAN's framing, slaney scale and norm).

    Frame k is centred on sample ``160 k + 80``; its window is a periodic Hann of 1024 samples.
    """

    def __init__(self) -> None:
        super().__init__()
        self.amplitude = torchaudio.transforms.MelSpectrogram(
            sample_rate=SAMPLE_RATE_HZ,
            n_fft=N_FFT,
            win_length=N_FFT,
            hop_length=HOP,
            f_min=0.0,
            f_max=SAMPLE_RATE_HZ / 2,
            n_mels=N_MELS,
            power=1.0,
            center=False,
            norm="slaney",
            mel_scale="slaney",
        )

    @property
    def filters(self) -> Tensor:
        """Return the filter bank, shape (513, 64): FFT bins x mel bands."""
        return self.amplitude.mel_scale.fb

    def forward(self, wave: Tensor) -> Tensor:
        """Compute the log-mel spectrogram.

        Parameters
        ----------
        wave : Tensor, shape (batch, n_samples)
            At 16 kHz, more than 432 samples.

        Returns
        -------
        Tensor, shape (batch, n_samples // 160, 64)
            Never below `FLOOR`.
        """
        # Reflect, not zero, padding: zeros would be off by up to 1.44 in log units at the edges.
        padded = nn.functional.pad(wave.unsqueeze(1), (PAD, PAD), mode="reflect").squeeze(1)
        mel: Tensor = self.amplitude(padded)  # (batch, 64, n_frames)
        return torch.log(mel.clamp(min=AMPLITUDE_FLOOR)).transpose(1, 2)

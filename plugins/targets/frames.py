"""Defines what the audio targets share: a token rate, and frames standardised by two numbers."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d

from eeg2speech_bench.core.conditioning import SoundInfo, Target
from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.segment_store import TargetInfo


class FrameTarget(Target):
    """Is the base of targets with frames at the token rate, scaled by one mean and one standard deviation.

    The scaler is a single pair of numbers over all dimensions and time, fitted on training frames, so that the
    frames keep the shape of their spectrum (reference: Defossez et al. 2023, feature scaling).

    Parameters
    ----------
    sound : SoundInfo
    dim : int
        Width of the tokens that `forward` returns.
    token_rate_hz : float
        Frames and tokens per second.
    """

    def __init__(self, sound: SoundInfo, dim: int, token_rate_hz: float) -> None:
        super().__init__()
        self.sound = sound
        self.feature_rate_hz = float(token_rate_hz)
        self._info = TargetInfo(dim, max(1, round(sound.window_s * token_rate_hz)), float(token_rate_hz))
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("scale", torch.ones(()))

    @property
    def info(self) -> TargetInfo:
        """Return the space of `forward`."""
        return self._info

    def fit_scaler(self, frames: Tensor) -> None:
        """Fit the scalar mean and standard deviation of training frames (n_frames, n_features).

        Raises
        ------
        DataError
            If the frames are constant or not finite.
        """
        mean, scale = frames.double().mean(), frames.double().std()
        if not (scale > 0 and scale.isfinite()):
            raise DataError(
                "Training sound cannot be standardised",
                got=f"frames with standard deviation {float(scale):g}",
                expected="a positive number",
                then="Check that the stimuli are not silent.",
            )
        self.mean.copy_(mean)
        self.scale.copy_(scale)

    def standardise(self, frames: Tensor) -> Tensor:
        """Scale frames by what `fit_scaler` found."""
        return (frames - self.mean) / self.scale

    def _at_token_rate(self, frames: Tensor, rate_hz: float, n_samples: int) -> Tensor:
        """Bring frames (n_frames, n_features) of a stretch of ``n_samples`` sound samples to the token rate.

        The frame of the moment is taken, as in Defossez et al. (2023), and no interpolation made; where tokens are
        slower than half the frame rate, frames are averaged, because skipping would alias.
        """
        # Rounded first: a product a hair above a whole number must not make one frame more.
        n_tokens = max(1, math.ceil(round(n_samples / self.sound.rate_hz * self.feature_rate_hz, 6)))
        step = rate_hz / self.feature_rate_hz
        if step >= 2:
            return adaptive_avg_pool1d(frames.T[None], n_tokens)[0].T
        moments = (torch.arange(n_tokens, device=frames.device, dtype=torch.float64) * step + 1e-6).long()
        return frames[moments.clamp(max=len(frames) - 1)]

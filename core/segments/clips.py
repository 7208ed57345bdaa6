"""Holds clips of speech as metrics compare them: waveform and log-mel."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from eeg2speech_bench.core.errors import ContractError

#: samples per second of `Clips.waveform`
CLIP_RATE_HZ = 16_000
#: bands of `Clips.mel` (AudioLDM's front-end)
CLIP_MEL_BANDS = 64


@dataclass(frozen=True, eq=False)
class Clips:
    """Speech of equal length, one clip per segment.

    Attributes
    ----------
    waveform : array of float32, shape (n, n_samples)
        Mono at 16 kHz.
    mel : array of float32, shape (n, n_frames, 64)
        Natural logarithm of the mel magnitude, AudioLDM's front-end (Liu et al. 2023), 100 frames per second.

    Raises
    ------
    ContractError
        If a shape is wrong or a value is not finite.
    """

    waveform: np.ndarray = field(repr=False)
    mel: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        if self.waveform.ndim != 2 or self.mel.ndim != 3 or self.mel.shape[2] != CLIP_MEL_BANDS:
            raise ContractError(
                "Clips have a wrong shape",
                got=f"waveform {self.waveform.shape}, mel {self.mel.shape}",
                expected=f"waveform (n, n_samples), mel (n, n_frames, {CLIP_MEL_BANDS})",
            )
        if len(self.waveform) != len(self.mel):
            raise ContractError(
                "Clips do not belong together", got=f"{len(self.waveform)} waveforms and {len(self.mel)} mels"
            )
        if not (np.isfinite(self.waveform).all() and np.isfinite(self.mel).all()):
            raise ContractError("Clips hold NaN or infinity", expected="finite samples and mel values")

    def __len__(self) -> int:
        return len(self.waveform)

    def check_matches(self, reference: Clips) -> None:
        """Raise `ContractError` unless ``reference`` has as many clips of the same length."""
        got = self.waveform.shape, self.mel.shape
        expected = reference.waveform.shape, reference.mel.shape
        if got != expected:
            raise ContractError(
                "Generated and reference clips differ in shape",
                got="waveform {}, mel {}".format(*got),
                expected="waveform {}, mel {}".format(*expected),
                then="Compare clips of the same segments, cut to the same length.",
            )

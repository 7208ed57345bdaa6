"""Embeds a window by CLAP's audio tower: one token, frozen with weights, trained jointly without."""

from __future__ import annotations

from torch import Tensor

from eeg2speech_bench.core.conditioning import SoundInfo, Target
from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.segment_store import TargetInfo
from eeg2speech_bench.plugins.clap.build import audio_tower
from eeg2speech_bench.plugins.clap.front_end import FRAME_RATE_HZ, log_mel


class ClapTarget(Target):
    """Embeds the whole window in one token (Wu et al. 2023, ICASSP, arXiv 2211.06687).

    Parameters
    ----------
    sound : SoundInfo
        Must be a waveform.
    weights : str, optional
        Hub id (``laion/clap-htsat-unfused``, pinned by ``@revision``), local folder in the format of transformers, or
        checkpoint file of LAION: the tower is frozen, and its embeddings have unit length and usually 512 values.
        None: a small tower is trained together with the encoder.
    mel_scale : str
        Filter bank: ``"slaney"``, ``"htk"``, or ``"auto"`` for the one that the weights were trained with.
    dim, hidden : int, optional
        Width of the embedding and of the first stage of the small tower (64 and 48).

    Raises
    ------
    DataError
        If the data set publishes envelopes only.
    UsageError
        If sizes are given together with weights, or ``mel_scale`` is unknown.
    BenchError
        If the weights cannot be loaded.
    """

    feature_rate_hz = FRAME_RATE_HZ

    def __init__(
        self,
        sound: SoundInfo,
        *,
        weights: str | None = None,
        mel_scale: str = "auto",
        dim: int | None = None,
        hidden: int | None = None,
    ) -> None:
        super().__init__()
        if sound.kind != "waveform":
            raise DataError(
                "Target 'clap' needs audio",
                got=f"sound of kind '{sound.kind}'",
                expected="'waveform'",
                then="Choose target.name=mel or deep_mel for this data set.",
            )
        self.sound = sound
        self.tower = audio_tower("target 'clap'", weights, mel_scale, dim, hidden)
        self.trained_jointly = weights is None

    @property
    def info(self) -> TargetInfo:
        """Return the space of `forward`: one token per window."""
        return TargetInfo(self.tower.dim, 1, 1 / self.sound.window_s)

    def features(self, sound: Tensor) -> Tensor:
        """Turn a stretch of sound (n_samples,) into log-mel frames (n_frames, 64) in dB, 100 a second."""
        return log_mel(sound, self.sound.rate_hz, self.tower.mel_scale)

    def forward(self, frames: Tensor) -> Tensor:
        """Map windows of frames (batch, n_frames, 64) to tokens (batch, 1, dim)."""
        return self.tower(frames)[:, None]

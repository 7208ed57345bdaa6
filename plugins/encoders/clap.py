"""Encodes the transcript or the sound itself by CLAP's towers, as references beside encoders that read EEG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from eeg2speech_bench.core.conditioning import Conditioning, Encoder
from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.segment_store import Batch, SignalInfo, TargetInfo
from eeg2speech_bench.plugins.clap.build import audio_tower, text_tower
from eeg2speech_bench.plugins.clap.front_end import FRAME_RATE_HZ, RATE_HZ, log_mel


class _ClapEncoder(Encoder):
    """What both encoders share: one token, which a pretrained tower has ready where the target is CLAP's own space.

    With weights nothing but the way into another target's space is trained. A target with one token of the tower's
    width is taken for CLAP's own space; then there is nothing to train at all.
    """

    def __init__(self, target: TargetInfo, pretrained_dim: int | None) -> None:
        super().__init__()
        self.closed_form = (pretrained_dim, 1) == (target.dim, target.n_tokens)
        self.project: nn.Module = nn.Identity()
        if pretrained_dim is not None and not self.closed_form:
            self.project = nn.Linear(pretrained_dim, target.dim)

    def _conditioning(self, embeddings: Tensor) -> Conditioning:
        if isinstance(self.project, nn.Linear):
            # Of unit length a value is tiny; the layer's own initialisation expects unit variance.
            embeddings = self.project(embeddings * embeddings.shape[1] ** 0.5)
        return Conditioning.from_tokens(embeddings[:, None])

    def fit(self, train: Iterable[tuple[Batch, Tensor]], valid: Iterable[tuple[Batch, Tensor]]) -> dict[str, float]:
        """Train nothing, and say so: both sides are CLAP's own space already.

        Returns
        -------
        dict of str to float
            ``n_trained``, the number of trained weights: 0.
        """
        return {"n_trained": 0.0}


class ClapText(_ClapEncoder):
    """Encodes the transcript of the window by CLAP's text tower (Wu et al. 2023, ICASSP, arXiv 2211.06687).

    Parameters
    ----------
    signal : SignalInfo
    target : TargetInfo
        With the target ``clap``, aligning this encoder is CLAP training on the data set's own pairs; with weights,
        give the target the same ones.
    weights : str, optional
        Hub id, local folder or checkpoint file of LAION (see `weights.load_clap`); the tower is frozen. None: a small
        tower on bytes is trained from scratch, without any download.
    tokenizer : str, optional
        Hub id or local folder of the tokenizer; by default the weights' own, or roberta-base for a checkpoint file.
    hidden, depth : int, optional
        Width and layers of the small tower (64 and 1).

    Raises
    ------
    UsageError
        If sizes are given together with weights, or a tokenizer without.
    BenchError
        If weights or tokenizer cannot be loaded.
    """

    def __init__(
        self,
        signal: SignalInfo,
        target: TargetInfo,
        *,
        weights: str | None = None,
        tokenizer: str | None = None,
        hidden: int | None = None,
        depth: int | None = None,
    ) -> None:
        tower = text_tower(target.dim, weights, tokenizer, hidden, depth)
        super().__init__(target, tower.dim if weights else None)
        self.tower = tower

    def forward(self, batch: Batch) -> Conditioning:
        """Encode the texts of a batch to tokens of shape (batch, 1, dim).

        Raises
        ------
        DataError
            If the data set has no transcript.
        """
        texts: Sequence[str] | None = batch.text
        if texts is None:
            raise DataError(
                "Encoder 'clap-text' needs a transcript",
                got="segments without text",
                expected="the words of every window",
                then="Choose a data set with word times, or another encoder.",
            )
        return self._conditioning(self.tower(texts, batch.eeg.device))


class ClapAudio(_ClapEncoder):
    """Encodes the sound of the window: a ceiling, since it hears what it is to predict.

    Parameters
    ----------
    signal : SignalInfo
        ``sound_rate_hz`` must be known.
    target : TargetInfo
        With weights and the target ``clap``, give the target the same ones.
    weights : str, optional
        Hub id, local folder or checkpoint file of LAION (see `weights.load_clap`); the tower is frozen. None: a small
        tower is trained from scratch.
    mel_scale : str
        Filter bank: ``"slaney"``, ``"htk"``, or ``"auto"`` for the one that the weights were trained with.
    hidden : int, optional
        Width of the first stage of the small tower (48).

    Raises
    ------
    DataError
        If the data set publishes no audio.
    UsageError
        If a size is given together with weights, or ``mel_scale`` is unknown.
    BenchError
        If the weights cannot be loaded.
    """

    def __init__(
        self,
        signal: SignalInfo,
        target: TargetInfo,
        *,
        weights: str | None = None,
        mel_scale: str = "auto",
        hidden: int | None = None,
    ) -> None:
        if signal.sound_rate_hz is None:
            raise _no_audio("a data set without audio")
        tower = audio_tower("encoder 'clap-audio'", weights, mel_scale, None if weights else target.dim, hidden)
        super().__init__(target, tower.dim if weights else None)
        self.tower = tower
        self.sound_rate_hz = signal.sound_rate_hz
        if self.sound_rate_hz != RATE_HZ:
            self.adaptations = {"sound": f"{self.sound_rate_hz:g} Hz resampled to {RATE_HZ} Hz"}

    def forward(self, batch: Batch) -> Conditioning:
        """Encode the sound of a batch to tokens of shape (batch, 1, dim).

        Raises
        ------
        DataError
            If the batch comes without sound.
        """
        if batch.sound is None:
            raise _no_audio("segments without sound")
        with torch.no_grad():
            frames = log_mel(batch.sound, self.sound_rate_hz, self.tower.mel_scale)
        # The frame behind the last one belongs to the next window.
        n_frames = round(batch.sound.shape[1] / self.sound_rate_hz * FRAME_RATE_HZ)
        return self._conditioning(self.tower(frames[:, :n_frames]))


def _no_audio(got: str) -> DataError:
    return DataError(
        "Encoder 'clap-audio' needs audio",
        got=got,
        expected="the waveform of every window",
        then="Choose a data set that publishes its stimuli, or another encoder.",
    )

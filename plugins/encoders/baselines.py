"""Defines baselines: encoders that learn nothing about the sound from the EEG."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from eeg2speech_bench.core.conditioning import Conditioning, Encoder
from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.segment_store import Batch, SignalInfo, TargetInfo
from eeg2speech_bench.core.segments.surrogates import randomise_phases
from eeg2speech_bench.plugins.encoders.brainmagick import Brainmagick


class NoiseTrained(Brainmagick):
    """Trains the brain module on EEG of randomised phases, and is tested on the EEG itself.

    Whatever it scores above chance did not come from learning what the EEG says of the sound: it points at leakage
    (Jo et al. 2024, arXiv 2405.06459, found that EEG-to-text models do as well on noise).
    """

    def forward(self, batch: Batch) -> Conditioning:
        """Encode a batch; in training its EEG is replaced by a surrogate first."""
        if self.training:
            surrogate = randomise_phases(batch.eeg.float())
            batch = Batch(surrogate, batch.subject, batch.window)
        return super().forward(batch)


class RandomWeights(Brainmagick):
    """Runs the brain module as it is initialised, never trained."""

    closed_form = True

    def fit(self, train: Iterable[tuple[Batch, Tensor]], valid: Iterable[tuple[Batch, Tensor]]) -> dict[str, float]:
        """Leave the weights as they are."""
        return {}


class SubjectOnly(Encoder):
    """Learns one answer per listener, and does not look at the EEG.

    Parameters
    ----------
    signal : SignalInfo
    target : TargetInfo
    """

    new_listeners = "the mean of the answers to known listeners"

    def __init__(self, signal: SignalInfo, target: TargetInfo) -> None:
        super().__init__()
        self.shape = (target.n_tokens, target.dim)
        self.tokens = nn.Embedding(signal.n_subjects, target.n_tokens * target.dim)

    def forward(self, batch: Batch) -> Conditioning:
        """Look up each listener's tokens; a listener never seen gets the mean of all."""
        known = (batch.subject >= 0) & (batch.subject < self.tokens.num_embeddings)
        own = self.tokens(torch.where(known, batch.subject, 0))
        tokens = torch.where(known[:, None], own, self.tokens.weight.mean(0))
        return Conditioning.from_tokens(tokens.unflatten(1, self.shape))


class TimeOnly(Encoder):
    """Answers to the time since the recording began, and does not look at the EEG.

    What it scores above chance is what slow drift and the order of stimuli give away (Li et al. 2021,
    arXiv 1812.07697).

    Parameters
    ----------
    signal : SignalInfo
    target : TargetInfo
    hidden : int
        Width of the two layers.
    """

    #: periods of the sines and cosines that stand for the time, in seconds: 4 s to over an hour
    PERIODS_S = tuple(4.0 * 2**k for k in range(11))

    def __init__(self, signal: SignalInfo, target: TargetInfo, *, hidden: int = 128) -> None:
        super().__init__()
        self.shape = (target.n_tokens, target.dim)
        self.layers = nn.Sequential(
            nn.Linear(2 * len(self.PERIODS_S), hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, target.n_tokens * target.dim),
        )

    def forward(self, batch: Batch) -> Conditioning:
        """Encode the time; segments without one are refused."""
        if batch.elapsed_s is None:
            raise DataError("Encoder 'time-only' needs the time of each segment", got="a batch without elapsed_s")
        periods = torch.tensor(self.PERIODS_S, device=batch.eeg.device)
        angle = 2 * math.pi * batch.elapsed_s[:, None].to(periods) / periods
        return Conditioning.from_tokens(self.layers(torch.cat([angle.sin(), angle.cos()], 1)).unflatten(1, self.shape))


class MeanTarget(Encoder):
    """Answers with the mean audio embedding of the training segments, whatever is asked.

    Parameters
    ----------
    signal : SignalInfo
    target : TargetInfo
    """

    closed_form = True

    def __init__(self, signal: SignalInfo, target: TargetInfo) -> None:
        super().__init__()
        self.tokens: Tensor
        self.register_buffer("tokens", torch.zeros(target.n_tokens, target.dim))

    def forward(self, batch: Batch) -> Conditioning:
        """Return the same tokens for every segment."""
        return Conditioning.from_tokens(self.tokens.expand(len(batch), -1, -1))

    def fit(self, train: Iterable[tuple[Batch, Tensor]], valid: Iterable[tuple[Batch, Tensor]]) -> dict[str, float]:
        """Average the target embeddings of the training segments; return how many there were."""
        total, n = torch.zeros_like(self.tokens, dtype=torch.float64), 0
        for _, target in train:
            total += target.double().sum(0)
            n += len(target)
        if not n:
            raise DataError("Encoder 'mean' has no training segments", then="Check the split of the data set.")
        self.tokens.copy_(total / n)
        return {"n_segments": float(n)}

"""Builds, trains and runs the encoder that is checked, and words what a check found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from eeg2speech_bench.core.conditioning import Conditioning, Encoder, check_conditioning, plain_values, pool_tokens
from eeg2speech_bench.core.conformance.fixtures import (
    N_CHANS,
    N_TIMES,
    TINY_TARGET,
    tiny_batch,
    tiny_embeddings,
    tiny_signal,
)
from eeg2speech_bench.core.contrastive.loss import ClipLoss
from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.segments.segment_store import Batch, SignalInfo, TargetInfo
from eeg2speech_bench.core.specs import EncoderSpec
from eeg2speech_bench.core.training.seeding import seed_everything

Outcome = Literal["pass", "fail", "skip"]

#: largest difference of outputs that should be equal, relative to the largest value; GPUs round products to 10 bits
TOLERANCE = {"cpu": 1e-4, "cuda": 2e-2}


class Verdict(NamedTuple):
    """Says what one check found, and why."""

    outcome: Outcome
    reason: str


def passed(reason: str) -> Verdict:
    """Say that the encoder does what is asked."""
    return Verdict("pass", reason)


def failed(reason: str) -> Verdict:
    """Say that it does not, and what to change."""
    return Verdict("fail", reason)


def skipped(reason: str) -> Verdict:
    """Say why the question does not arise."""
    return Verdict("skip", reason)


@dataclass(frozen=True)
class Case:
    """Holds one encoder with its options, and the tiny data it is checked on.

    Parameters
    ----------
    spec : EncoderSpec
    options : mapping of str to object
    target : TargetInfo
    device : str
    n_chans, n_times : int
        Size of a segment.
    """

    spec: EncoderSpec
    options: Mapping[str, Any] = field(default_factory=dict)
    target: TargetInfo = TINY_TARGET
    device: str = "cpu"
    n_chans: int = N_CHANS
    n_times: int = N_TIMES

    def signal(self, n_chans: int | None = None) -> SignalInfo:
        """Return what the encoder is told of its EEG, or of that of another cap."""
        return tiny_signal(n_chans or self.n_chans, self.n_times)

    def build(self, seed: int = 0, signal: SignalInfo | None = None) -> Encoder:
        """Build the encoder from ``seed``, untrained, on the CPU.

        Raises
        ------
        ContractError
            If what was built is no `Encoder`.
        """
        plugin = self.spec.load()
        seed_everything(seed)
        encoder = plugin.build(signal or self.signal(), self.target, **self.options)
        if not isinstance(encoder, Encoder):
            raise ContractError(
                f"Encoder '{self.spec.name}' was built as the wrong type",
                got=type(encoder).__name__,
                expected="a subclass of eeg2speech_bench.core.conditioning.Encoder",
            )
        return encoder

    def build_fitted(self, seed: int = 0, signal: SignalInfo | None = None) -> Encoder:
        """Build the encoder on its device, and fit it if it is fitted in closed form."""
        encoder = self.build(seed, signal)
        if encoder.closed_form:
            self.fit(encoder, self.pairs(signal.n_chans if signal else None))
        return encoder.to(self.device).eval()

    @torch.enable_grad()
    def build_trained(self) -> Encoder:
        """Build the encoder and train it a little, so that weights, statistics and buffers have moved."""
        encoder = self.build_fitted()
        if trainable(encoder):
            for _ in self.train(encoder, self.pairs()):
                pass
            encoder.end_training()
        return encoder.eval()

    @cached_property
    def encoder(self) -> Encoder:
        """Return the encoder of `build_trained`, shared by the checks that do not change it."""
        return self.build_trained()

    def batch(self, seed: int = 0, n_chans: int | None = None) -> Batch:
        """Return eight segments on the CPU, with the sound if this encoder reads it."""
        return tiny_batch(seed, n_chans or self.n_chans, self.n_times, with_sound=self.spec.modality == "audio")

    def pairs(self, n_chans: int | None = None) -> list[tuple[Batch, Tensor]]:
        """Return two batches with their target embeddings."""
        return [(self.batch(seed, n_chans), tiny_embeddings(self.target, seed)) for seed in range(2)]

    def fit(self, encoder: Encoder, pairs: list[tuple[Batch, Tensor]]) -> None:
        """Fit in closed form, where and how a run does it: on the CPU, without gradients."""
        with torch.no_grad():
            plain_values(f"Encoder '{self.spec.name}': fit", encoder.fit(pairs, pairs))

    def train(
        self, encoder: Encoder, pairs: Iterable[tuple[Batch, Tensor]], learning_rate: float = 1e-3
    ) -> Iterator[Tensor]:
        """Train with the CLIP loss and Adam, one step per pair; yield the loss while the gradients are there."""
        encoder.begin_training()
        optimiser = torch.optim.Adam(trainable(encoder).values(), learning_rate)
        encoder.train()
        for batch, embeddings in pairs:
            optimiser.zero_grad()
            loss = self.loss(encoder, batch, embeddings)
            loss.backward()
            yield loss.detach()
            optimiser.step()

    def loss(self, encoder: Encoder, batch: Batch, embeddings: Tensor) -> Tensor:
        """Return the CLIP loss that runs train with; ``pooled`` has no part in it."""
        estimates = self.check(encoder(deepcopy(batch).to(self.device)), len(batch)).embeddings
        return ClipLoss()(estimates, pool_tokens(embeddings.to(estimates.device), estimates.shape[1]))

    @torch.no_grad()
    def encode(self, encoder: Encoder, batch: Batch) -> Conditioning:
        """Encode a copy of ``batch`` in eval mode, and refuse what breaks the contract."""
        encoder.eval()
        return self.check(encoder(deepcopy(batch).to(self.device)), len(batch))

    def check(self, conditioning: object, batch_size: int) -> Conditioning:
        """Return ``conditioning`` if it keeps the contract; see `check_conditioning`."""
        return check_conditioning(self.spec.name, conditioning, batch_size, self.target)

    def compare(self, one: Conditioning, other: Conditioning) -> Verdict:
        """Compare two outputs that should be equal."""
        found = distance(one, other)
        text = f"largest difference {found:.1e} of the largest value"
        kind = self.device.partition(":")[0]
        return passed(text) if found <= TOLERANCE[kind] else failed(f"{text}, expected at most {TOLERANCE[kind]:.0e}")


def trainable(encoder: Encoder) -> dict[str, torch.nn.Parameter]:
    """Return the parameters that gradient descent trains, by name; none for a fit in closed form."""
    if encoder.closed_form:
        return {}
    return {name: weight for name, weight in encoder.named_parameters() if weight.requires_grad}


def distance(one: Conditioning, other: Conditioning) -> float:
    """Return the largest difference of two outputs, relative to the largest value of ``one``.

    Infinite where shapes or masks differ.
    """
    if one.embeddings.shape != other.embeddings.shape or not torch.equal(one.mask.cpu(), other.mask.cpu()):
        return float("inf")
    flat = [
        torch.cat([c.embeddings[c.mask].flatten(), c.pooled.flatten()]).detach().float().cpu() for c in (one, other)
    ]
    return float((flat[0] - flat[1]).abs().max() / flat[0].abs().max().clamp(min=1e-12))


def select_output(conditioning: Conditioning, rows: list[int]) -> Conditioning:
    """Return the output for the segments ``rows``."""
    return Conditioning(conditioning.embeddings[rows], conditioning.mask[rows], conditioning.pooled[rows])

"""Makes the denoiser's condition from EEG or from audio, by a frozen encoder or target."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from eeg2speech_bench.core.conditioning import (
    Conditioning,
    Encoder,
    Target,
    check_conditioning,
    pool_tokens,
    raise_at_once,
)
from eeg2speech_bench.core.contrastive.bridge import Bridge
from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.segments.segment_store import Batch


def make_condition(embeddings: Tensor, *, standardise: bool) -> Conditioning:
    """Turn embeddings (batch, n_tokens, dim) of either side into what the denoiser is given.

    The two sides of the CLIP loss differ in scale, since only the candidates are normalised there; a generator
    that is trained on one side and tested on the other must not see that. Standardised tokens have zero mean over
    time per dimension and unit variance per segment, so that what is constant in a segment (voice, loudness) does
    not drown what changes; that constant part is kept in ``pooled``, standardised over dimensions.
    """
    pooled = embeddings.mean(1)
    if not standardise:
        return Conditioning(embeddings, _all_real(embeddings), pooled)
    summary = _unit_variance(pooled - pooled.mean(1, keepdim=True), (1,))
    if embeddings.shape[1] == 1:
        return Conditioning(summary[:, None], _all_real(embeddings), summary)
    tokens = _unit_variance(embeddings - embeddings.mean(1, keepdim=True), (1, 2))
    return Conditioning(tokens, _all_real(embeddings), summary)


def _unit_variance(values: Tensor, axes: tuple[int, ...]) -> Tensor:
    return values / values.square().mean(axes, keepdim=True).sqrt().clamp_min(1e-6)


def _all_real(embeddings: Tensor) -> Tensor:
    return torch.ones(embeddings.shape[:2], dtype=torch.bool, device=embeddings.device)


class Conditioner(nn.Module):
    """Makes conditions of equal token count from EEG or from audio frames.

    Parameters
    ----------
    name : str
        The encoder's name, for messages.
    encoder : Encoder
    target : Target
    bridge : Bridge, optional
        From the encoder's estimates to what the generator is trained on; without one, estimates are taken as they are.
    standardise : bool
        See `make_condition`.

    Attributes
    ----------
    finite : callable
        Is told whether the encoder's values are finite, see `check_conditioning`.
    """

    finite: Callable[[Tensor, ContractError], None]
    bridge: Bridge | None

    def __init__(
        self, name: str, encoder: Encoder, target: Target, bridge: Bridge | None, *, standardise: bool
    ) -> None:
        super().__init__()
        self.name, self.encoder, self.target, self.bridge = name, encoder, target, bridge
        self.standardise = standardise
        self.on_frames = bridge is not None and bool(bridge.to_frames)
        self.finite = raise_at_once
        self.n_tokens: int | None = None
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Conditioner:
        """Stay in evaluation mode.

        A frozen encoder must not drop channels while the denoiser trains.
        """
        return super().train(False)

    @torch.no_grad()
    def estimate(self, batch: Batch) -> Tensor:
        """Return what the encoder says of segments, shape (batch, n_tokens, dim)."""
        said = check_conditioning(self.name, self.encoder(batch), len(batch), self.target.info, self.finite)
        raw = said.embeddings
        self.n_tokens = raw.shape[1]
        return raw.detach()  # a view of a parameter still asks for gradients here

    @torch.no_grad()
    def embed_audio(self, frames: Tensor) -> Tensor:
        """Return what the target says of frames, with as many tokens as the encoder gives."""
        tokens: Tensor = self.target(frames)
        return pool_tokens(tokens, self.n_tokens or tokens.shape[1])

    @property
    def width(self) -> int:
        """Width of a condition's tokens."""
        return self.target.content_dim if self.on_frames else self.target.info.dim

    def _condition(self, tokens: Tensor) -> Conditioning:
        return make_condition(tokens, standardise=self.standardise)

    @torch.no_grad()
    def from_estimate(self, raw: Tensor) -> Conditioning:
        """Return the condition that is made of an encoder's estimate."""
        return self._condition(raw if self.bridge is None else self.bridge(raw))

    def from_eeg(self, batch: Batch) -> Conditioning:
        """Return the condition that the encoder makes of EEG."""
        return self.from_estimate(self.estimate(batch))

    @torch.no_grad()
    def from_audio(self, frames: Tensor) -> Conditioning:
        """Return the condition that the target makes of frames, with as many tokens as the encoder gives."""
        if not self.on_frames:
            return self._condition(self.embed_audio(frames))
        content = self.target.content(frames)
        return self._condition(pool_tokens(content, self.n_tokens or content.shape[1]))

    def from_nothing(self, n: int, device: str) -> Conditioning:
        """Return ``n`` conditions that say nothing."""
        return self._condition(torch.zeros(n, self.n_tokens or 1, self.width, device=device))

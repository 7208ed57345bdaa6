"""The two frozen sides of the condition: what the EEG encoder says, and what the audio target says."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eeg2speech_bench.core.conditioning import Conditioning, Encoder, Target, check_conditioning, pool_tokens
from eeg2speech_bench.core.segments import Batch


def standardise(embeddings: Tensor) -> Tensor:
    """Give each segment's tokens (batch, n_tokens, dim) zero mean and unit variance.

    The two sides of the CLIP loss differ in scale, since only the candidates are normalised there; a generator
    that is trained on one side and tested on the other must not see that. The mean is taken over time per
    dimension where there is time, so that what is constant in a segment (voice, loudness) does not drown what
    changes; a single token keeps its direction.
    """
    if embeddings.shape[1] > 1:
        embeddings = embeddings - embeddings.mean(1, keepdim=True)
    else:
        embeddings = embeddings - embeddings.mean(2, keepdim=True)
    return embeddings / embeddings.std((1, 2), keepdim=True).clamp_min(1e-6)


class Conditioner(nn.Module):
    """Turns EEG or audio frames into standardised conditions of equal token count.

    Parameters
    ----------
    name : str
        The encoder's name, for messages.
    encoder : Encoder
    target : Target
    """

    def __init__(self, name: str, encoder: Encoder, target: Target) -> None:
        super().__init__()
        self.name, self.encoder, self.target = name, encoder, target
        self.n_tokens: int | None = None
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Conditioner:
        """Stay in evaluation mode: a frozen encoder must not drop channels while the denoiser trains."""
        return super().train(False)

    @torch.no_grad()
    def from_eeg(self, batch: Batch) -> Conditioning:
        """Return the condition that the encoder makes of EEG."""
        raw = check_conditioning(self.name, self.encoder(batch), len(batch), self.target.info).embeddings
        self.n_tokens = raw.shape[1]
        return Conditioning.from_tokens(standardise(raw))

    @torch.no_grad()
    def from_audio(self, frames: Tensor) -> Conditioning:
        """Return the condition that the target makes of frames, with as many tokens as the encoder gives."""
        tokens = self.target(frames)
        return Conditioning.from_tokens(standardise(pool_tokens(tokens, self.n_tokens or tokens.shape[1])))

"""Scores EEG estimates against audio candidates, and turns the scores into the contrastive (CLIP) loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy


def clip_scores(estimates: Tensor, candidates: Tensor) -> Tensor:
    """Score every EEG estimate against every audio candidate.

    The inner product runs over time and dimensions jointly. Only candidates are normalised: an estimate's own norm
    is its inverse temperature (Defossez et al. 2023, Nature Machine Intelligence 5:1097-1107, Methods).

    Parameters
    ----------
    estimates : Tensor, shape (batch, n_tokens, dim)
    candidates : Tensor, shape (n_candidates, n_tokens, dim)

    Returns
    -------
    Tensor of float32, shape (batch, n_candidates)
    """
    # Near-equal candidates tie in half precision, so scores are made in single precision whatever surrounds them.
    with torch.autocast(estimates.device.type, enabled=False):
        flat = candidates.flatten(1).float()
        flat = flat / (1e-8 + flat.norm(dim=1, keepdim=True))
        return estimates.flatten(1).float() @ flat.T


class ClipLoss(nn.Module):
    """Computes the cross-entropy of the true candidate among all candidates of a batch.

    Parameters
    ----------
    symmetric : bool
        Average with the cross-entropy of the true estimate for each candidate; not in Defossez et al. (2023).
    """

    def __init__(self, symmetric: bool = False) -> None:
        super().__init__()
        self.symmetric = symmetric

    def forward(self, estimates: Tensor, candidates: Tensor, same_audio: Tensor | None = None) -> Tensor:
        """Return the loss; candidate i is the true one of estimate i, any further ones are negatives only.

        Parameters
        ----------
        estimates : Tensor, shape (batch, n_tokens, dim)
        candidates : Tensor, shape (n_candidates, n_tokens, dim), n_candidates >= batch
        same_audio : Tensor of bool, shape (batch, n_candidates), optional
            True where a candidate overlaps the audio of an estimate. Such pairs are no negatives: two listeners of
            one moment of speech would otherwise be told to differ.

        Returns
        -------
        Tensor, scalar
        """
        scores = clip_scores(estimates, candidates)
        truth = torch.arange(len(scores), device=scores.device)
        if same_audio is not None:
            itself = torch.eye(*scores.shape, dtype=torch.bool, device=scores.device)
            scores = scores.masked_fill(same_audio & ~itself, -torch.inf)
        loss = cross_entropy(scores, truth)
        if self.symmetric:
            loss = (loss + cross_entropy(scores[:, : len(scores)].T, truth)) / 2
        return loss

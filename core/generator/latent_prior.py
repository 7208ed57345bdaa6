"""Guesses the latent from a condition's tokens by linear regression, so that a denoiser learns only what is left."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eeg2speech_bench.core.generator.frames import TOKENS_PER_FRAME, resample_tokens
from eeg2speech_bench.core.generator.schedule import training_scheduler
from eeg2speech_bench.core.presets.config import DiffusionConfig

#: latent frames on either side whose tokens a latent frame is guessed from
NEIGHBOURS = 1
#: ridge penalty, as a share of the rows, on tokens of unit variance
PENALTY = 1e-3


class LatentPrior(nn.Module):
    """A Gaussian guess at a latent, whose mean is a linear map of the tokens around each latent frame.

    Given a noisy latent, the guess has a closed-form posterior. The denoiser's network predicts by how many
    deviations of this posterior it is wrong, so that an untrained network already denoises as well as any linear map
    does (compare the preconditioning of Karras et al. 2022, arXiv 2206.00364, whose guess is the mean of all data).

    Parameters
    ----------
    condition_dim, n_channels, n_bands : int
        Width of the tokens, and shape of a latent frame.
    diffusion : DiffusionConfig
        Schedule of the noise, and what is predicted.

    Attributes
    ----------
    weight : Tensor, shape (n_features + 1, n_channels * n_bands)
    left, spread : Tensor, shape (n_channels, 1, n_bands)
        Deviation of the latent around the guess, and around its mean.
    """

    weight: Tensor
    left: Tensor
    spread: Tensor
    alphas: Tensor

    def __init__(self, condition_dim: int, n_channels: int, n_bands: int, diffusion: DiffusionConfig) -> None:
        super().__init__()
        self.shape, self.predicts = (n_channels, n_bands), diffusion.prediction
        n_features = (2 * NEIGHBOURS + 1) * TOKENS_PER_FRAME * condition_dim + 1
        self.register_buffer("weight", torch.zeros(n_features, n_channels * n_bands))
        self.register_buffer("left", torch.ones(n_channels, 1, n_bands))
        self.register_buffer("spread", torch.ones(n_channels, 1, n_bands))
        self.register_buffer("alphas", training_scheduler(diffusion).alphas_cumprod.float(), persistent=False)

    def _features(self, embeddings: Tensor, n_frames: int) -> Tensor:
        """Return the tokens around each latent frame and a one, shape (batch, n_frames, n_features)."""
        tokens = resample_tokens(embeddings, TOKENS_PER_FRAME * n_frames).unflatten(1, (n_frames, -1)).flatten(2)
        padded = F.pad(tokens, (0, 0, NEIGHBOURS, NEIGHBOURS))
        near = [padded[:, first : first + n_frames] for first in range(2 * NEIGHBOURS + 1)]
        return torch.cat([*near, torch.ones_like(tokens[..., :1])], 2)

    def _latent(self, rows: Tensor) -> Tensor:
        return rows.unflatten(2, self.shape).transpose(1, 2)

    @torch.no_grad()
    def fit(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Fit the map, by ridge regression, and the deviations.

        Parameters
        ----------
        pairs : iterable of (Tensor, Tensor)
            Tokens (batch, n_tokens, condition_dim) and latents (batch, n_channels, n_frames, n_bands).
        """
        n_features, n_values = self.weight.shape
        products, shared = torch.zeros(n_features, n_features), torch.zeros(n_features, n_values)
        squares, n_rows = torch.zeros(n_values), 0
        for embeddings, latent in pairs:
            x = self._features(embeddings, latent.shape[2]).flatten(0, 1)
            y = latent.transpose(1, 2).flatten(2).flatten(0, 1)
            products += x.T @ x
            shared += x.T @ y
            squares += y.square().sum(0)
            n_rows += len(x)
        penalty = torch.full((n_features,), PENALTY * n_rows)
        penalty[-1] = 1e-6 * n_rows  # the mean is free
        self.weight.copy_(torch.linalg.solve(products + penalty.diag(), shared))
        explained = 2 * (self.weight * shared).sum(0) - (self.weight * (products @ self.weight)).sum(0)
        variance = squares / n_rows - (shared[-1] / n_rows).square()
        self.left.copy_(((squares - explained) / n_rows).clamp_min(1e-4).sqrt().view(self.shape).unsqueeze(1))
        self.spread.copy_(variance.clamp_min(1e-4).sqrt().view(self.shape).unsqueeze(1))

    def guess(self, embeddings: Tensor, n_frames: int, drop: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return mean and deviation of the latent given tokens: of all latents where the condition is dropped."""
        mean = self._latent(self._features(embeddings, n_frames) @ self.weight)
        deviation = self.left.expand(len(mean), -1, -1, -1)
        if drop is None:
            return mean, deviation
        dropped = drop[:, None, None, None]
        centre = self._latent(self.weight[-1].expand(1, n_frames, -1))
        return torch.where(dropped, centre, mean), torch.where(dropped, self.spread, deviation)

    def prediction(self, noisy: Tensor, timestep: Tensor, guess: tuple[Tensor, Tensor], wrong_by: Tensor) -> Tensor:
        """Return what the scheduler asks for, given by how many deviations the posterior of the guess is wrong."""
        mean, deviation = guess
        kept = self.alphas[timestep].to(noisy).reshape(-1, 1, 1, 1)
        signal, noise = kept.sqrt(), (1 - kept).sqrt()
        evidence = kept * deviation.square() + (1 - kept)
        latent = mean + signal * deviation.square() / evidence * (noisy - signal * mean)
        latent = latent + deviation * noise / evidence.sqrt() * wrong_by
        if self.predicts == "sample":
            return latent
        if self.predicts == "epsilon":
            return (noisy - signal * latent) / noise
        return (signal * noisy - latent) / noise

"""Maps an encoder's estimates linearly to what the generator was trained on: embeddings, or frames of the sound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

#: seconds on each side whose tokens the map may look at; farther ones bring nothing (docs/voice.md)
REACH_S = 0.05
#: with more features than this the map looks at fewer neighbours, so that its fit stays small
MAX_FEATURES = 2048
#: ridge penalty, relative to the mean variance of the features
PENALTY = 0.1


class Bridge(nn.Module):
    """Maps estimates to what the target says of the sound by least squares, over a few neighbouring tokens.

    The CLIP loss fixes inner products and no space: the estimate that retrieves best is the target weighted by how well
    each of its directions can be told (and rotated, if the target allows it), and not the target's best guess. A
    generator that was trained on what the target says needs the latter. Fitted on training segments alone.

    Parameters
    ----------
    weight : Tensor, shape (2 * radius + 1, dim, width)
    mean_in : Tensor, shape (2 * radius + 1, dim)
    mean_out : Tensor, shape (width,)
    to_frames : Tensor of bool, shape ()
        Whether it leads to `Target.content`, and not to the embedding.
    """

    weight: Tensor
    mean_in: Tensor
    mean_out: Tensor
    to_frames: Tensor

    def __init__(self, weight: Tensor, mean_in: Tensor, mean_out: Tensor, to_frames: Tensor) -> None:
        super().__init__()
        self.radius = (len(weight) - 1) // 2
        self.register_buffer("weight", weight)
        self.register_buffer("mean_in", mean_in)
        self.register_buffer("mean_out", mean_out)
        self.register_buffer("to_frames", to_frames)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Bridge:
        """Build a bridge of its ``state_dict()``, which holds all there is to it."""
        return cls(*(state[name] for name in ("weight", "mean_in", "mean_out", "to_frames")))

    def forward(self, estimates: Tensor) -> Tensor:
        """Map estimates (batch, n_tokens, dim) to (batch, n_tokens, width)."""
        features = _with_neighbours(estimates, self.radius) - self.mean_in.flatten()
        return features @ self.weight.flatten(0, 1) + self.mean_out


def fit_bridge(
    pairs: Iterable[tuple[Tensor, Tensor]],
    token_rate_hz: float,
    *,
    to_frames: bool = False,
    reach_s: float = REACH_S,
    penalty: float = PENALTY,
) -> Bridge:
    """Fit a bridge by ridge regression.

    Parameters
    ----------
    pairs : iterable of (Tensor, Tensor)
        Estimates of segments (batch, n_tokens, dim), and what the target says of them (batch, n_tokens, width).
    token_rate_hz : float
        Tokens per second of both.
    to_frames : bool
        What the second ones are, see `Bridge`.
    reach_s, penalty : float
        See `REACH_S` and `PENALTY`.
    """
    moments: _Moments | None = None
    for estimates, targets in pairs:
        n_tokens, dim = estimates.shape[1:]
        radius = min(round(reach_s * token_rate_hz), n_tokens - 1, max(0, (MAX_FEATURES // dim - 1) // 2))
        features = _with_neighbours(estimates, radius).flatten(0, 1).double()
        if moments is None:
            moments = _Moments(features.shape[1], targets.shape[2])
        moments.add(features, targets.flatten(0, 1).double())
    if moments is None:
        raise ValueError("a bridge needs at least one batch of segments")
    weight, mean_in, mean_out = (part.float() for part in moments.solve(penalty))
    shape = (2 * radius + 1, dim)
    return Bridge(weight.unflatten(0, shape), mean_in.unflatten(0, shape), mean_out, torch.tensor(to_frames))


class _Moments:
    """Sums over tokens, so that memory does not grow with their number."""

    def __init__(self, n_features: int, width: int) -> None:
        self.n = 0
        self.features = torch.zeros(n_features, dtype=torch.float64)
        self.targets = torch.zeros(width, dtype=torch.float64)
        self.gram = torch.zeros(n_features, n_features, dtype=torch.float64)
        self.cross = torch.zeros(n_features, width, dtype=torch.float64)

    def add(self, features: Tensor, targets: Tensor) -> None:
        self.n += len(features)
        self.features += features.sum(0)
        self.targets += targets.sum(0)
        self.gram += features.T @ features
        self.cross += features.T @ targets

    def solve(self, penalty: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return weights, and means of features and targets."""
        mean_in, mean_out = self.features / self.n, self.targets / self.n
        gram = self.gram / self.n - torch.outer(mean_in, mean_in)
        cross = self.cross / self.n - torch.outer(mean_in, mean_out)
        # The floor keeps estimates that never change (a baseline's) solvable; they are mapped to the mean.
        added = (penalty * gram.diagonal().mean()).clamp(min=1e-9)
        weight = torch.linalg.solve(gram + added * torch.eye(len(gram), dtype=gram.dtype), cross)
        return weight, mean_in, mean_out


def _with_neighbours(tokens: Tensor, radius: int) -> Tensor:
    """Put each token's neighbours beside it: (batch, n_tokens, dim) to (batch, n_tokens, (2 * radius + 1) * dim)."""
    if radius == 0:
        return tokens
    edges = tokens[:, :1].expand(-1, radius, -1), tokens[:, -1:].expand(-1, radius, -1)
    padded = torch.cat([edges[0], tokens, edges[1]], 1)
    return torch.cat([padded[:, i : i + tokens.shape[1]] for i in range(2 * radius + 1)], 2)

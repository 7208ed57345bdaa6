"""Maps an encoder's estimates linearly to the embeddings that the generator was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

#: neighbouring tokens that the map may look at on each side, in seconds
REACH_S = 0.2
#: with more features than this the map looks at fewer neighbours, so that its fit stays small
MAX_FEATURES = 2048
#: ridge penalty, relative to the mean variance of the features
PENALTY = 1e-2


class Bridge(nn.Module):
    """Maps estimates to target embeddings by least squares, over a few neighbouring tokens.

    The CLIP loss fixes inner products and no space: the estimate that retrieves best is the target weighted by how well
    each of its directions can be told (and rotated, if the target allows it), and not the target's best guess. A
    generator that was trained on target embeddings needs the latter. Fitted on training segments alone.

    Parameters
    ----------
    weight : Tensor, shape ((2 * radius + 1) * dim, dim)
    mean_in : Tensor, shape ((2 * radius + 1) * dim,)
    mean_out : Tensor, shape (dim,)
    """

    weight: Tensor
    mean_in: Tensor
    mean_out: Tensor

    def __init__(self, weight: Tensor, mean_in: Tensor, mean_out: Tensor) -> None:
        super().__init__()
        self.radius = (len(weight) // len(mean_out) - 1) // 2
        for name, value in (("weight", weight), ("mean_in", mean_in), ("mean_out", mean_out)):
            self.register_buffer(name, value)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Bridge:
        """Build a bridge of its ``state_dict()``, which holds all there is to it."""
        return cls(state["weight"], state["mean_in"], state["mean_out"])

    def forward(self, estimates: Tensor) -> Tensor:
        """Map estimates (batch, n_tokens, dim) to the target's space, same shape."""
        return (_with_neighbours(estimates, self.radius) - self.mean_in) @ self.weight + self.mean_out


def fit_bridge(pairs: Iterable[tuple[Tensor, Tensor]], token_rate_hz: float) -> Bridge:
    """Fit a bridge by ridge regression.

    Parameters
    ----------
    pairs : iterable of (Tensor, Tensor)
        Estimates and target embeddings of the same segments, each (batch, n_tokens, dim).
    token_rate_hz : float
        Tokens per second of both.
    """
    moments: _Moments | None = None
    for estimates, targets in pairs:
        n_tokens, dim = estimates.shape[1:]
        radius = min(round(REACH_S * token_rate_hz), n_tokens - 1, max(0, (MAX_FEATURES // dim - 1) // 2))
        features = _with_neighbours(estimates, radius).flatten(0, 1).double()
        if moments is None:
            moments = _Moments(features.shape[1], dim)
        moments.add(features, targets.flatten(0, 1).double())
    if moments is None:
        raise ValueError("a bridge needs at least one batch of segments")
    return moments.solve()


class _Moments:
    """Sums over tokens, so that memory does not grow with their number."""

    def __init__(self, n_features: int, dim: int) -> None:
        self.n = 0
        self.features = torch.zeros(n_features, dtype=torch.float64)
        self.targets = torch.zeros(dim, dtype=torch.float64)
        self.gram = torch.zeros(n_features, n_features, dtype=torch.float64)
        self.cross = torch.zeros(n_features, dim, dtype=torch.float64)

    def add(self, features: Tensor, targets: Tensor) -> None:
        self.n += len(features)
        self.features += features.sum(0)
        self.targets += targets.sum(0)
        self.gram += features.T @ features
        self.cross += features.T @ targets

    def solve(self) -> Bridge:
        mean_in, mean_out = self.features / self.n, self.targets / self.n
        gram = self.gram / self.n - torch.outer(mean_in, mean_in)
        cross = self.cross / self.n - torch.outer(mean_in, mean_out)
        # The floor keeps estimates that never change (a baseline's) solvable; they are mapped to the mean.
        penalty = (PENALTY * gram.diagonal().mean()).clamp(min=1e-9)
        weight = torch.linalg.solve(gram + penalty * torch.eye(len(gram), dtype=gram.dtype), cross)
        return Bridge(weight.float(), mean_in.float(), mean_out.float())


def _with_neighbours(tokens: Tensor, radius: int) -> Tensor:
    """Put each token's neighbours beside it: (batch, n_tokens, dim) to (batch, n_tokens, (2 * radius + 1) * dim)."""
    if radius == 0:
        return tokens
    edges = tokens[:, :1].expand(-1, radius, -1), tokens[:, -1:].expand(-1, radius, -1)
    padded = torch.cat([edges[0], tokens, edges[1]], 1)
    return torch.cat([padded[:, i : i + tokens.shape[1]] for i in range(2 * radius + 1)], 2)

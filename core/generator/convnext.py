"""Builds one-dimensional ConvNeXt blocks, of which the shipped autoencoder and vocoder are made."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvNeXtBlock(nn.Module):
    """Adds to a sequence what a depthwise convolution in time and two linear layers make of it (Liu et al. 2022).

    Parameters
    ----------
    width : int
        Channels.
    hidden : int
        Channels between the two linear layers.
    kernel : int
        Frames that the convolution sees, odd.
    """

    def __init__(self, width: int, hidden: int, kernel: int = 7) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.rise = nn.Linear(width, hidden)
        self.fall = nn.Linear(hidden, width)
        self.scale = nn.Parameter(torch.full((width,), 0.3))  # small, so that a deep stack begins near the identity

    def forward(self, x: Tensor) -> Tensor:
        """Return a sequence like ``x`` (batch, n_frames, width)."""
        seen = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        return x + self.scale * self.fall(nn.functional.gelu(self.rise(self.norm(seen))))


def convnext_stack(n_blocks: int, width: int, hidden: int) -> nn.Sequential:
    """Make several blocks of one width."""
    return nn.Sequential(*(ConvNeXtBlock(width, hidden) for _ in range(n_blocks)))

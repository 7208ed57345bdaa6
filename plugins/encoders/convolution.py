"""Defines the dilated convolutional stack that the brainmagick encoder and the deep mel target share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn

#: the paper's stack: kernel 3, dilations 1, 2, 4, 8, 16 and again, a gated block after every second layer
KERNEL_SIZE = 3
DILATION_GROWTH = 2
DILATION_PERIOD = 5
LAYERS_PER_GATE = 2


class ConvSequence(nn.Module):
    """Stacks dilated convolutions with batch norm, residuals where widths allow, and gated (GLU) blocks between.

    Layer k is a convolution of dilation 2**(k mod 5), batch norm and an activation; its input is added when the
    widths are equal; after every second layer follows a gated convolution. All paddings keep the length
    (Defossez et al. 2023, Nature Machine Intelligence 5:1097, Methods; sizes in the tests).

    Parameters
    ----------
    widths : sequence of int
        Channels before the first layer and after each layer; ``len(widths) - 1`` layers.
    activation : callable
        Makes the activation module of a layer.
    activate_last : bool
        Whether the last layer has batch norm and activation, too.
    """

    def __init__(
        self, widths: Sequence[int], activation: Callable[[], nn.Module] = nn.GELU, activate_last: bool = True
    ) -> None:
        super().__init__()
        n_layers = len(widths) - 1
        self.sequence = nn.ModuleList(
            _layer(
                *pair,
                DILATION_GROWTH ** (k % DILATION_PERIOD),
                activation if k < n_layers - 1 or activate_last else None,
            )
            for k, pair in enumerate(pairwise(widths))
        )
        # Layers without a gate keep an empty place, so that a gate's key carries the number of its layer.
        self.glus = nn.ModuleList(
            _gate(width) if (k + 1) % LAYERS_PER_GATE == 0 else nn.Sequential() for k, width in enumerate(widths[1:])
        )

    def forward(self, signal: Tensor) -> Tensor:
        """Map (batch, widths[0], n_times) to (batch, widths[-1], n_times)."""
        for layer, gate in zip(self.sequence, self.glus, strict=True):
            out = layer(signal)
            signal = gate(out + signal if out.shape == signal.shape else out)
        return signal


def _layer(n_in: int, n_out: int, dilation: int, activation: Callable[[], nn.Module] | None) -> nn.Sequential:
    padding = dilation * (KERNEL_SIZE // 2)
    convolution = nn.Conv1d(n_in, n_out, KERNEL_SIZE, dilation=dilation, padding=padding)
    return nn.Sequential(convolution, *([nn.BatchNorm1d(n_out), activation()] if activation else []))


def _gate(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv1d(width, 2 * width, KERNEL_SIZE, padding=KERNEL_SIZE // 2), nn.GLU(dim=1))

"""Embeds mel spectrograms by a convolutional stack that is trained together with the encoder."""

from __future__ import annotations

from torch import Tensor, nn

from eeg2speech_bench.core.conditioning import SoundInfo
from eeg2speech_bench.plugins.encoders.convolution import ConvSequence
from eeg2speech_bench.plugins.targets.mel import MelFrames


class DeepMelTarget(MelFrames):
    """Runs the encoder's stack on log-mel frames (9,320,128 parameters at the paper's size).

    ReLU instead of GELU, and a last layer without norm and activation (Defossez et al. 2023, Nature Machine
    Intelligence 5:1097-1107, deep mel).

    Parameters
    ----------
    sound : SoundInfo
    n_bands : int
        Mel bands that go in; an envelope has one, whatever is said here.
    token_rate_hz : float
        Tokens per second.
    hidden, depth : int
        Width and number of layers.
    dim : int
        Width of a token.
    """

    trained_jointly = True

    def __init__(
        self,
        sound: SoundInfo,
        *,
        n_bands: int = 120,
        token_rate_hz: float = 120.0,
        hidden: int = 320,
        depth: int = 10,
        dim: int = 768,
    ) -> None:
        super().__init__(sound, dim, n_bands, token_rate_hz)
        widths = [self.n_bands, *[hidden] * (depth - 1), dim]
        self.stack = ConvSequence(widths, activation=nn.ReLU, activate_last=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Map windows of frames (batch, n_tokens, n_bands) to tokens (batch, n_tokens, dim)."""
        return self.stack(self.standardise(frames).transpose(1, 2)).transpose(1, 2)

    @property
    def content_dim(self) -> int:
        """Return the number of mel bands."""
        return self.n_bands

    def content(self, frames: Tensor) -> Tensor:
        """Return the mel frames that the stack starts from: it is trained to retrieve, and loses the formants."""
        return self.standardise(frames)

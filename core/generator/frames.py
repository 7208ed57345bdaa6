"""Brings a condition's tokens to the frames of the latent."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

#: width between the two layers that project tokens onto the latent map
PROJECTION_WIDTH = 256
#: tokens that each latent frame is given
TOKENS_PER_FRAME = 4


def resample_tokens(embeddings: Tensor, n_frames: int) -> Tensor:
    """Bring tokens (batch, n_tokens, dim) to (batch, n_frames, dim) over the same span of time.

    More tokens than frames are averaged, fewer are interpolated. A token stands for an equal part of the window, so
    the ends of the spans are aligned and not the centres of the first and last token.
    """
    if embeddings.shape[1] == n_frames:
        return embeddings
    channels_first = embeddings.transpose(1, 2)
    if embeddings.shape[1] > n_frames:
        return F.adaptive_avg_pool1d(channels_first, n_frames).transpose(1, 2)
    return F.interpolate(channels_first, size=n_frames, mode="linear", align_corners=False).transpose(1, 2)


class FrameProjection(nn.Module):
    """Projects tokens to a map that joins the latent, with weights of its own for every latent band.

    A latent frame sees the `TOKENS_PER_FRAME` tokens of its span side by side: their mean would lose what is faster
    than the latent's frame rate, and brain signals follow speech up to about 8 Hz.
    """

    def __init__(self, condition_dim: int, n_channels: int, n_bands: int) -> None:
        super().__init__()
        self.n_bands = n_bands
        self.squeeze = nn.Linear(TOKENS_PER_FRAME * condition_dim, PROJECTION_WIDTH)
        self.spread = nn.Conv1d(PROJECTION_WIDTH, n_channels * n_bands, kernel_size=3, padding=1)

    def forward(self, embeddings: Tensor, n_frames: int) -> Tensor:
        """Map (batch, n_tokens, dim) to (batch, n_channels, n_frames, n_bands)."""
        tokens = resample_tokens(embeddings, TOKENS_PER_FRAME * n_frames)
        hidden = F.silu(self.squeeze(tokens.unflatten(1, (n_frames, -1)).flatten(2)))
        rows = self.spread(hidden.transpose(1, 2))  # (batch, n_channels * n_bands, n_frames)
        return rows.unflatten(1, (-1, self.n_bands)).transpose(2, 3)

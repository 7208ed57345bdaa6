"""Encodes EEG by the brain module of Defossez et al. (2023).

Its parts are spatial attention, a layer per subject, and dilated convolutions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d

from eeg2speech_bench.core.conditioning import Conditioning, Encoder, pool_tokens
from eeg2speech_bench.core.errors import DataError, UsageError
from eeg2speech_bench.core.segments.channel_types import type_of
from eeg2speech_bench.core.segments.segment_store import Batch, SignalInfo, TargetInfo
from eeg2speech_bench.plugins.encoders.convolution import ConvSequence

#: both coordinates of a channel that has no electrode position; such a channel gets no attention
INVALID = -0.1
#: the Fourier basis repeats beyond this margin around the unit square
MARGIN = 0.2


class Brainmagick(Encoder):
    """Encodes EEG as brainmagick does, at the setting of the paper (10,002,454 parameters for 33 subjects).

    Written from the description in Defossez et al. 2023, Nature Machine Intelligence 5:1097-1107. One token per EEG
    sample, averaged in time where the target has fewer.

    Parameters
    ----------
    signal : SignalInfo
        ``chs_info`` must hold at least two electrode positions: spatial attention is never turned off silently.
    target : TargetInfo
    hidden, depth : int
        Width and number of layers of the convolutional stack.
    virtual_channels, initial_linear : int
        Outputs of the spatial attention, and of the 1x1 convolution and the subject layer after it.
    fourier_dim : int
        Length of a position's Fourier embedding, 2 * n**2 for n harmonics per axis.
    merger_dropout : float
        Radius of the disc of channels that a training step ignores; positions span [0, 1].
    averaged : int
        Neighbouring EEG samples that are averaged before the network, which then has as many times less to compute.

    Raises
    ------
    DataError
        If the channels have no positions, or MNE cannot lay them out.
    UsageError
        If ``fourier_dim`` is not 2 * n**2.
    """

    new_listeners = "the mean of the layers of known listeners"

    def __init__(
        self,
        signal: SignalInfo,
        target: TargetInfo,
        *,
        hidden: int = 320,
        depth: int = 10,
        virtual_channels: int = 270,
        initial_linear: int = 270,
        fourier_dim: int = 2048,
        merger_dropout: float = 0.2,
        averaged: int = 1,
    ) -> None:
        super().__init__()
        if not 1 <= averaged <= signal.n_times:
            raise UsageError(
                "Option averaged of encoder 'brainmagick' is impossible",
                got=averaged,
                expected=f"1 (every sample by itself) to {signal.n_times} (the samples of a window)",
            )
        self.n_tokens, self.averaged = target.n_tokens, averaged
        self.network = SimpleConv(
            target.dim,
            signal.n_subjects,
            hidden=hidden,
            depth=depth,
            virtual_channels=virtual_channels,
            initial_linear=initial_linear,
            fourier_dim=fourier_dim,
            merger_dropout=merger_dropout,
        )
        # Not part of the state: weights fit any montage, and a layout may change with the version of MNE.
        self.positions: Tensor
        self.register_buffer("positions", layout_positions(signal), persistent=False)

    def forward(self, batch: Batch) -> Conditioning:
        """Encode a batch to a token per target token, or per (averaged) sample where those are fewer."""
        eeg = batch.eeg if self.averaged == 1 else avg_pool1d(batch.eeg, self.averaged)
        tokens = self.network(eeg, self.positions, batch.subject, min(eeg.shape[2], self.n_tokens))
        return Conditioning.from_tokens(tokens.transpose(1, 2))


class SimpleConv(nn.Module):
    """Is the network itself, with the original's key names, so that its checkpoints load unchanged.

    No parameter depends on the number of channels: weights carry over to any montage.

    Parameters
    ----------
    n_outputs, n_subjects : int
    hidden, depth, virtual_channels, initial_linear, fourier_dim, merger_dropout
        See `Brainmagick`.
    """

    def __init__(
        self,
        n_outputs: int,
        n_subjects: int,
        *,
        hidden: int = 320,
        depth: int = 10,
        virtual_channels: int = 270,
        initial_linear: int = 270,
        fourier_dim: int = 2048,
        merger_dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.merger = ChannelMerger(virtual_channels, fourier_dim, merger_dropout)
        self.initial_linear = nn.Sequential(nn.Conv1d(virtual_channels, initial_linear, 1))
        self.subject_layers = SubjectLayers(initial_linear, n_subjects)
        self.final = nn.Sequential(
            nn.Conv1d(hidden, 2 * hidden, 1), nn.GELU(), nn.ConvTranspose1d(2 * hidden, n_outputs, 1)
        )
        # The original calls this branch "meg" for EEG, too.
        self.encoders = nn.ModuleDict({"meg": ConvSequence([initial_linear] + [hidden] * depth)})

    def forward(self, eeg: Tensor, positions: Tensor, subject: Tensor, n_tokens: int | None = None) -> Tensor:
        """Encode EEG sample by sample, averaged in time to ``n_tokens`` where that is given.

        Parameters
        ----------
        eeg : Tensor, shape (batch, n_chans, n_times)
        positions : Tensor, shape (n_chans, 2) or (batch, n_chans, 2)
            Layout positions in [0, 1]; a channel without one has both coordinates -0.1.
        subject : LongTensor, shape (batch,)

        Returns
        -------
        Tensor, shape (batch, n_outputs, n_times) or (batch, n_outputs, n_tokens)
        """
        virtual = self.initial_linear(self.merger(eeg, positions))
        hidden = self.final[:2](self.encoders["meg"](self.subject_layers(virtual, subject)))
        if n_tokens is not None:  # before the last layer, which is linear in each sample: the same for less work
            hidden = pool_tokens(hidden.transpose(1, 2), n_tokens).transpose(1, 2)
        return self.final[2](hidden)


class ChannelMerger(nn.Module):
    """Mixes sensors into virtual channels by weights that depend on electrode positions alone.

    The weights do not see the signal. While training, all channels within ``dropout`` of one random centre per
    call are ignored, so that the network does not lean on single electrodes.
    """

    def __init__(self, n_virtual: int, fourier_dim: int = 2048, dropout: float = 0.2) -> None:
        super().__init__()
        if 2 * math.isqrt(fourier_dim // 2) ** 2 != fourier_dim:
            raise UsageError(
                "Option fourier_dim of the channel merger is impossible",
                got=fourier_dim,
                expected="2 * n**2, such as 128, 512 or 2048",
            )
        self.heads = nn.Parameter(torch.randn(n_virtual, fourier_dim) / math.sqrt(fourier_dim))
        self.dropout = dropout

    def attention(self, positions: Tensor) -> Tensor:
        """Return weights (..., n_virtual, n_chans) of channels at ``positions`` (..., n_chans, 2); rows sum to 1."""
        scores = self.heads @ fourier_embedding(positions, self.heads.shape[1]).transpose(-1, -2)
        banned = (positions == INVALID).all(-1)
        if self.training and self.dropout:
            centre = torch.rand(2, device=positions.device)
            banned = banned | ((positions - centre).norm(dim=-1) <= self.dropout)
        banned = banned.unsqueeze(-2)
        # The second fill also turns the NaN of a row without any channel into zeros, forwards and backwards.
        return scores.masked_fill(banned, -torch.inf).softmax(-1).masked_fill(banned, 0.0)

    def forward(self, eeg: Tensor, positions: Tensor) -> Tensor:
        """Map (batch, n_chans, n_times) to (batch, n_virtual, n_times)."""
        return self.attention(positions) @ eeg


class SubjectLayers(nn.Module):
    """Multiplies with one square matrix per subject.

    A subject index that training never saw (-1, or too high) gets their mean.

    The original has no such fallback: it cannot encode a new listener at all.
    """

    def __init__(self, n_chans: int, n_subjects: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(n_subjects, n_chans, n_chans) / math.sqrt(n_chans))

    def forward(self, signal: Tensor, subject: Tensor) -> Tensor:
        """Map (batch, n_chans, n_times) by the matrices of ``subject`` (batch,); input axis first."""
        n_subjects = len(self.weights)
        row = torch.where((subject >= 0) & (subject < n_subjects), subject, n_subjects)
        matrices = torch.cat([self.weights, self.weights.mean(0, keepdim=True)])[row]
        return matrices.transpose(1, 2) @ signal


def fourier_embedding(positions: Tensor, dim: int) -> Tensor:
    """Embed positions (..., 2) as ``dim / 2`` cosines, then as many sines, of all pairs of harmonics.

    The harmonics of x are the slow axis (Defossez et al. 2023, Methods, spatial attention).
    """
    harmonics = torch.arange(math.isqrt(dim // 2), device=positions.device, dtype=positions.dtype)
    turns = (positions + MARGIN).unsqueeze(-1) * harmonics / (1 + 2 * MARGIN)  # (..., 2, n)
    phase = 2 * math.pi * (turns[..., 0, :, None] + turns[..., 1, None, :]).flatten(-2)
    return torch.cat([phase.cos(), phase.sin()], -1)


def layout_positions(signal: SignalInfo) -> Tensor:
    """Place channels on MNE's two-dimensional layout, each axis scaled to [0, 1].

    MNE lays out the very channels that it is given, so they are matched by order: a suffix such as ``-REF`` in a
    name costs no position.

    Returns
    -------
    Tensor of float32, shape (n_chans, 2)
        Lower-left corners of the sensor boxes; -0.1 twice for channels without an electrode position.

    MEG sensors are laid out by their places in the helmet; those that share one, as Elekta's triples do, share their
    place in the layout.

    Raises
    ------
    DataError
        If fewer than two channels have positions, or MNE cannot lay them out.
    """
    located = torch.tensor([_is_located(channel["loc"]) for channel in signal.chs_info])
    if located.sum() < 2:
        raise DataError(
            "Encoder 'brainmagick' needs electrode positions for its spatial attention",
            got=f"{int(located.sum())} of {signal.n_chans} channels with a position",
            expected="at least two",
            then="Add electrodes.tsv to the data set or set a montage, or choose another encoder.",
        )
    corners = _layout_corners([c for c, there in zip(signal.chs_info, located, strict=True) if there], signal.sfreq)
    low, high = corners.amin(0), corners.amax(0)
    positions = torch.full((signal.n_chans, 2), INVALID, dtype=torch.float64)
    positions[located] = (corners - low) / torch.where(high > low, high - low, 1.0)
    return positions.float()


def _is_located(loc: object) -> bool:
    place = torch.as_tensor(loc)[:3]
    return bool(place.isfinite().all() and place.any())


def _layout_corners(channels: list[dict], sfreq: float) -> Tensor:
    import mne

    places = torch.stack([torch.as_tensor(channel["loc"])[:3].double() for channel in channels])
    of_place = torch.arange(len(places))
    if all(type_of(channel) in ("mag", "grad") for channel in channels):
        places, of_place = places.unique(dim=0, return_inverse=True)
    info = mne.create_info(len(places), sfreq, "eeg")
    for place, theirs in zip(places, info["chs"], strict=True):
        theirs["loc"][:3] = place
    try:
        return torch.from_numpy(mne.channels.make_eeg_layout(info).pos[:, :2].copy())[of_place]
    except (ValueError, RuntimeError) as error:
        raise DataError(
            "Electrode positions cannot be laid out", got=str(error), then="Give every electrode its own position."
        ) from error

"""Adapts EEG to the rate, length, scale and channels that a network was made for, and declares each change."""

from __future__ import annotations

from fractions import Fraction

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn.functional import pad

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.segment_store import SignalInfo

#: a segment may lose this share of its samples to reach a length that the network takes; else it is extended
MAX_CUT = 0.05
#: a segment may be extended by this share of its length at each end, where it is mirrored
MAX_EXTENSION = 0.5


class Adaptation(nn.Module):
    """Mixes channels, resamples, scales and cuts, in this order, and lists that in `notes`.

    Parameters
    ----------
    signal : SignalInfo
    sfreq : float, optional
        Rate to resample to.
    patch : (int, int), optional
        Lengths that the network takes: first + k * second samples.
    tiles : (int, int), optional
        Receptive field and stride of a network that answers step by step; slices are extended until the steps, each
        in the middle of its field, cover them.
    n_slices : int
        Slices that a segment is cut into, centred on equal stretches of it.
    slice_s : float, optional
        Their length; if not given, the whole segment, or three stretches where there are several slices.
    matrix : Tensor, shape (n_chans_out, n_chans), optional
        Fixed mixing of channels.
    scale : float
        Factor on the EEG.

    Attributes
    ----------
    n_times : int
        Samples of one slice as the network gets it.
    sfreq : float
        Their rate in Hz.
    n_chans : int
        Channels that the network gets.
    notes : dict of str to str
        What was changed, in words.

    Raises
    ------
    DataError
        If segments are too short to be brought to a length that the network takes.
    """

    matrix: Tensor | None

    def __init__(
        self,
        signal: SignalInfo,
        *,
        sfreq: float | None = None,
        patch: tuple[int, int] | None = None,
        tiles: tuple[int, int] | None = None,
        n_slices: int = 1,
        slice_s: float | None = None,
        matrix: Tensor | None = None,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.notes: dict[str, str] = {}
        self.scale, self.n_slices = scale, n_slices
        # Not part of the state: it follows the montage, as the network's own layers do not.
        self.register_buffer("matrix", matrix, persistent=False)
        self.n_chans = signal.n_chans if matrix is None else len(matrix)
        self.sfreq = sfreq or signal.sfreq
        self.resample = self._resampler(signal)
        n_times = int(self.resample(torch.zeros(1, signal.n_times)).shape[-1])
        wanted = self._wanted_length(n_times, slice_s)
        self.n_times = fit_length(wanted, patch) if patch else covering_length(wanted, tiles) if tiles else wanted
        self.starts, self.before, self.after = self._place_slices(n_times)
        self._describe(n_times, wanted)

    def _resampler(self, signal: SignalInfo) -> nn.Module:
        if self.sfreq == signal.sfreq:
            return nn.Identity()
        above = f"; nothing above {signal.sfreq / 2:g} Hz is there" if self.sfreq > signal.sfreq else ""
        self.notes["sampling rate"] = f"{signal.sfreq:g} Hz resampled to {self.sfreq:g} Hz{above}"
        rate = Fraction(self.sfreq / signal.sfreq).limit_denominator(1000)
        return torchaudio.transforms.Resample(rate.denominator, rate.numerator)

    def _wanted_length(self, n_times: int, slice_s: float | None) -> int:
        if slice_s is not None:
            return max(1, round(slice_s * self.sfreq))
        return min(n_times, round(3 * n_times / self.n_slices))

    def _place_slices(self, n_times: int) -> tuple[list[int], int, int]:
        """Centre slices on equal stretches: their starts, and by how much the segment is extended for them."""
        centres = [(i + 0.5) * n_times / self.n_slices for i in range(self.n_slices)]
        starts = [round(centre - self.n_times / 2) for centre in centres]
        before, after = max(0, -starts[0]), max(0, starts[-1] + self.n_times - n_times)
        if max(before, after) > MAX_EXTENSION * n_times:
            raise DataError(
                "The segments are too short for this network",
                got=f"{n_times} samples at {self.sfreq:g} Hz, all channels",
                expected=f"slices of {self.n_times} samples",
                then="Raise data.window_s, or give the encoder a shorter slice_s.",
            )
        return [start + before for start in starts], before, after

    def _describe(self, n_times: int, wanted: int) -> None:
        length = f"{self.n_times} samples ({self.n_times / self.sfreq:.3g} s)"
        if self.n_slices > 1 or wanted != n_times:
            mirrored = ", the segment mirrored at its ends" if self.before or self.after else ""
            self.notes["window"] = f"{self.n_slices} slices of {length}{mirrored}"
        elif self.n_times > n_times:
            self.notes["window"] = f"{n_times} samples mirrored at both ends to {length}"
        elif self.n_times < n_times:
            self.notes["window"] = f"{n_times} samples cut at both ends to {length}"

    def forward(self, eeg: Tensor) -> Tensor:
        """Turn segments (batch, n_chans, n_times) into slices (batch * n_slices, n_chans', n_times')."""
        # Half precision would coarsen the signal itself, not only the network.
        with torch.autocast(eeg.device.type, enabled=False):
            if self.matrix is not None:
                eeg = self.matrix @ eeg
            eeg = self.resample(eeg) * self.scale
        if self.before or self.after:
            eeg = pad(eeg, (self.before, self.after), mode="reflect")
        slices = [eeg[..., start : start + self.n_times] for start in self.starts]
        return torch.stack(slices, 1).flatten(0, 1)


def fit_length(n_times: int, patch: tuple[int, int]) -> int:
    """Return the length first + k * second that is nearest below ``n_times``.

    If that would cut more than 5 %, the next length above.
    """
    first, step = patch
    if n_times <= first:
        return first
    below = first + (n_times - first) // step * step
    return below if n_times - below <= MAX_CUT * n_times else below + step


def covering_length(n_times: int, tiles: tuple[int, int]) -> int:
    """Return the length at which steps of a receptive field and stride ``tiles`` cover ``n_times`` samples."""
    field, stride = tiles
    n_steps = -(-n_times // stride)
    return n_steps * stride + field - stride

"""Joins overlapping windows to one continuous sound without seams: their latents, their spectrograms, and the sound.

Windows are sampled together: after every step the latents of all windows are averaged where they overlap (Bar-Tal et
al. 2023, MultiDiffusion, arXiv 2302.08113), so that neighbours paint one picture and not two. A long recording is done
in spans; the first window of a span is held to what the last one of the span before said of their overlap at each step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

#: mel frames that two pieces of sound share, among which the join is placed: 1 s
SHARED_FRAMES = 100
#: mel frames at the ends of a piece where the vocoder lacks context
EDGE_FRAMES = 10
#: samples over which one piece fades into the next: 10 ms
FADE_SAMPLES = 160


@dataclass(frozen=True)
class OverlapGrid:
    """Where windows lie that overlap by about half.

    Attributes
    ----------
    n_window : int
        Frames of a window that hold sound.
    hop : int
        Frames from one window to the next.
    """

    n_window: int
    hop: int

    @classmethod
    def halved(cls, n_window: int) -> OverlapGrid:
        """Return the grid of windows that start half a window apart."""
        return cls(n_window, max(1, n_window // 2))

    def scaled(self, factor: int) -> OverlapGrid:
        """Return the same grid in frames that are ``factor`` times shorter."""
        return OverlapGrid(self.n_window * factor, self.hop * factor)

    @property
    def overlap(self) -> int:
        """Frames that two neighbours share."""
        return self.n_window - self.hop

    def length(self, n_windows: int) -> int:
        """Return the frames that some windows cover together."""
        return (n_windows - 1) * self.hop + self.n_window

    def weights(self) -> Tensor:
        """Return the weight of each frame of a window, (n_window,): a Hann window, which is never zero here."""
        place = (torch.arange(self.n_window) + 0.5) / self.n_window
        return torch.sin(torch.pi * place).square()

    def agree(self, windows: Tensor) -> Tensor:
        """Average windows where they overlap, and give each its part of the result.

        Parameters
        ----------
        windows : Tensor, shape (n_windows, channels, n_frames, n_bands)
            Frames beyond ``n_window`` hold no sound and stay as they are.
        """
        weights = self.weights().to(windows)[None, :, None]
        shape = (windows.shape[1], self.length(len(windows)), windows.shape[3])
        total, weight = windows.new_zeros(shape), windows.new_zeros(1, shape[1], 1)
        for k, window in enumerate(windows):
            here = slice(k * self.hop, k * self.hop + self.n_window)
            total[:, here] += weights * window[:, : self.n_window]
            weight[:, here] += weights
        track = total / weight
        agreed = windows.clone()
        for k in range(len(windows)):
            agreed[k, :, : self.n_window] = track[:, k * self.hop : k * self.hop + self.n_window]
        return agreed

    def cut(self, track: Tensor, n_windows: int) -> Tensor:
        """Cut windows from a track (channels, length, n_bands), (n_windows, channels, n_window, n_bands)."""
        return torch.stack([track[:, k * self.hop : k * self.hop + self.n_window] for k in range(n_windows)])


class TrackWriter:
    """Adds overlapping windows to one track, and gives away what no later window reaches.

    Parameters
    ----------
    grid : OverlapGrid
    n_values : int
        Values of a frame.
    """

    def __init__(self, grid: OverlapGrid, n_values: int) -> None:
        self.grid = grid
        self._total = torch.zeros(0, n_values)
        self._weight = torch.zeros(0, 1)

    def add(self, windows: Tensor) -> Tensor:
        """Add windows (n, n_window, n_values); return the frames that are finished, (n * hop, n_values)."""
        grid, n = self.grid, len(windows)
        missing = grid.length(n) - len(self._total)
        self._total = torch.cat([self._total, torch.zeros(missing, windows.shape[2])])
        self._weight = torch.cat([self._weight, torch.zeros(missing, 1)])
        weights = grid.weights()[:, None]
        for k, window in enumerate(windows):
            here = slice(k * grid.hop, k * grid.hop + grid.n_window)
            self._total[here] += weights * window
            self._weight[here] += weights
        return self._give(n * grid.hop)

    def end(self) -> Tensor:
        """Return the frames that are left."""
        return self._give(len(self._total))

    def _give(self, n_frames: int) -> Tensor:
        done = self._total[:n_frames] / self._weight[:n_frames]
        self._total, self._weight = self._total[n_frames:], self._weight[n_frames:]
        return done


class PieceJoiner:
    """Joins pieces of sound that share their ends, where they are most alike or most quiet.

    A vocoder that finds phases by iteration gives the shared second of two pieces other phases. A join is placed where
    the two differ least, as in a pause, and a fade of 10 ms makes it.

    Parameters
    ----------
    n_shared, n_edge : int
        Samples that neighbours share, and those at each end of them where no join is placed.
    """

    def __init__(self, n_shared: int, n_edge: int) -> None:
        self.n_shared, self.n_edge = n_shared, n_edge
        self._kept: np.ndarray | None = None
        #: samples, from the first, at which joins lie
        self.joins: list[int] = []
        self._given = 0

    def add(self, piece: np.ndarray) -> np.ndarray:
        """Add a piece that begins with the shared end of the one before; return the samples that are finished."""
        whole = piece if self._kept is None else self._joined(self._kept, piece)
        n_done = max(0, len(whole) - self.n_shared)
        self._kept = whole[n_done:]
        return self._give(whole[:n_done])

    def end(self) -> np.ndarray:
        """Return the samples that are left."""
        kept = np.zeros(0, np.float32) if self._kept is None else self._kept
        self._kept = None
        return self._give(kept)

    def _joined(self, before: np.ndarray, piece: np.ndarray) -> np.ndarray:
        shared = piece[: self.n_shared]
        place = quietest_place(before - shared, self.n_edge)
        ramp = np.linspace(0, 1, FADE_SAMPLES, dtype=np.float32)
        faded = np.concatenate([np.zeros(place, np.float32), ramp])
        weight = np.concatenate([faded, np.ones(self.n_shared - len(faded), np.float32)])
        self.joins.append(self._given + place + FADE_SAMPLES // 2)
        return np.concatenate([before * (1 - weight) + shared * weight, piece[self.n_shared :]])

    def _give(self, samples: np.ndarray) -> np.ndarray:
        self._given += len(samples)
        return samples


def quietest_place(difference: np.ndarray, n_edge: int) -> int:
    """Return the first sample of the `FADE_SAMPLES` over which two pieces differ least, away from the ends."""
    energy = np.convolve(difference.astype(np.float64) ** 2, np.ones(FADE_SAMPLES), "valid")
    inner = energy[n_edge : len(energy) - n_edge]
    return n_edge + int(np.argmin(inner))

"""Keeps what training gathers from on the device, where it fits."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from eeg2speech_bench.core.machine.ranks import this_rank
from eeg2speech_bench.core.segments.segment_store import Batch, SegmentStore, copies_ahead

#: share of a GPU's free memory that arrays may take; the rest is for the networks and what lies between their layers
SHARE_OF_FREE = 0.25
#: rows of an array that are copied at once, so that none is read whole into the host's memory
ROWS_AT_ONCE = 1 << 18


def fits(device: str, *arrays: np.ndarray) -> bool:
    """Whether arrays should be kept on a device: a GPU of which they take a quarter of what is free, or less.

    Where several processes train together none does: each gathers its share of a batch from the disk.
    """
    if not device.startswith("cuda") or this_rank().count > 1:
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return sum(array.nbytes for array in arrays) <= SHARE_OF_FREE * free


def keep(array: np.ndarray, device: str) -> Tensor:
    """Copy an array, which may be mapped from a file, to a device."""
    kept = torch.empty(array.shape, dtype=torch.from_numpy(np.empty(0, array.dtype)).dtype, device=device)
    for first in range(0, len(array), ROWS_AT_ONCE):
        kept[first : first + ROWS_AT_ONCE] = torch.from_numpy(np.array(array[first : first + ROWS_AT_ONCE]))
    return kept


def send(array: np.ndarray, device: str) -> Tensor:
    """Copy a small array to a device without waiting for it, or make a tensor of it on the CPU."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if copies_ahead(device) else tensor.to(device)


class KeptSegments:
    """Gathers segments as `SegmentStore.gather` does, from EEG that is kept on a device.

    Parameters
    ----------
    store : SegmentStore
    device : str
    """

    def __init__(self, store: SegmentStore, device: str) -> None:
        self.store, self.device = store, device
        self.eeg, self.scale = keep(store.eeg, device), keep(store.scale, device)
        self._window = store.segments["window"].to_numpy(dtype=np.int64)
        names = ("recording", "subject", "window", "eeg_start")
        columns = {name: store.segments[name].to_numpy(dtype=np.int64) for name in names}
        columns["subject"] = store.told(np.arange(len(store.segments)))  # as encoders are told of them
        begins = np.asarray([recording.start for recording in store.meta.recordings], dtype=np.int64)
        elapsed_s = (columns["eeg_start"] - begins[columns["recording"]]) / store.signal.sfreq
        self._columns = {name: keep(values, device) for name, values in columns.items()}
        self._elapsed_s = keep(elapsed_s, device).float()
        self._span = torch.arange(store.signal.n_times, device=device)

    def gather(self, rows: np.ndarray) -> Batch:
        """Gather the segments ``rows`` as a `Batch` on the device."""
        index = send(rows, self.device)
        columns = {name: values[index] for name, values in self._columns.items()}
        eeg = self.eeg[columns["eeg_start"][:, None] + self._span]  # (batch, n_times, n_chans)
        if n_baseline := self.store.n_baseline:
            eeg = eeg - eeg[:, :n_baseline].mean(1, keepdim=True)
        limit = self.store.meta.clamp_iqr
        scaled = (eeg / self.scale[columns["recording"]][:, None]).clamp(-limit, limit)
        return Batch(
            scaled.transpose(1, 2).contiguous(),
            columns["subject"],
            columns["window"],
            self.store.text(self._window[rows]),
            elapsed_s=self._elapsed_s[index],
        )

"""Reads the h5 files of LibriBrain as MNE recordings; samples stay on the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import mne
import numpy as np


class H5Raw(mne.io.BaseRaw):
    """A recording whose samples are the data set ``data`` (n_chans, n_samples) of an h5 file, in MNE's units.

    Parameters
    ----------
    path : Path
    info : mne.Info
        One channel per row.
    n_samples : int
    """

    def __init__(self, path: Path, info: mne.Info, n_samples: int) -> None:
        super().__init__(info, last_samps=[n_samples - 1], filenames=[path], verbose="ERROR")

    def _read_segment_file(
        self, data: np.ndarray, idx: Any, fi: int, start: int, stop: int, cals: np.ndarray, mult: np.ndarray | None
    ) -> None:
        """Fill ``data`` with samples ``start`` to ``stop``; MNE calls it with the rows that it needs."""
        with h5py.File(self.filenames[fi], "r") as file:
            block = file["data"][:, start:stop].astype(np.float64)
        data[:] = block[idx] if mult is None else mult @ block


def open_h5(path: Path, names: list[str], types: list[str], sfreq: float, places: np.ndarray | None) -> H5Raw:
    """Open an h5 file as a recording.

    Parameters
    ----------
    path : Path
    names, types : list of str
        Of the channels; MNE's types.
    sfreq : float
        Hz.
    places : array, shape (n_chans, 3), optional
        Metres, in the helmet.
    """
    info = mne.create_info(names, sfreq, types)
    for number, channel in enumerate(info["chs"]):
        channel["loc"][:3] = places[number] if places is not None else 0.0
    with h5py.File(path, "r") as file:
        n_samples = int(file["data"].shape[1])
    return H5Raw(path, info, n_samples)

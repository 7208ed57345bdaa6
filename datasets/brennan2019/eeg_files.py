"""Reads the EEG of each release: MATLAB files (v1), BrainVision files (v2), and the BIDS folder nm000180."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.bids.recordings import read_file
from eeg2speech_bench.datasets.brennan2019.word_times import SFREQ, read_struct

if TYPE_CHECKING:
    import mne

MICROVOLT = 1e-6


def read_eeg(path: Path) -> mne.io.BaseRaw:
    """Read a recording in volts, with the names of its channels; `prepared` does the rest.

    Parameters
    ----------
    path : Path
        A ``.mat`` file of the first release, which is read whole, or a ``.vhdr`` file, whose samples stay on the disk.

    Raises
    ------
    DataError
        If it cannot be read, or was not recorded at 500 Hz.
    """
    raw = _read_mat(path) if path.suffix == ".mat" else read_file(path)
    if raw.info["sfreq"] != SFREQ:
        raise DataError(
            f"{path} has another sampling rate than the release",
            got=f"{raw.info['sfreq']:g} Hz",
            expected=f"{SFREQ:g} Hz, which word times count by",
            then="Download it again.",
        )
    return raw


def _read_mat(path: Path) -> mne.io.BaseRaw:
    """Read FieldTrip's structure ``raw``: one trial of all channels, in microvolts."""
    import mne

    raw = read_struct(path, "raw", "a recording of the first release")
    names = [str(name) for name in np.atleast_1d(raw.get("label", raw.get("hdr", {}).get("label", [])))]
    samples = np.asarray(raw.get("trial", []), dtype=float)
    if samples.ndim != 2 or samples.shape[0] != len(names) or samples.shape[1] == 0:
        raise DataError(
            f"{path} is not a recording of the first release",
            got=f"trial of shape {samples.shape} for {len(names)} labels",
            expected="one trial (channels, samples)",
            then="Download it again.",
        )
    info = mne.create_info(names, float(raw.get("fsample", 0.0)) or SFREQ, "eeg", verbose="ERROR")
    samples *= MICROVOLT
    return mne.io.RawArray(samples, info, copy=None, verbose="ERROR")

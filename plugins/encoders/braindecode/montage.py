"""Matches a data set's channels to the electrodes that a network knows by name."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.channel_types import type_of
from eeg2speech_bench.core.segments.segment_store import SignalInfo

#: centre of the sphere that MNE takes for a head, in the head frame
CENTRE_M = (0.0, 0.0, 0.04)
#: an electrode of another name is taken for one that lies this near (3 cm on the scalp), seen from the centre
MAX_ANGLE_DEG = 20.0
#: the temporal electrodes have an old and a new name
SYNONYMS = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}


def labram_names() -> list[str]:
    """Return the electrodes that LaBraM has a row for, in capitals."""
    from braindecode.models import InterpolatedLaBraM

    return [electrode["ch_name"].upper() for electrode in InterpolatedLaBraM._TARGET_CHS_INFO]


def biot_derivations() -> list[str]:
    """Return the derivations of BIOT's published weights, those of 16 channels first."""
    from braindecode.models import InterpolatedBIOT

    return [electrode["ch_name"] for electrode in InterpolatedBIOT._TARGET_CHS_INFO]


def sorted_channels(channels: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return channel dictionaries in alphabetical order."""
    return sorted(channels, key=lambda channel: channel["ch_name"])


def sorting(signal: SignalInfo) -> Tensor:
    """Return the permutation matrix (n_chans, n_chans) that sorts channels as `sorted_channels` does."""
    names = [channel["ch_name"] for channel in signal.chs_info]
    order = [names.index(channel["ch_name"]) for channel in sorted_channels(signal.chs_info)]
    return torch.eye(signal.n_chans)[order]


def known_names(signal: SignalInfo, known: Sequence[str]) -> tuple[list[str], str]:
    """Name each channel as the network knows it.

    By its own name, else by the nearest electrode of the 10-10 system.

    Parameters
    ----------
    signal : SignalInfo
    known : sequence of str
        Names in capitals.

    Returns
    -------
    (list of str, str)
        One known name per channel, and what was done in words.

    Raises
    ------
    DataError
        If a channel has neither a known name nor a position near a known electrode, or is an MEG sensor.
    """
    sensors = [channel["ch_name"] for channel in signal.chs_info if type_of(channel) in ("mag", "grad")]
    if sensors:
        raise DataError(
            "The network knows electrodes of EEG alone",
            got=f"{len(sensors)} MEG sensors ({', '.join(sensors[:3])}, ...)",
            expected="EEG",
            then="Choose another encoder, or --picks eeg.",
        )
    names, moved = [], []
    for channel in signal.chs_info:
        name = channel["ch_name"].upper()
        if name not in known:
            name, angle = _nearest(channel, known)
            moved.append(f"{channel['ch_name']} as {name} ({angle:.0f} degrees away)")
        names.append(name)
    said = f"{len(names) - len(moved)} of {len(names)} known by name"
    return names, said + (f"; {', '.join(moved)}" if moved else "")


def _nearest(channel: dict[str, Any], known: Sequence[str]) -> tuple[str, float]:
    """Find the known electrode in the most similar direction from the centre of the head; heads differ in size."""
    place = np.asarray(channel["loc"][:3], dtype=float)
    has_place = bool(np.isfinite(place).all() and place.any())
    directions = {name: where for name, where in _directions_of_10_10().items() if name in known}
    angles = {name: float(np.degrees(np.arccos(where @ _direction(place)))) for name, where in directions.items()}
    best = min(angles, key=angles.__getitem__)
    if not has_place or angles[best] > MAX_ANGLE_DEG:
        raise DataError(
            f"Channel '{channel['ch_name']}' is not one that the network knows",
            got=f"{angles[best]:.0f} degrees to the nearest" if has_place else "no position",
            expected="a name of the 10-10 system, or a position on the scalp",
            then="Rename it, or drop it from the data set.",
        )
    return best, angles[best]


@cache
def _directions_of_10_10() -> dict[str, np.ndarray]:
    """Directions of the electrodes of a spherical 10-10 cap in the head frame, by name in capitals."""
    import mne

    cap = mne.channels.make_standard_montage("easycap-M1")
    info = mne.create_info(cap.ch_names, 1.0, "eeg").set_montage(cap)
    return {channel["ch_name"].upper(): _direction(channel["loc"][:3]) for channel in info["chs"]}


def _direction(place: np.ndarray) -> np.ndarray:
    arm = place - np.array(CENTRE_M)
    return arm / np.linalg.norm(arm)


def bipolar(signal: SignalInfo, derivations: Sequence[str]) -> tuple[Tensor, str]:
    """Return the matrix (n_derivations, n_chans) of differences such as ``FP1-F7``.

    Raises
    ------
    DataError
        If an electrode of a derivation is not in the data set.
    """
    row = {_modern(channel["ch_name"]): i for i, channel in enumerate(signal.chs_info)}
    matrix = torch.zeros(len(derivations), signal.n_chans)
    for k, derivation in enumerate(derivations):
        plus, minus = (_modern(name) for name in derivation.split("-"))
        missing = [name for name in (plus, minus) if name not in row]
        if missing:
            raise DataError(
                f"The weights expect the derivation {derivation}",
                got=f"a data set without {' and '.join(missing)}",
                then="Choose weights for other channels, or train from scratch.",
            )
        matrix[k, row[plus]], matrix[k, row[minus]] = 1.0, -1.0
    return matrix, f"{len(derivations)} bipolar derivations ({', '.join(derivations[:2])}, ...)"


def _modern(name: str) -> str:
    return SYNONYMS.get(name.upper(), name.upper())


def check_hemispheres(signal: SignalInfo) -> str:
    """Say how braindecode splits the channels into hemispheres.

    Names that it would not pair are refused.

    Raises
    ------
    DataError
        If a left electrode has no right one. The network would then see every channel twice without a word.
    """
    from braindecode.datautil.channel_utils import division_channels_idx, match_hemisphere_chans

    left, right, middle = division_channels_idx([channel["ch_name"] for channel in signal.chs_info])
    try:
        pairs = match_hemisphere_chans(left, right)
    except (ValueError, IndexError) as error:
        raise _unpaired(str(error)) from error
    side = {channel["ch_name"]: channel["loc"][0] for channel in signal.chs_info}
    # BioSemi's A1 and A2 look like a pair and are not; positions tell, where there are any.
    crossed = [pair for pair in pairs if signal.has_positions and not side[pair[0]] < 0 < side[pair[1]]]
    if not pairs or crossed:
        raise _unpaired(f"{crossed[0][0]} and {crossed[0][1]} at their positions" if crossed else "no numbered names")
    return f"{len(pairs)} pairs left and right, {len(middle)} on the midline, by name"


def _unpaired(got: str) -> DataError:
    return DataError(
        "The channels cannot be paired left with right",
        got=got,
        expected="names of the 10-10 system",
        then="Rename the channels, or choose an encoder that needs no pairs.",
    )


@contextmanager
def position_bank(signal: SignalInfo) -> Iterator[None]:
    """Give REVE the data set's own electrode positions in place of the file that it would download.

    braindecode reads the file ``reve_positions.json`` in the folder that ``REVE_POSITIONS_PATH`` names.
    """
    key = "REVE_POSITIONS_PATH"
    before = os.environ.get(key)
    with tempfile.TemporaryDirectory() as folder:
        places = {c["ch_name"]: [float(x) for x in c["loc"][:3]] for c in signal.chs_info}
        (Path(folder) / "reve_positions.json").write_text(json.dumps(places), encoding="utf8")
        os.environ[key] = folder
        try:
            yield
        finally:
            os.environ.pop(key)
            if before is not None:
                os.environ[key] = before

"""Places the electrodes of the cap, and says which channels are none.

The cap is an Easycap M10 with the numbers of an actiCAP of 61 channels. MNE's montage ``easycap-M10`` has the same
places under *other numbers*: its 1 is the vertex, which is 33 here, and the mastoids 25 and 29, to which the authors
refer the EEG, lie elsewhere in it. The numbers here are those of the releases' own ``easycapM10-acti61_elec.sfp``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.core.errors import DataError

if TYPE_CHECKING:
    import mne

#: metres from the middle of the head, as in MNE's own caps
RADIUS_M = 0.095
#: degrees from the vertex, then degrees from the right ear to the nose, for electrodes in the order of their numbers
RINGS: tuple[tuple[float, tuple[float, ...]], ...] = (
    (23, (90, 30, -30, -90, -150, 150)),
    (68, (90, 66, 42, 18, -6, -30, -54, -78, -102, -126, -150, -174, 162, 138, 114)),
    (113, (35, 10, -15, -40, -65, -90, -115, -140, -165, 170, 145)),
    (0, (0,)),
    (45, (90, 66, 33, 0, -33, -66, -90, -114, -147, 180, 147, 114)),
    (90, (90, 68, 45, 22, 0, -22, -45, -68, -90, -112, -135, -158, 180, 158, 135, 112)),
)
#: the electrode that the amplifier refers all others to, and the mastoids
REFERENCE, MASTOIDS = "29", ("25", "29")
#: channels that are recorded as EEG, in the order of all files
ELECTRODES = tuple(str(n) for n in range(1, 62) if str(n) != REFERENCE)
#: what other channels are; the last two are the sound as the amplifier recorded it
OTHERS = {"VEOG": "eog", "AUD": "misc", "Aux5": "misc"}

#: references that a user may choose
REFERENCES = ("recorded", "mastoids")


def places() -> dict[str, np.ndarray]:
    """Return the place of each electrode in metres (right, front, up), by its number as text."""
    angles = [(down, around) for down, ring in RINGS for around in ring]
    down, around = np.radians(angles).T
    directions = np.stack([np.sin(down) * np.cos(around), np.sin(down) * np.sin(around), np.cos(down)], axis=1)
    return {str(number): RADIUS_M * place for number, place in enumerate(directions, start=1)}


def prepared(raw: mne.io.BaseRaw, source: str, reference: str) -> mne.io.BaseRaw:
    """Give the channels of a recording their types and places, and refer the EEG as a user chose.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        It is changed.
    source : str
        The file, for messages.
    reference : str
        ``"recorded"``, or ``"mastoids"``: the mean of both, as the authors have it. The electrode that was the
        reference then comes back as a channel, whose values are zeros before.

    Raises
    ------
    DataError
        If the file does not hold the 60 electrodes, or a channel that no recording has.
    """
    import mne

    lacking = [name for name in ELECTRODES if name not in raw.ch_names]
    unknown = [name for name in raw.ch_names if name not in ELECTRODES and name not in OTHERS]
    if lacking or unknown:
        raise DataError(
            f"{source} has other channels than the release",
            got="; ".join(f"{word} {', '.join(n)}" for word, n in (("lacks", lacking), ("has", unknown)) if n),
            expected=f"1 to 61 without {REFERENCE}, {', '.join(OTHERS)}",
            then="Download it again.",
        )
    kinds = dict.fromkeys(ELECTRODES, "eeg") | {name: kind for name, kind in OTHERS.items() if name in raw.ch_names}
    raw.set_channel_types(kinds, on_unit_change="ignore", verbose="ERROR")
    if reference == "mastoids":
        raw.load_data(verbose="ERROR").set_montage(None)
        raw.add_reference_channels(REFERENCE)
        raw.set_eeg_reference(list(MASTOIDS), verbose="ERROR")
    montage = mne.channels.make_dig_montage(places(), coord_frame="head")
    return raw.set_montage(montage, on_missing="ignore", verbose="ERROR")


def names(reference: str) -> tuple[str, ...]:
    """Return the names of the EEG channels that `prepared` leaves, in their order."""
    return (*ELECTRODES, REFERENCE) if reference == "mastoids" else ELECTRODES

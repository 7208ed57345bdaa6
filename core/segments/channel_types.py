"""Names the types of channels that record a brain, with their units and the values that they can have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Picks = Literal["eeg", "mag", "grad", "meg"]

#: MNE's kinds and units of channels (FIFFV_MEG_CH, FIFFV_EEG_CH, FIFF_UNIT_T_M)
MEG_KIND, EEG_KIND = 1, 2
TESLA_PER_METRE = 201


@dataclass(frozen=True)
class ChannelType:
    """A type of channel.

    Attributes
    ----------
    name : str
        MNE's: ``"eeg"``, ``"mag"`` or ``"grad"``.
    si_unit, si_sign : str
        In words and as a sign, as MNE holds the samples.
    unit : str
        In which they are stored: values near 1, so that 32 bits and pictures can hold them.
    per_si : float
        Units in an SI unit.
    typical, least, most : float
        Between the quartiles of a recorded channel, in the SI unit: what it typically has, and what it cannot have.
    possible : tuple of float
        The same in the unit itself, in any recording that was made well.
    """

    name: str
    si_unit: str
    si_sign: str
    unit: str
    per_si: float
    typical: float
    least: float
    most: float
    possible: tuple[float, float]


#: EEG of a scalp; magnetometers, and axial gradiometers, which give tesla as they do (KIT, CTF); planar gradiometers
CHANNEL_TYPES = {
    t.name: t
    for t in (
        ChannelType("eeg", "volts", "V", "microvolts", 1e6, 1e-5, 1e-9, 0.1, (0.1, 1000.0)),
        ChannelType("mag", "tesla", "T", "femtotesla", 1e15, 1e-12, 1e-15, 1e-7, (1.0, 1e6)),
        ChannelType("grad", "tesla per metre", "T/m", "fT/cm", 1e13, 1e-11, 1e-15, 1e-5, (1.0, 1e6)),
    )
}

#: CTF writes the number of its electronics behind a sensor's name: ``MLC11-2908``
_OF_CTF = re.compile(r"^([A-Z]{1,3}\d{1,3})-\d+$")

#: the types that each value of ``data.picks`` means
PICKED: dict[Picks, tuple[str, ...]] = {"eeg": ("eeg",), "mag": ("mag",), "grad": ("grad",), "meg": ("mag", "grad")}


def type_of(channel: Mapping[str, Any]) -> str:
    """Return the type of an MNE channel dictionary: ``"eeg"``, ``"mag"``, ``"grad"``, or ``"misc"`` for all others.

    One that does not say its kind is EEG.
    """
    if channel.get("kind") == MEG_KIND:
        return "grad" if channel.get("unit") == TESLA_PER_METRE else "mag"
    return "eeg" if channel.get("kind", EEG_KIND) == EEG_KIND else "misc"


def signal_name(picks: str) -> str:
    """Return what people call a recording of such channels: ``"EEG"``, or ``"MEG"`` of all other picks and types."""
    return "EEG" if picks == "eeg" else "MEG"


def sensor_name(name: str) -> str:
    """Return the name of an MEG sensor without what the electronics of the day add to it."""
    found = _OF_CTF.match(name)
    return found[1] if found else name

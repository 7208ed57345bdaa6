"""Reads what a user chose of the data set: ``FOLDER,listeners=clean,shifted=drop,reference=mastoids``."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path

from eeg2speech_bench.core.errors import UnknownNameError, UsageError
from eeg2speech_bench.datasets.brennan2019.electrodes import REFERENCES
from eeg2speech_bench.datasets.brennan2019.listeners import LISTS

#: what each option may be
CHOICES = {
    "listeners": tuple(LISTS),
    "shifted": ("repair", "drop"),
    "reference": REFERENCES,
    "bads": ("none", "authors"),
}
_OPTION = re.compile(r",([a-z]+)=([^,/\\]*)$")


@dataclass(frozen=True)
class Options:
    """Which recordings are used, and how.

    Attributes
    ----------
    listeners : str
        Name of a list, or numbers of listeners joined by ``+``: ``1+3+26``.
    shifted : str
        ``"repair"`` the recordings whose segments are labelled one too low, or ``"drop"`` them.
    reference : str
        ``"recorded"`` or ``"mastoids"``.
    bads : str
        Channels that are interpolated: ``"none"``, or those that the ``"authors"`` rejected.
    """

    listeners: str = "paper"
    shifted: str = "repair"
    reference: str = "recorded"
    bads: str = "none"

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices and not (name == "listeners" and re.fullmatch(r"\d+(\+\d+)*", value)):
                raise UnknownNameError(f"value of option {name} of data set 'brennan2019'", value, choices)

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of the listeners, as S01."""
        if self.listeners in LISTS:
            return LISTS[self.listeners]
        return tuple(f"S{number:02}" for number in sorted({int(text) for text in self.listeners.split("+")}))

    def __str__(self) -> str:
        return ",".join(f"{name}={value}" for name, value in asdict(self).items())


def read_argument(argument: str) -> tuple[Path, Options]:
    """Split an argument into the folder and the options behind it.

    Raises
    ------
    UsageError
        If there is no such option, or it has no such value.
    """
    given: dict[str, str] = {}
    while found := _OPTION.search(argument):
        name, value = found.groups()
        if name not in CHOICES:
            raise UnknownNameError("option of data set 'brennan2019'", name, CHOICES)
        given.setdefault(name, value)
        argument = argument[: found.start()]
    if not argument:
        raise UsageError("Data set 'brennan2019' needs a folder", then="Type --dataset brennan2019:FOLDER.")
    return Path(argument).expanduser(), Options(**given)

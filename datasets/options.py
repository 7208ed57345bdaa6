"""Splits what follows ``--dataset NAME:`` into a folder and options: ``FOLDER,feature=Envelope``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from eeg2speech_bench.core.errors import UnknownNameError, UsageError

_OPTION = re.compile(r",([a-z]+)=([^,/\\]*)$")


def split_argument(
    dataset: str, argument: str | None, choices: Mapping[str, tuple[str, ...]]
) -> tuple[Path, dict[str, str]]:
    """Split an argument into the folder and the options behind it.

    Parameters
    ----------
    dataset : str
        What users type, for messages.
    argument : str, optional
    choices : mapping of str to tuple of str
        The options, and the values that each may have; empty where any text will do.

    Raises
    ------
    UsageError
        If there is no folder, no such option, or it has no such value.
    """
    argument = argument or ""
    given: dict[str, str] = {}
    while found := _OPTION.search(argument):
        name, value = found.groups()
        if name not in choices:
            raise UnknownNameError(f"option of data set '{dataset}'", name, choices)
        if choices[name] and value not in choices[name]:
            raise UnknownNameError(f"value of option {name} of data set '{dataset}'", value, choices[name])
        given.setdefault(name, value)
        argument = argument[: found.start()]
    if not argument:
        raise UsageError(f"Data set '{dataset}' needs a folder", then=f"Type --dataset {dataset}:FOLDER.")
    return Path(argument).expanduser(), given

"""Chooses the listeners whose EEG is tested and never trained on."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.datasets.preparation.splits.zones import shuffled


def held_out_listeners(subjects: Collection[str], asked: int | Sequence[str]) -> tuple[str, ...]:
    """Return the names of the listeners to hold out, sorted.

    Parameters
    ----------
    subjects : collection of str
        All listeners.
    asked : int or sequence of str
        How many, chosen by a hash of their names, or which.

    Raises
    ------
    UsageError
        If one that was named does not exist, or nobody would be left to train on.
    """
    names = shuffled(sorted(subjects))[:asked] if isinstance(asked, int) else sorted(set(asked))
    n_asked = asked if isinstance(asked, int) else len(names)
    unknown = sorted(set(names) - set(subjects))
    if unknown or (n_asked and n_asked >= len(subjects)):
        raise UsageError(
            "Configuration key 'data.held_out_listeners' asks for listeners that cannot be held out",
            got=", ".join(unknown) if unknown else f"{n_asked} of {len(subjects)}",
            expected=f"some, but not all, of {', '.join(sorted(subjects)[:12])}",
            then="For example --set data.held_out_listeners=2, or --set 'data.held_out_listeners=[\"01\"]'.",
        )
    return tuple(sorted(names))

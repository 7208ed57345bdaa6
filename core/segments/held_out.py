"""Chooses the listeners whose EEG is tested and never trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

from eeg2speech_bench.core.errors import UsageError

#: what ``data.held_out_listeners`` may be: how many, a fold such as ``"1/3"``, or which
HeldOut = int | str | Sequence[str]


def held_out_listeners(subjects: Collection[str], asked: HeldOut) -> tuple[str, ...]:
    """Return the names of the listeners to hold out, sorted.

    Parameters
    ----------
    subjects : collection of str
        All listeners.
    asked : int, str or sequence of str
        How many; which fold, such as ``"2/3"`` for the second of three that share all listeners out; or which. The
        first two go by a hash of the names: the same everywhere, and unrelated to how a data set numbers its listeners.

    Raises
    ------
    UsageError
        If one that was named does not exist, there are fewer listeners than folds, or nobody would be left to train on.
    """
    drawn = sorted(subjects, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    if isinstance(asked, str):
        number, n_folds = map(int, asked.split("/"))
        names = drawn[number - 1 :: n_folds] if number <= n_folds else []
        wrong = "" if names else asked
    else:
        names = drawn[:asked] if isinstance(asked, int) else sorted(set(asked))
        wrong = ", ".join(sorted(set(names) - set(subjects)))
    n_asked = asked if isinstance(asked, int) else len(names)
    if wrong or (n_asked and n_asked >= len(subjects)):
        raise UsageError(
            "Configuration key 'data.held_out_listeners' asks for listeners that cannot be held out",
            got=wrong or f"{n_asked} of {len(subjects)}",
            expected=f"some, but not all, of {', '.join(sorted(subjects)[:12])}",
            then="For example --listeners held-out, --listeners 2/3, or --set 'data.held_out_listeners=[\"01\"]'.",
        )
    return tuple(sorted(names))

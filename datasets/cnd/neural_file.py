"""Reads the neural files of CND: ``dataSub1.mat`` with the trials of a listener."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.caps import BIOSEMI, cap_names
from eeg2speech_bench.datasets.joined_trials import joined
from eeg2speech_bench.datasets.matlab_files import listed, need_field, number, read_variable, text
from eeg2speech_bench.datasets.remembered_facts import Facts

if TYPE_CHECKING:
    import mne

WHAT = "a neural file of CND"
#: names of its variable: of the specification, and of the example that converts to it
VARIABLES = ("eeg", "neural")
#: metres from the middle of the head, as in MNE's own caps
RADIUS_M = 0.095


def neural_facts(path: Path) -> Facts:
    """Return what must be known of a neural file before its samples are used.

    Returns
    -------
    dict
        ``sfreq``, ``n_samples`` of each trial, ``padding`` (samples before the sound), ``names`` of the channels and
        ``notes``.

    Raises
    ------
    DataError
        If it is no such file, is not EEG, or its trials have different channels.
    """
    neural = read_variable(path, VARIABLES, WHAT)
    trials, sfreq = _trials(neural, path), _rate(neural, path)
    names, _, note = _channels(neural, trials[0].shape[1], path)
    padding = number(neural.get("paddingStartSample", 0.0))
    padding = 0.0 if np.isnan(padding) else padding
    notes = [note, "EEG is taken as microvolts, which CND does not say"]
    if padding:
        notes.append(f"each sound begins {padding:g} samples into its trial (paddingStartSample)")
    return {
        "sfreq": sfreq,
        "n_samples": [len(t) for t in trials],
        "padding": padding,
        "names": names,
        "notes": notes,
    }


def load_trials(path: Path) -> mne.io.RawArray:
    """Read the trials of a listener as one recording, in the order of the file; errors as in `neural_facts`."""
    neural = read_variable(path, VARIABLES, WHAT)
    trials = _trials(neural, path)
    names, places, _ = _channels(neural, trials[0].shape[1], path)
    return joined(trials, names, _rate(neural, path), places)


def _rate(neural: Any, path: Path) -> float:
    sfreq = number(need_field(neural, "fs", path, WHAT))
    if not sfreq > 0:
        raise DataError(f"{path} has no sampling rate", got=f"fs {sfreq:g}", expected="Hz", then="Download it again.")
    return sfreq


def _trials(neural: Any, path: Path) -> list[np.ndarray]:
    """Return the trials, each (n_times, n_chans)."""
    kind = text(neural.get("dataType", "")) if isinstance(neural, dict) else ""
    if kind and kind.upper() != "EEG":
        raise DataError(f"{path} holds no EEG", got=f"dataType '{kind}'", expected="'EEG'")
    cells = need_field(neural, "data", path, WHAT)
    trials = listed(cells)
    shapes = {t.shape[1] if isinstance(t, np.ndarray) and t.ndim == 2 else None for t in trials}
    is_row = not isinstance(cells, np.ndarray) or cells.dtype != object or min(cells.shape) == 1
    if not trials or len(shapes) != 1 or None in shapes or not is_row:
        raise DataError(
            f"The trials of {path} are not those of EEG",
            got=f"cells {getattr(cells, 'shape', '')} with {', '.join(map(str, shapes))} channels",
            expected="a row of trials, each samples by channels, of the same channels",
            then="Download it again.",
        )
    return trials


def _channels(neural: dict[str, Any], n_chans: int, path: Path) -> tuple[list[str], dict[str, np.ndarray] | str, str]:
    """Return names and places of the channels, and a note on where they are from."""
    located = neural.get("chanlocs")
    rows = [row for row in listed(located) if isinstance(row, dict)] if located is not None else []
    names = [text(row.get("labels", "")) for row in rows]
    if names and len(names) != n_chans:
        transposed = "; the trials may be channels by samples" if len(names) != n_chans else ""
        raise DataError(
            f"{path} names other channels than it holds",
            got=f"{n_chans} columns in a trial, {len(names)} in chanlocs{transposed}",
            expected="one place in chanlocs for each column",
            then="Download it again.",
        )
    if all(names) and len(set(names)) == n_chans:
        places = _places(rows, names)
        return names, places, f"electrode positions are those of chanlocs ({len(places)} of {n_chans})"
    if n_chans in BIOSEMI and "biosemi" in text(neural.get("deviceName", "")).lower():
        return (
            cap_names(BIOSEMI[n_chans]),
            BIOSEMI[n_chans],
            f"channels have no names: taken as those of {BIOSEMI[n_chans]}",
        )
    return [f"E{k + 1}" for k in range(n_chans)], {}, "channels have neither names nor positions"


def _places(rows: list[dict[str, Any]], names: list[str]) -> dict[str, np.ndarray]:
    """Return places in metres (right, front, up); EEGLAB's x points to the nose and its y to the left ear."""
    found = {}
    for row, name in zip(rows, names, strict=True):
        x, y, z = (number(row.get(axis)) for axis in "XYZ")
        if np.isfinite([x, y, z]).all() and np.linalg.norm([x, y, z]) > 0:
            found[name] = np.array([-y, x, z])
    if not found:
        return {}
    # the unit is not said: the middle of the head is the origin in all of EEGLAB's, so that directions are enough
    scale = RADIUS_M / float(np.median([np.linalg.norm(place) for place in found.values()]))
    return {name: scale * place for name, place in found.items()}

"""Reads the stimulus files of CND: ``dataStim.mat`` with features of what was heard in each trial."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Sound
from eeg2speech_bench.datasets.matlab_files import listed, need_field, number, numbers, read_variable, text
from eeg2speech_bench.datasets.remembered_facts import Facts

WHAT = "a stimulus file of CND"
#: what the name of a feature holds that is the envelope of a sound, and that of a condition without sound
ENVELOPE, IMAGINED = "envelope", "imag"


def stimulus_facts(path: Path, feature: str) -> Facts:
    """Return what must be known of a stimulus file: of each trial its envelope's id and length, and its condition.

    Parameters
    ----------
    path : Path
    feature : str
        Name of the feature, or empty for the one that is an envelope.

    Returns
    -------
    dict
        ``feature``, ``rate_hz``, and for each trial ``ids``, ``n_samples``, ``names`` and ``imagined``.

    Raises
    ------
    DataError
        If it is no such file, or has not exactly one such feature, of one column.
    """
    stim = read_variable(path, ("stim",), WHAT)
    name, envelopes = _envelopes(stim, path, feature)
    conditions = _conditions(stim, len(envelopes))
    indices = numbers(stim["stimIdxs"]) if "stimIdxs" in stim else []
    if len(indices) != len(envelopes):
        indices = [float(k + 1) for k in range(len(envelopes))]
    rate_hz = _rate(stim, path)
    return {
        "feature": name,
        "rate_hz": rate_hz,
        "ids": [_content_id(values, rate_hz) for values in envelopes],
        "n_samples": [len(values) for values in envelopes],
        "names": [f"stimulus {index:g} of {path.name}" for index in indices],
        "imagined": [IMAGINED in condition.lower() for condition in conditions],
    }


def load_envelope(path: Path, feature: str, trial: int) -> Sound:
    """Read the envelope of a trial, counted from 0."""
    rate_hz, envelopes = _read(path, feature)
    return Sound("envelope", envelopes[trial], rate_hz)


@lru_cache(maxsize=2)
def _read(path: Path, feature: str) -> tuple[float, tuple[np.ndarray, ...]]:
    stim = read_variable(path, ("stim",), WHAT)
    return _rate(stim, path), tuple(_envelopes(stim, path, feature)[1])


def _rate(stim: dict[str, Any], path: Path) -> float:
    rate_hz = number(need_field(stim, "fs", path, WHAT))
    if not rate_hz > 0:
        raise DataError(f"{path} has no sampling rate", got=f"fs {rate_hz:g}", expected="Hz", then="Download it again.")
    return rate_hz


def _envelopes(stim: Any, path: Path, feature: str) -> tuple[str, list[np.ndarray]]:
    """Return the name of the feature and its values in each trial, float32 (n_samples,)."""
    names = [text(name) for name in listed(need_field(stim, "names", path, WHAT))]
    wanted = feature.lower() if feature else ENVELOPE
    chosen = [k for k, name in enumerate(names) if wanted in name.lower()]
    chosen = chosen if len(chosen) == 1 else [k for k in chosen if names[k].lower() == wanted]
    if len(chosen) != 1:
        raise DataError(
            f"{path} has not one feature that is '{feature or ENVELOPE}'",
            got=", ".join(map(repr, names)),
            expected="one envelope",
            then="Choose one behind the folder: --dataset cnd:FOLDER,feature=NAME.",
        )
    (row,) = chosen
    values = [np.asarray(cell, dtype=np.float32) for cell in _row(need_field(stim, "data", path, WHAT), row, names)]
    wrong = next((v.shape for v in values if v.size != max(v.shape, default=0) or v.size == 0), None)
    if wrong is not None:
        raise DataError(
            f"Feature '{names[row]}' of {path} is no envelope",
            got=f"values of shape {wrong}",
            expected="one column",
            then="Choose another: --dataset cnd:FOLDER,feature=NAME.",
        )
    return names[row], [v.ravel() for v in values]


def _row(cells: Any, row: int, names: list[str]) -> list[Any]:
    """Return a row of the cells (features, trials); a single trial or feature may have lost its dimension."""
    if not isinstance(cells, np.ndarray) or cells.dtype != object:
        return [cells]
    if cells.shape[0] == len(names):
        return list(cells[row])
    return [cells.ravel("F")[row]] if cells.size == len(names) else list(cells.ravel("F"))


def _conditions(stim: dict[str, Any], n_trials: int) -> list[str]:
    """Return the name of each trial's condition, empty where the file does not say."""
    names = [text(name) for name in listed(stim.get("condNames", ""))]
    numbered = numbers(stim.get("condIdxs", []))
    if len(numbered) != n_trials or not all(1 <= k <= len(names) for k in numbered):
        return [""] * n_trials
    return [names[int(k) - 1] for k in numbered]


def _content_id(values: np.ndarray, rate_hz: float) -> str:
    digest = hashlib.sha256(f"{rate_hz:g}\0".encode())
    digest.update(np.ascontiguousarray(values, dtype="<f4").data)
    return digest.hexdigest()[:16]

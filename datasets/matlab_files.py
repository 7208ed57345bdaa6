"""Reads MATLAB files of versions 5 and 7.3 as plain values: structures, cells, texts, tables, arrays."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from eeg2speech_bench.core.errors import BenchError, DataError


def read_variables(path: Path, names: tuple[str, ...], what: str) -> dict[str, Any]:
    """Read variables of a MATLAB file, those of ``names`` that it holds.

    A structure is a dict (several: a list of them), a table a list of one dict per row, a cell array an array of
    objects of its own shape, text a str. Numbers keep the two dimensions that MATLAB gives them.

    Parameters
    ----------
    path : Path
    names : tuple of str
    what : str
        What the file is, for messages: "a neural file of CND".

    Raises
    ------
    DataError
        If the file cannot be read, or holds none of them.
    BenchError
        If mat-io is not installed.
    """
    try:
        matio = _matio()
    except ImportError as error:
        then = "Type: pip install 'eeg2speech-bench[matlab]'."
        raise BenchError(f"{path.name} is a MATLAB file, which needs mat-io", then=then) from error
    try:
        held = matio.load_from_mat(str(path), variable_names=list(names))
    except Exception as error:  # the readers below it raise whatever a broken file leads them to
        raise DataError(
            f"{path} cannot be read",
            got=f"{type(error).__name__}: {error}",
            expected=f"{what}, a MATLAB file",
            then="Download it again.",
        ) from error
    found = {name: _plain(held[name]) for name in names if name in held}
    if not found:
        raise DataError(
            f"{path} is not {what}",
            got=f"no variable {' or '.join(repr(n) for n in names)}",
            then="Give the folder of another data set, or download it again.",
        )
    return found


def _matio() -> ModuleType:
    """Import mat-io, and undo that it changes how pandas reads texts in the whole process."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = pd.options.future.infer_string
        import matio

        if pd.options.future.infer_string != before:
            pd.options.future.infer_string = before
    return matio


def read_variable(path: Path, names: tuple[str, ...], what: str) -> Any:
    """Read the first of some variables that a MATLAB file holds; values and errors as in `read_variables`."""
    return next(iter(read_variables(path, names, what).values()))


def need_field(structure: Any, name: str, path: Path, what: str) -> Any:
    """Return a field of a structure, or of one inside it (``"RawData.EegData"``); a `DataError` names what lacks."""
    value = structure
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            raise DataError(f"{path} is not {what}", got=f"no field {name}", then="Download it again.")
        value = value[part]
    return value


def listed(value: Any) -> list[Any]:
    """Return the items of a cell array, or of what stands for one of a single item."""
    if isinstance(value, np.ndarray) and value.dtype == object:
        return list(value.ravel("F"))
    return value if isinstance(value, list) else [value]


def number(value: Any) -> float:
    """Return a number that may lie in arrays or cells; NaN where there is none."""
    while isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    return float(value) if isinstance(value, (int, float, np.number)) else float("nan")


def numbers(value: Any) -> list[float]:
    """Return the numbers of an array or a cell array; empty where there are none."""
    items = listed(value)
    if len(items) == 1 and isinstance(items[0], np.ndarray):
        items = list(items[0].ravel("F"))
    return [number(item) for item in items]


def text(value: Any) -> str:
    """Return a text that may lie in a cell; empty where there is none."""
    while isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    return value.strip() if isinstance(value, str) else ""


def _plain(value: Any) -> Any:
    if hasattr(value, "to_dict") and hasattr(value, "columns"):  # a table is read as a data frame
        return [{str(k): _plain(v) for k, v in row.items()} for row in value.to_dict("records")]
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.names is not None:
        rows = [{name: _plain(row[name]) for name in value.dtype.names} for row in value.ravel("F")]
        return rows[0] if len(rows) == 1 else rows
    if value.dtype == object:
        cells = np.empty(value.shape, dtype=object)
        for place in np.ndindex(value.shape):
            cells[place] = _plain(value[place])
        return cells
    if value.dtype.kind == "U" and value.size <= 1:
        return str(value.item()) if value.size else ""
    return value

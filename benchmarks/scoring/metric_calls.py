"""Calls metrics so that one that fails, or returns something else than it promised, costs itself alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from eeg2speech_bench.core.errors import ContractError, InterruptedRun
from eeg2speech_bench.core.registry.failures import plain, reason_of
from eeg2speech_bench.core.specs import MetricSpec


@contextmanager
def skipping(metric: MetricSpec, skipped: dict[str, str]) -> Iterator[None]:
    """Note in ``skipped`` why a metric failed, instead of raising.

    A stop by the user and a lack of memory end the cell as everywhere.
    """
    try:
        yield
    except (InterruptedRun, MemoryError):
        raise
    except SystemExit as stop:
        skipped[metric.name] = plain(f"it failed: sys.exit({stop.code!r}) was called")
    except Exception as error:  # a plugin's function can raise anything
        said = plain(str(error)) if isinstance(error, ContractError) else reason_of(error)
        skipped[metric.name] = f"it failed: {said}"


def segment_values(returned: object, n: int) -> np.ndarray:
    """Return what a metric of segments returned as an array of float (n,).

    Raises
    ------
    ContractError
        If it is not one number per segment.
    """
    values = np.asarray(returned)
    if values.shape != (n,) or values.dtype.kind not in "biuf":
        raise ContractError(
            "The metric returned something else than one number per segment",
            got=f"{type(returned).__name__} of shape {values.shape}",
            expected=f"({n},)",
        )
    return values.astype(np.float64)


def set_value(returned: object) -> float:
    """Return what a metric of a set returned as a float.

    Raises
    ------
    ContractError
        If it is not one number.
    """
    value = np.asarray(returned)
    if value.shape != () or value.dtype.kind not in "biuf":
        raise ContractError(
            "The metric returned something else than one number",
            got=f"{type(returned).__name__} of shape {value.shape}",
        )
    return float(value)

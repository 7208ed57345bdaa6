"""Keeps fitted estimators as bytes of skops, a format without pickle that runs no code when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eeg2speech_bench.core.errors import ContractError, DataError

#: libraries whose classes may stand in the state of an estimator, beside what skops trusts and the estimator's own
TRUSTED = frozenset({"sklearn"})


def keep(estimators: Mapping[int, Any]) -> Tensor:
    """Return fitted estimators as a tensor of bytes; empty if there are none.

    Raises
    ------
    ContractError
        If an estimator holds something that only pickle could keep.
    """
    if not estimators:
        return torch.empty(0, dtype=torch.uint8)
    from skops.io import dumps

    try:
        content = dumps({str(row): estimator for row, estimator in estimators.items()})
    except Exception as error:  # an estimator can hold anything
        raise ContractError(
            f"A fitted {type(next(iter(estimators.values()))).__name__} cannot be kept",
            got=f"{type(error).__name__}: {error}",
            expected="an estimator that skops.io.dumps can write",
            then="Weights are stored without pickle; choose an estimator whose state is numbers, lists and arrays.",
        ) from error
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy())


def restore(state: Tensor, libraries: set[str]) -> dict[int, Any]:
    """Return the estimators that `keep` wrote.

    Parameters
    ----------
    state : Tensor of uint8
    libraries : set of str
        Top-level modules whose classes may stand in it, beside those of `TRUSTED`.

    Raises
    ------
    DataError
        If it is damaged, or names a class of another library: nothing of it is run.
    """
    if not len(state):
        return {}
    from skops.io import get_untrusted_types, loads

    content = state.cpu().numpy().tobytes()
    try:
        named = get_untrusted_types(data=content)
        strange = [name for name in named if name.partition(".")[0] not in TRUSTED | libraries]
        if not strange:
            return {int(row): estimator for row, estimator in loads(content, trusted=named).items()}
    except Exception as error:
        raise DataError("The state of an estimator cannot be read", got=f"{type(error).__name__}: {error}") from error
    raise DataError(
        "The state of an estimator names code that does not belong to it",
        got=", ".join(strange),
        expected=f"classes of {', '.join(sorted(TRUSTED | libraries))}",
        then="Take the model from who trained it.",
    )

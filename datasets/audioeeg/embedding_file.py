"""Reads an embedding of EEG that ``torch.save`` wrote, and runs no code from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eeg2speech_bench.core.errors import DataError


def read_embedding(path: Path, shape: tuple[int, int] | None = None) -> np.ndarray:
    """Read an embedding.

    Parameters
    ----------
    path : Path
        A tensor (n_dims, n_frames) or (1, n_dims, n_frames).
    shape : tuple of int, optional
        What it must have.

    Returns
    -------
    array of float32, shape (n_frames, n_dims)

    Raises
    ------
    DataError
        If it cannot be read, is no such tensor, has another shape, or holds NaN or infinity.
    """
    import torch

    from eeg2speech_bench.core.weights.pickled_values import read_pickle

    try:
        value = read_pickle(path)
    except DataError:
        raise
    except Exception as error:  # a corrupt pickle can raise anything
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"Embedding {path} cannot be read", got=said, then="Download it again.") from error
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        raise DataError(f"{path} holds no embedding", got=type(value).__name__, expected="a tensor of numbers")
    found = tuple(value.shape)
    if value.ndim == 3 and found[0] == 1:
        value = value[0]
    wanted = shape or (tuple(value.shape) if value.ndim == 2 and value.numel() else None)
    if tuple(value.shape) != wanted:
        expected = f"{shape} or (1, {shape[0]}, {shape[1]}), as the others" if shape else "(n_dims, n_frames)"
        raise DataError(f"Embedding {path} has another shape", got=found, expected=expected)
    values = value.detach().float().numpy().T
    if not np.isfinite(values).all():
        raise DataError(f"Embedding {path} holds values that are not finite", got="NaN or infinity")
    return values

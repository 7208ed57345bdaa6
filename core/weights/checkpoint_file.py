"""Reads the tensors in files of weights, and runs no code from them."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.weights.location import first_line, locate_weights
from eeg2speech_bench.core.weights.pickled_values import read_pickle

State = dict[str, Tensor]

#: entries under which trainers store the weights; their averages (ema, current_model_state) have other names
OUTER_KEYS = ("state_dict", "model_state_dict", "model_state", "model", "module", "generator", "network", "net")
#: what lies in the place of a large file when git fetched the folder without its extension
_GIT_LFS = b"version https://git-lfs"


def read_checkpoint(source: Path | str, subfolder: str = "") -> State:
    """Read the weights in a file, in a folder, or in a repository of the Hugging Face Hub.

    Parameters
    ----------
    source : Path or str
        A safetensors file; what ``torch.save`` wrote, which is a state dict or one under `OUTER_KEYS`; a folder or a
        repository as `locate_weights` finds it, also with weights in several parts.
    subfolder : str
        Where in a repository the files lie.

    Returns
    -------
    dict of str to Tensor
        On the CPU, without the ``_orig_mod.`` that torch.compile puts into names. Half precision became float32.

    Raises
    ------
    UsageError
        If there is no such file or folder and the text does not name a repository.
    DataError
        If the hub cannot be reached, or a file is corrupt, holds values that are not read, or holds no tensor.
    """
    state: State = {}
    for path in locate_weights(str(source), subfolder):
        state |= _read_file(path)
    return state


def _read_file(path: Path) -> State:
    with path.open("rb") as file:
        if file.read(len(_GIT_LFS)) == _GIT_LFS:
            raise _unreadable(path, "a pointer of Git LFS", "Type: git lfs pull.")
    try:
        content: object = load_file(path) if path.suffix == ".safetensors" else read_pickle(path)
    except DataError:
        raise
    except Exception as error:  # a corrupt pickle can raise anything
        raise _unreadable(path, first_line(error)) from error
    state = _innermost(path, content)
    if not state:
        entries = f": {', '.join(map(str, list(content)[:5]))}" if isinstance(content, dict) and content else ""
        raise _unreadable(path, f"no tensors in it{entries}")
    return state


def _innermost(path: Path, content: object) -> State:
    """Return the state dict, however deep trainers put it."""
    if not isinstance(content, dict):
        return {}
    nested = [key for key in OUTER_KEYS if isinstance(content.get(key), dict) and _innermost(path, content[key])]
    if len(nested) > 1:
        raise _unreadable(path, f"weights in {' and in '.join(nested)}", "Store one of them alone by torch.save.")
    if nested:
        return _innermost(path, content[nested[0]])
    return {str(k).replace("_orig_mod.", ""): _full(v) for k, v in content.items() if isinstance(v, Tensor)}


def _full(value: Tensor) -> Tensor:
    half = value.dtype in (torch.float16, torch.bfloat16)
    return value.detach().float() if half else value.detach()


def _unreadable(path: Path, why: str, then: str = "Check the path, or download the file again.") -> DataError:
    return DataError(
        f"Checkpoint {path} cannot be read",
        got=why,
        expected="a safetensors file or a torch checkpoint of tensors only",
        then=then,
    )

"""Reads trained weights from a file, a folder or the Hugging Face Hub, and runs no code from them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from eeg2speech_bench.core.errors import BenchError, DataError, UsageError

State = dict[str, Tensor]

#: file names of weights in a folder or a repository, in the order in which they are tried
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
#: what a name ends with that is meant as a file, although it could be a repository
SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")
#: entries under which trainers store the weights
OUTER_KEYS = ("state_dict", "generator")
#: a repository of the hub
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


class MissingFileError(DataError):
    """A repository of the hub does not have a file."""


def read_checkpoint(source: Path | str) -> State:
    """Read the weights in a file, in a folder, or in a repository of the Hugging Face Hub.

    Parameters
    ----------
    source : Path or str
        A safetensors file; what ``torch.save`` wrote, which is a state dict or one under ``state_dict`` or
        ``generator``; a folder with `WEIGHT_FILES`; or ``owner/name``, ``owner/name:file``, either pinned by
        ``@revision``.

    Returns
    -------
    dict of str to Tensor
        On the CPU, without the ``_orig_mod.`` that torch.compile puts into names.

    Raises
    ------
    UsageError
        If there is no such file or folder and the text does not name a repository.
    DataError
        If the hub cannot be reached, or the file is corrupt, holds other things than tensors, or holds no tensor.
    """
    return _read_file(_locate(str(source)))


def read_config(source: Path | str) -> dict[str, Any]:
    """Read the ``config.json`` beside the weights of a folder or a repository; empty where there is none.

    Raises
    ------
    DataError
        If the hub cannot be reached.
    """
    path = Path(source).expanduser()
    if path.exists():
        config = path / "config.json"
    else:
        try:
            config = _download(str(source), ("config.json",))
        except MissingFileError:
            return {}
    return json.loads(config.read_text(encoding="utf8")) if config.is_file() else {}


def load_pretrained(kind: Any, source: str, *, what: str, option: str, **arguments: Any) -> Any:
    """Load a network, a configuration or a tokenizer in the format of transformers.

    Parameters
    ----------
    kind : type
        A class with ``from_pretrained``.
    source : str
        A local folder, or a hub id, pinned if it ends in ``@revision``.
    what : str
        What error messages call it.
    option : str
        The setting that named the source.
    **arguments
        For ``from_pretrained``.

    Raises
    ------
    BenchError
        If it can neither be downloaded nor found in a folder.
    """
    name, revision = split_revision(source)
    try:
        return kind.from_pretrained(name, revision=revision or "main", **arguments)
    except (OSError, ValueError, RuntimeError) as error:
        raise BenchError(
            f"{what} cannot be loaded",
            got=f"'{source}' ({_first_line(error)})",
            expected="a Hugging Face id that can be downloaded, or a local folder with its files",
            then=f"Download it where there is a network and set {option} to that folder.",
        ) from error


def split_revision(source: str) -> tuple[str, str | None]:
    """Split ``"name@revision"`` into both; a local path is taken whole."""
    path = Path(source).expanduser()
    if path.exists():
        return str(path), None
    name, _, revision = source.partition("@")
    return name, revision or None


def _locate(source: str) -> Path:
    """Return the local file of the weights, after a download where they lie on the hub."""
    path = Path(source).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        found = next((path / name for name in WEIGHT_FILES if (path / name).is_file()), None)
        if found is None:
            raise DataError(f"Folder {path} holds no weights", expected=" or ".join(WEIGHT_FILES))
        return found
    name, _ = split_revision(source)
    repository, _, file = name.partition(":")
    if REPOSITORY.fullmatch(repository) and not repository.endswith(SUFFIXES):
        return _download(source, (file,) if file else WEIGHT_FILES)
    raise UsageError(
        "Weights were not found",
        got=repr(source),
        expected=f"a file ({', '.join(SUFFIXES)}), a folder with {' or '.join(WEIGHT_FILES)}, or owner/name on the hub",
        then="Check the path.",
    )


def _download(source: str, files: Sequence[str]) -> Path:
    """Fetch the first of some files that a repository has."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    name, revision = split_revision(source)
    repository, absent = name.partition(":")[0], None
    try:
        for file in files:
            try:
                return Path(hf_hub_download(repository, file, revision=revision))
            except LocalEntryNotFoundError:  # no network: whether the repository has the file is unknown
                raise
            except EntryNotFoundError as error:
                absent = error
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise DataError(
            f"Weights {source} could not be fetched from the hub",
            got=_first_line(error),
            then="Download the repository elsewhere and give its folder.",
        ) from error
    raise MissingFileError(f"Repository {repository} lacks a file", expected=" or ".join(files)) from absent


def _read_file(path: Path) -> State:
    try:
        content: object = load_file(path) if path.suffix == ".safetensors" else _load_tensors(path)
    except Exception as error:  # a corrupt pickle can raise anything
        raise _unreadable(path, _first_line(error)) from error
    for key in OUTER_KEYS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    tensors = content.items() if isinstance(content, dict) else ()
    state = {str(k).replace("_orig_mod.", ""): v for k, v in tensors if isinstance(v, Tensor)}
    if not state:
        raise _unreadable(path, "no tensors in it")
    return state


def _load_tensors(path: Path) -> object:
    # Trainers note scores beside the weights as NumPy numbers, which torch does not count as safe by itself.
    scalar: Any = np.float64().__reduce__()[0]
    numbers: list[Any] = [scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype, type(np.dtype(np.float64))]
    with torch.serialization.safe_globals(numbers):
        return torch.load(path, "cpu", weights_only=True)


def _unreadable(path: Path, why: str) -> DataError:
    return DataError(
        f"Checkpoint {path} cannot be read",
        got=why,
        expected="a safetensors file or a torch checkpoint of tensors only",
        then="Check the path, or download the file again.",
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)

"""Checkpoints of braindecode models: found on disk or on the hub, loaded strictly except for the head."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from eeg2speech_bench.core.errors import DataError, UsageError

#: file names of weights in a folder or a repository, in the order in which they are tried
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
#: what a name ends with that is meant as a file, although it could be a repository
SUFFIXES = (".pt", ".pth", ".bin", ".safetensors")
#: the part of a braindecode model that turns features into outputs
HEAD = "final_layer"


@dataclass(frozen=True)
class Checkpoint:
    """Weights with braindecode's configuration of their network, empty where there is none.

    Attributes
    ----------
    source : str
        File, folder or repository, as the user named it.
    """

    source: str
    state: Mapping[str, Tensor]
    config: Mapping[str, Any] = field(default_factory=dict)


def read_checkpoint(source: str) -> Checkpoint:
    """Read weights from a file, from a folder, or from the Hugging Face Hub (``owner/name`` or ``owner/name:file``).

    Files are safetensors, or PyTorch's own with nothing but tensors in them.

    Raises
    ------
    UsageError
        If there is no such file or folder and the text is not the name of a repository.
    DataError
        If the file cannot be read, or the hub cannot be reached.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return Checkpoint(source, _read_state(_weight_file(path)), _read_config(path / "config.json"))
    if path.is_file():
        return Checkpoint(source, _read_state(path))
    if re.fullmatch(r"[\w.-]+/[\w.-]+(:[\w.-]+)?", source) and path.suffix not in SUFFIXES:
        return _from_hub(source)
    raise UsageError(
        "Weights were not found",
        got=repr(source),
        expected="a .pt, .bin or .safetensors file, a folder with model.safetensors, or owner/name on the hub",
    )


def _weight_file(folder: Path) -> Path:
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"Folder {folder} holds no weights", expected=" or ".join(WEIGHT_FILES))


def _read_config(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf8")) if path.is_file() else {}


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, SafetensorError, pickle.UnpicklingError) as error:
        found = str(error).splitlines() or ["an empty file"]
        raise DataError(f"Weights {path} cannot be read", got=found[0]) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError(f"File {path} is not a state dictionary", expected="names and tensors, nothing else")
    return state


def _from_hub(source: str) -> Checkpoint:
    """Download through the same library and from the same repositories as braindecode's ``from_pretrained``.

    That method itself loads without checking: a layer whose name differs would keep its random values.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    repository, _, name = source.partition(":")
    try:
        weights = _first_file(repository, (name,) if name else WEIGHT_FILES)
        try:
            config = _read_config(Path(hf_hub_download(repository, "config.json")))
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            config = {}
    except (OSError, ValueError, EntryNotFoundError, HfHubHTTPError) as error:
        raise DataError(
            f"Weights {source} could not be fetched from the hub",
            got=str(error).splitlines()[0],
            then="Download the repository elsewhere and give its folder.",
        ) from error
    return Checkpoint(source, _read_state(weights), config)


def _first_file(repository: str, names: Sequence[str]) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    for name in names[:-1]:
        try:
            return Path(hf_hub_download(repository, name))
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            continue
    return Path(hf_hub_download(repository, names[-1]))


def load_backbone(
    network: nn.Module, checkpoint: Checkpoint, *, new: Sequence[str] = (), first_rows: Sequence[str] = ()
) -> str:
    """Load all of a checkpoint but its head into ``network`` and say what was loaded.

    Parameters
    ----------
    network : nn.Module
        A braindecode model.
    checkpoint : Checkpoint
    new : sequence of str
        Layers beside the head that keep their random values where the checkpoint has none of the same shape.
    first_rows : sequence of str
        Parameters (1, n, width) of which the first rows are taken when the network has fewer.

    Raises
    ------
    DataError
        If any other tensor is missing, superfluous or of another shape.
    """
    own = network.state_dict()
    state = _renamed(network, checkpoint.state)
    notes = [_cut_rows(state, own, name) for name in first_rows]
    anew = [HEAD, *(name for name in new if _differs(state, own, name))]
    backbone = {key: value for key, value in state.items() if not key.startswith(tuple(anew))}
    try:
        result = network.load_state_dict(backbone, strict=False)
    except RuntimeError as error:
        raise _unfit(checkpoint, "; ".join(line.strip() for line in str(error).splitlines()[1:4])) from error
    missing = [key for key in result.missing_keys if not key.startswith(tuple(anew))]
    if missing or result.unexpected_keys or not backbone:
        raise _unfit(checkpoint, f"missing {missing[:3]}, unknown {result.unexpected_keys[:3]}")
    said = f"{len(backbone)} tensors of {checkpoint.source}; new: {', '.join(anew)}"
    return "; ".join([said, *filter(None, notes)])


def _renamed(network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # braindecode renames keys of old checkpoints inside load_state_dict; the head must be known before.
    mapping = getattr(network, "mapping", None) or {}
    bare = {key.removeprefix("module."): value for key, value in state.items()}
    return {mapping.get(key, key): value for key, value in bare.items()}


def _cut_rows(state: dict[str, Tensor], own: Mapping[str, Tensor], name: str) -> str:
    if name not in state or state[name].shape[1] <= own[name].shape[1]:
        return ""
    n_all, n_used = state[name].shape[1], own[name].shape[1]
    state[name] = state[name][:, :n_used]
    return f"first {n_used} of {n_all} rows of {name}"


def _differs(state: Mapping[str, Tensor], own: Mapping[str, Tensor], prefix: str) -> bool:
    keys = [key for key in own if key.startswith(prefix)]
    return any(key not in state or state[key].shape != own[key].shape for key in keys)


def _unfit(checkpoint: Checkpoint, got: str) -> DataError:
    return DataError(
        f"Weights {checkpoint.source} do not fit this network",
        got=got,
        expected="every tensor but the head's",
        then="Set the encoder's options to those of the checkpoint, or train from scratch.",
    )

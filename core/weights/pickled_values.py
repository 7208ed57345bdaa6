"""Reads what ``torch.save`` wrote, with tensors, and with values beside them that are passed over."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from eeg2speech_bench.core.errors import DataError

_NUMPY = ("bool_", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "str_")
_PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path", "PurePath")
_NODES = ("Any", "Boolean", "Bytes", "Enum", "Float", "Integer", "InterpolationResult", "Path", "String", "Union")
#: types of settings, scores and dates that trainers store beside the weights; none of them is imported or made
VALUE_TYPES = (
    *(f"pathlib.{name}" for name in _PATHS),
    *(f"pathlib._local.{name}" for name in _PATHS),  # Python 3.13 wrote it
    *(f"numpy.{name}" for name in ("dtype", "ndarray", *_NUMPY)),
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *(f"datetime.{name}" for name in ("date", "datetime", "time", "timedelta", "timezone")),
    *(f"builtins.{name}" for name in ("bool", "bytes", "complex", "dict", "float", "int", "list")),
    *(f"builtins.{name}" for name in ("frozenset", "object", "range", "slice", "str", "tuple", "type")),
    *("argparse.Namespace", "types.SimpleNamespace", "decimal.Decimal", "fractions.Fraction", "uuid.UUID"),
    *("typing.Any", "typing.Union", "typing.Dict", "typing.List", "typing.Optional", "operator.getitem"),
    *("omegaconf.dictconfig.DictConfig", "omegaconf.listconfig.ListConfig", "omegaconf.base.SCMode"),
    *(f"omegaconf.base.{name}" for name in ("ContainerMetadata", "Metadata", "UnionNode")),
    *(f"omegaconf.nodes.{kind}Node" for kind in _NODES),
    *("torch.torch_version.TorchVersion", "torch.Generator"),
    # Lightning 1 named the state of a callback by its class
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
)
#: dictionaries and lists of other types, read as plain ones
DICT_TYPES = (
    "collections.defaultdict",
    "easydict.EasyDict",
    "lightning.fabric.utilities.data.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "pytorch_lightning.utilities.parsing.AttributeDict",
)
LIST_TYPES = ("collections.deque",)


class PassedOver:
    """Stands in for a value beside the weights, and keeps nothing of it."""

    def __new__(cls, *arguments: object, **options: object) -> PassedOver:
        """Accept whatever the value is made of."""
        return super().__new__(cls)

    def __init__(self, *arguments: object, **options: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


class PlainDict:
    """Makes an empty dictionary, whatever the stored one was made with."""

    def __new__(cls, *arguments: object) -> Any:
        """Return the dictionary."""
        return {}


class PlainList:
    """Makes an empty list, whatever the stored one was made with."""

    def __new__(cls, *arguments: object) -> Any:
        """Return the list."""
        return []


def read_pickle(path: Path) -> object:
    """Read a file of ``torch.save`` without running any code of it.

    Tensors, numbers, texts, dictionaries and lists come back; of values of `VALUE_TYPES` nothing does.

    Raises
    ------
    DataError
        If the file holds a value of another type; the message names it.
    Exception
        Of many kinds, if the file is corrupt.
    """
    standins: list[Any] = [(PassedOver, name) for name in VALUE_TYPES]
    standins += [(PlainDict, name) for name in DICT_TYPES] + [(PlainList, name) for name in LIST_TYPES]
    with torch.serialization.safe_globals(standins):
        try:
            return torch.load(path, "cpu", weights_only=True)
        except Exception as error:
            refused = _refused_types(path, str(error))
            if refused:
                raise _refused_error(path, refused) from error
            raise


def _refused_types(path: Path, message: str) -> list[str]:
    """Name the types in a file that may not be read."""
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(str(path)))
    except Exception:  # files of old versions of torch and cut files cannot be searched
        return re.findall(r"Unsupported global: GLOBAL (\S+)", message)


def _refused_error(path: Path, refused: list[str]) -> DataError:
    shown = ", ".join(refused[:3]) + (", ..." if len(refused) > 3 else "")
    return DataError(
        f"Checkpoint {path} cannot be read, since it holds more than weights",
        got=f"values of type {shown}",
        expected="tensors only, or with settings of plain types beside them",
        then="If you trust the file, store its weights alone with two lines of Python:\n"
        f"  import torch; whole = torch.load({str(path)!r}, 'cpu', weights_only=False)\n"
        f"  torch.save(whole['state_dict'], {str(path.with_name(path.stem + '-weights.pt'))!r})\n"
        "(where it holds a module and no dictionary: whole.state_dict())",
    )

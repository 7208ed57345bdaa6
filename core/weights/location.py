"""Finds the files that hold a network's weights: a file, a folder or a repository of the Hugging Face Hub."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eeg2speech_bench.core.errors import DataError, UsageError

#: names of weights in a folder or a repository, in the order in which they are tried; `INDEX` after one of them lists
#: the files into which large weights were split
WEIGHT_FILES = (
    "model.safetensors",
    "pytorch_model.bin",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.bin",
)
INDEX = ".index.json"
#: what a name ends with that is meant as a file, although it could be a repository
SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")
#: what trainers put beside the weights under such a name
TRAINER_FILES = re.compile(r"(optimizer|scheduler|scaler|training_args|rng_state.*)\.\w+")
#: a repository of the hub
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


class MissingFileError(DataError):
    """A repository of the hub does not have a file."""


def locate_weights(source: str, subfolder: str = "") -> list[Path]:
    """Return the local files that hold the weights, after a download where they lie on the hub.

    Parameters
    ----------
    source : str
        A file; a folder with one of `WEIGHT_FILES`, or with one file of weights under any name; or ``owner/name``,
        ``owner/name:file``, either pinned by ``@revision``.
    subfolder : str
        Where in a repository the files lie.

    Returns
    -------
    list of Path
        One file, or all parts of weights that were split.

    Raises
    ------
    UsageError
        If there is no such file or folder and the text does not name a repository.
    DataError
        If the hub cannot be reached, or a folder or a repository lacks the weights or some of them.
    """
    path = Path(source).expanduser()
    if path.name.endswith(INDEX):
        raise UsageError(f"{source} only lists weights", expected="their folder", then=f"Give {path.parent}.")
    if path.is_file():
        return [path]
    if path.is_dir():
        first = _in_folder(path)
        return _parts(first, [path / name for name in _names(first)])
    name, _ = split_revision(source)
    repository, _, file = name.partition(":")
    if not REPOSITORY.fullmatch(repository) or repository.endswith(SUFFIXES):
        raise _not_found_error(source)
    files = (file,) if file else tuple(name + end for name in WEIGHT_FILES for end in ("", INDEX))
    first = download(source, files, subfolder)
    return [download(source, (part,), subfolder) for part in _names(first)] or [first]


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
            config = download(str(source), ("config.json",))
        except MissingFileError:
            return {}
    return json.loads(config.read_text(encoding="utf8")) if config.is_file() else {}


def revision_of(paths: Sequence[Path]) -> str:
    """Return what pins weights: the commit of a repository, or the start of the SHA-256 of local files.

    Parameters
    ----------
    paths : sequence of Path
        As `locate_weights` returns them.
    """
    parts = paths[0].absolute().parts
    if "snapshots" in parts[:-1]:  # the hub's cache: models--OWNER--NAME/snapshots/COMMIT/...
        return parts[parts.index("snapshots") + 1]
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256:{digest.hexdigest()[:12]}"


def stated_data(source: str) -> str:
    """Return the data sets that the model card beside weights says they were trained on; empty if it names none."""
    from huggingface_hub import metadata_load

    path = Path(source).expanduser()
    try:
        card = path / "README.md" if path.exists() else download(source, ("README.md",))
        stated = (metadata_load(card) or {}).get("datasets", []) if card.is_file() else []
    except Exception:  # no card, or one that is none: nothing is stated
        return ""
    return ", ".join(map(str, stated if isinstance(stated, list) else [stated]))


def split_revision(source: str) -> tuple[str, str | None]:
    """Split ``"name@revision"`` into both; a local path is taken whole."""
    path = Path(source).expanduser()
    if path.exists():
        return str(path), None
    name, _, revision = source.partition("@")
    return name, revision or None


def download(source: str, files: Sequence[str], subfolder: str = "") -> Path:
    """Fetch the first of some files that a repository has.

    Raises
    ------
    MissingFileError
        If the repository has none of them.
    DataError
        If it cannot be asked.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    name, revision = split_revision(source)
    repository, absent, unknown = name.partition(":")[0], None, None
    for file in files:
        try:
            return Path(hf_hub_download(repository, file, revision=revision, subfolder=subfolder or None))
        except LocalEntryNotFoundError as error:  # no network: another of the files may be in the cache
            unknown = error
        except EntryNotFoundError as error:
            absent = error
        except (OSError, ValueError, HfHubHTTPError) as error:
            raise _unreachable_error(source, error) from error
    if unknown:
        raise _unreachable_error(source, unknown) from unknown
    raise MissingFileError(f"Repository {repository} lacks a file", expected=" or ".join(files)) from absent


def first_line(error: Exception) -> str:
    """Return the first line of an error's text without terminal codes; its type where it has no text."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    return next(iter(plain.splitlines()), type(error).__name__)


def _in_folder(folder: Path) -> Path:
    """Return the file of the weights, or the list of their parts."""
    for name in WEIGHT_FILES:
        for path in (folder / name, folder / (name + INDEX)):
            if path.is_file():
                return path
    others = [p for p in sorted(folder.iterdir()) if p.suffix in SUFFIXES and not TRAINER_FILES.fullmatch(p.name)]
    if len(others) == 1:
        return others[0]
    if others:
        raise DataError(
            f"Folder {folder} holds several files of weights",
            got=", ".join(path.name for path in others[:3]) + (", ..." if len(others) > 3 else ""),
            expected=f"{WEIGHT_FILES[0]}, with a list {WEIGHT_FILES[0]}{INDEX} if it was split",
            then="Give one of the files, or leave only the right one in the folder.",
        )
    inner = sorted({path.parent.name for name in WEIGHT_FILES for path in folder.glob(f"*/{name}*")})
    raise DataError(
        f"Folder {folder} holds no weights",
        expected=" or ".join(WEIGHT_FILES),
        then=f"Give one of its folders: {', '.join(inner)}." if inner else "Check the path.",
    )


def _names(path: Path) -> list[str]:
    """Return the parts that an index lists; none of a file of weights."""
    if not path.name.endswith(INDEX):
        return []
    try:
        names = sorted(set(json.loads(path.read_text(encoding="utf8"))["weight_map"].values()))
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise DataError(f"{path} does not list the parts of the weights", got=first_line(error)) from error
    if not names or any(Path(name).name != name for name in names):  # a path could lead out of the folder
        raise DataError(f"{path} does not list the parts of the weights", got=names[:3], expected="names of files")
    return names


def _parts(first: Path, parts: list[Path]) -> list[Path]:
    absent = [part.name for part in parts if not part.is_file()]
    if absent:
        raise DataError(
            f"Weights in {first.parent} lack a part",
            got=f"no {absent[0]}",
            expected=f"all {len(parts)} files of {first.name}",
            then="Download the rest of the folder.",
        )
    return parts or [first]


def _not_found_error(source: str) -> UsageError:
    names = " or ".join(WEIGHT_FILES[:2])
    return UsageError(
        "Weights were not found",
        got=repr(source),
        expected=f"a file ({', '.join(SUFFIXES)}), a folder with {names}, or owner/name on the hub",
        then="Check the path.",
    )


def _unreachable_error(source: str, error: Exception) -> DataError:
    return DataError(
        f"Weights {source} could not be fetched from the hub",
        got=first_line(error),
        then="Download the repository elsewhere and give its folder.",
    )

"""Describes a trained model: what the folder ``cells/<id>/model`` holds, with the one writer and the one reader of it.

A model is a JSON file and files of safetensors: ``pair.safetensors`` (encoder, target, bridge, and the scale of each
recording) and, where speech is generated, ``generator.safetensors``. Nothing in it is executable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from eeg2speech_bench.core.conditions import signal_read
from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.presets.config import RunConfig
from eeg2speech_bench.core.records.cell_id import CellId, DatasetOrigin
from eeg2speech_bench.core.records.metrics import Metric, Verdict
from eeg2speech_bench.core.segments.prepared import PreparedSignal, PreparedSound, ScaleOrigin
from eeg2speech_bench.core.stages.atomic_folder import atomic_folder
from eeg2speech_bench.core.stages.json_files import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

FILE = "model.json"
PAIR, GENERATOR = "pair.safetensors", "generator.safetensors"
#: the record of the cell, and what the hub shows, in models that were copied out of their results folder
RECORD, CARD = "record.json", "README.md"
_AGAIN = "Copy the folder again, or run that cell again."


class _ModelPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PluginOrigin(_ModelPart):
    """The encoder or the target: who made it, from which source, and what its constructor is given.

    Attributes
    ----------
    name, distribution, version, target, licence : str
        As the plugin declares them; ``target`` is ``"package.module:attribute"``.
    source_hash : str
        Of all source that it is made of.
    options : dict
    """

    name: str
    distribution: str
    version: str
    target: str
    source_hash: str
    licence: str = ""
    options: dict[str, Any] = {}


class TrainingRecording(_ModelPart):
    """A recording whose scale is kept: its name, its listener, whose windows that is of, and its own rate in Hz."""

    recording_id: str
    listener: str
    scale_from: ScaleOrigin
    recorded_sfreq: float | None = None


class ModelDescription(_ModelPart):
    """Everything that rebuilds a model, beside its weights.

    Attributes
    ----------
    version : int
        Of this layout; another one is refused.
    suite : str
        Version of the suite that wrote it.
    cell : CellId
    dataset : DatasetOrigin
    encoder, target : PluginOrigin
    modality : str
        What the encoder reads.
    signal : PreparedSignal
        The EEG of a window: channels with positions, samples, rate.
    sound : PreparedSound
    listeners, held_out : list of str
        Those that it was trained on, in the order of their index, and those that it was only tested on.
    recordings : list of TrainingRecording
        In the order of the rows of ``scale``.
    config : RunConfig
        How recordings are prepared and speech is made.
    preparation_hash : str
        Of the source that reads a recording as training did; another one is said and not refused.
    verdict : dict of str to Verdict
        By headline metric.
    scores : list of Metric
        The headline metrics under every condition.
    packages : dict of str to str
        Versions of libraries.
    files : dict of str to str
        SHA-256 of each file of weights.
    """

    version: Literal[1] = 1
    suite: str
    cell: CellId
    dataset: DatasetOrigin
    encoder: PluginOrigin
    target: PluginOrigin
    modality: Literal["eeg", "text", "audio"]
    signal: PreparedSignal
    sound: PreparedSound
    listeners: list[str]
    held_out: list[str] = []
    recordings: list[TrainingRecording]
    config: RunConfig
    preparation_hash: str = ""
    verdict: dict[str, Verdict]
    scores: list[Metric] = []
    packages: dict[str, str]
    files: dict[str, str] = {}

    @field_validator("files")
    @classmethod
    def _names_no_other_file(cls, files: dict[str, str]) -> dict[str, str]:
        if others := files.keys() - {PAIR, GENERATOR}:  # such a name could lead out of the folder
            raise ValueError(f"no model has a file {min(others)!r:.80}")
        return files

    @property
    def generates(self) -> bool:
        """Whether it makes speech, and not retrieval alone."""
        return GENERATOR in self.files

    @property
    def reads(self) -> str:
        """What the encoder reads, see `core.conditions.signal_read`."""
        return signal_read(self.modality, self.config.data.picks)

    def verdict_lines(self) -> list[str]:
        """Return the verdict as lines of text, one per headline metric."""
        titles = {score.name: score.title for score in self.scores}
        return [f"{titles.get(name, name)}: {_verdict_text(verdict)}" for name, verdict in self.verdict.items()]


def _verdict_text(verdict: Verdict) -> str:
    p = "p < 0.001" if verdict.p < 0.001 else f"p = {verdict.p:.3f}"
    if verdict.distinguishable:
        return f"signal, {p} against the hardest control ({verdict.hardest_control})"
    return f"not distinguishable from no signal ({p} against the hardest control, {verdict.hardest_control})"


def write_model(folder: Path, description: ModelDescription, weights: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Write a model, whole or not at all.

    Parameters
    ----------
    folder : Path
        Takes the place of what is there.
    description : ModelDescription
        Its ``files`` are filled in.
    weights : mapping of str to mapping of str to Tensor
        Tensors by file, `PAIR` or `GENERATOR`.
    """
    from safetensors.torch import save

    with atomic_folder(folder) as working:
        for name, tensors in weights.items():
            # safetensors refuses tensors that share memory, as tied layers do
            content = save({key: tensor.detach().cpu().clone().contiguous() for key, tensor in tensors.items()})
            (working / name).write_bytes(content)  # its own save_file lets nobody but the owner read the file
        files = {name: file_hash(working / name) for name in weights}
        text = description.model_copy(update={"files": files}).model_dump_json(indent=1)
        write_atomically(working / FILE, text.encode())


def read_description(folder: Path) -> ModelDescription:
    """Read what a model is, without its weights.

    Raises
    ------
    StorageError
        If there is none, it is damaged, or of another version.
    """
    path = folder / FILE
    try:
        return ModelDescription.model_validate_json(path.read_bytes())
    except OSError as error:
        raise StorageError(f"Folder {folder} holds no model", got=f"no {FILE}: {error.strerror}", then=_AGAIN) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        then = "Update eeg2speech-bench." if place == "version" else _AGAIN
        raise StorageError(f"Model {path} cannot be read", got=f"{place}: {first['msg']}", then=then) from None


def read_weights(folder: Path, description: ModelDescription, name: str) -> dict[str, Tensor]:
    """Read one file of weights, which must be the one that was written.

    Raises
    ------
    StorageError
        If it is missing or not what the description says.
    """
    from safetensors.torch import load_file

    check_weights(folder, description, name)
    return load_file(folder / name)


def check_weights(folder: Path, description: ModelDescription, name: str) -> None:
    """Refuse a file of weights that is not the one that was written; errors as in `read_weights`."""
    path = folder / name
    if not path.is_file():
        raise StorageError(f"Model {folder} is incomplete", got=f"no {name}", then=_AGAIN)
    if file_hash(path) != description.files.get(name):
        raise StorageError(f"Model {folder} is damaged", got=f"{name} is not what was written", then=_AGAIN)


def model_bytes(folder: Path) -> int:
    """Return the size of a model in bytes."""
    return sum(path.stat().st_size for path in folder.iterdir())


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

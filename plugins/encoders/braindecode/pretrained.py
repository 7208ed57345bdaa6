"""Loads published weights into a braindecode model: all tensors but the head's, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.weights.checkpoint_file import read_checkpoint
from eeg2speech_bench.core.weights.key_names import select
from eeg2speech_bench.core.weights.location import locate_weights, read_config, revision_of, split_revision, stated_data

#: the part of a braindecode model that turns features into outputs
HEAD = "final_layer"


@dataclass(frozen=True)
class Checkpoint:
    """Holds weights with braindecode's configuration of their network, empty where there is none.

    Attributes
    ----------
    source : str
        File, folder or repository, as the user named it.
    revision : str
        See `core.weights.location.revision_of`.
    """

    source: str
    state: Mapping[str, Tensor]
    config: Mapping[str, Any] = field(default_factory=dict)
    revision: str = ""

    def trained_on(self, known: Mapping[str, str]) -> str:
        """Return the data behind the weights: what is known of a repository, else what its model card states."""
        name, _ = split_revision(self.source)
        return known.get(name) or stated_data(self.source) or "not stated"


def open_checkpoint(source: str) -> Checkpoint:
    """Read weights and, where it lies beside them, the configuration of their network.

    The hub is asked through the same library and for the same repositories as by braindecode's ``from_pretrained``.
    That method loads without checking: a layer whose name differs would keep its random values.

    Parameters
    ----------
    source : str
        A file, a folder, or ``owner/name`` on the Hugging Face Hub; see
        `core.weights.checkpoint_file.read_checkpoint`, also for the errors.
    """
    return Checkpoint(source, read_checkpoint(source), read_config(source), revision_of(locate_weights(source)))


def load_backbone(
    network: nn.Module, checkpoint: Checkpoint, *, new: Sequence[str] = (), first_rows: Sequence[str] = ()
) -> tuple[list[str], str]:
    """Load all of a checkpoint but its head, and say what was loaded.

    Parameters
    ----------
    network : nn.Module
        A braindecode model.
    checkpoint : Checkpoint
    new : sequence of str
        Layers beside the head that keep their random values where the checkpoint has none of the same shape.
    first_rows : sequence of str
        Parameters (1, n, width) of which the first rows are taken when the network has fewer.

    Returns
    -------
    (list of str, str)
        What the names of layers begin with that keep their random values, and what was done in words.

    Raises
    ------
    DataError
        If any other tensor is missing, superfluous or of another shape.
    """
    own = network.state_dict()
    state = _renamed(network, checkpoint)
    notes = [_cut_rows(state, own, name) for name in first_rows]
    anew = [HEAD, *(name for name in new if _differs(state, own, name))]
    backbone = {key: value for key, value in state.items() if not key.startswith(tuple(anew))}
    try:
        result = network.load_state_dict(backbone, strict=False)
    except RuntimeError as error:
        raise _misfit_error(checkpoint, "; ".join(line.strip() for line in str(error).splitlines()[1:4])) from error
    missing = [key for key in result.missing_keys if not key.startswith(tuple(anew))]
    if missing or result.unexpected_keys or not backbone:
        # batch norm's counters count as there when they are not
        n_own = sum(not key.startswith(tuple(anew)) and not key.endswith("num_batches_tracked") for key in own)
        raise _misfit_error(checkpoint, _differing_names(n_own, missing, result.unexpected_keys))
    said = f"{len(backbone)} tensors of {checkpoint.source}; new: {', '.join(anew)}"
    return anew, "; ".join([said, *filter(None, notes)])


def _differing_names(n_own: int, missing: Sequence[str], unexpected: Sequence[str]) -> str:
    fits = f"{n_own - len(missing)} of {n_own} tensors"
    found = (("missing", missing), ("unexpected", unexpected))
    listed = [f"{len(keys)} {what}: {', '.join(keys[:3])}{', ...' if keys[3:] else ''}" for what, keys in found if keys]
    return "; ".join([fits, *listed])


def _renamed(network: nn.Module, checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Take off a prefix, and rename keys of old checkpoints as braindecode does inside load_state_dict.

    The head must be known before.
    """
    mapping = getattr(network, "mapping", None) or {}
    body = {key: value for key, value in network.state_dict().items() if not key.startswith(HEAD)}

    def convert(inner: dict[str, Tensor]) -> dict[str, Tensor]:
        return {mapping.get(key, key): value for key, value in inner.items()}

    return select(dict(checkpoint.state), body, f"Checkpoint {checkpoint.source}", convert=convert).state


def _cut_rows(state: dict[str, Tensor], own: Mapping[str, Tensor], name: str) -> str:
    if name not in state or state[name].shape[1] <= own[name].shape[1]:
        return ""
    n_all, n_used = state[name].shape[1], own[name].shape[1]
    state[name] = state[name][:, :n_used]
    return f"first {n_used} of {n_all} rows of {name}"


def _differs(state: Mapping[str, Tensor], own: Mapping[str, Tensor], prefix: str) -> bool:
    keys = [key for key in own if key.startswith(prefix)]
    return any(key not in state or state[key].shape != own[key].shape for key in keys)


def _misfit_error(checkpoint: Checkpoint, got: str) -> DataError:
    return DataError(
        f"Weights {checkpoint.source} do not fit this network",
        got=got,
        expected="every tensor but the head's",
        then="Set the encoder's options to those of the checkpoint, or train from scratch.",
    )

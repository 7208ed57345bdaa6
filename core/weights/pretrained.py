"""Loads networks, configurations and tokenizers in the format of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.weights.checkpoint_file import read_checkpoint
from eeg2speech_bench.core.weights.filling import Origin, check_names, check_numbers, check_shapes
from eeg2speech_bench.core.weights.key_names import select
from eeg2speech_bench.core.weights.location import first_line, split_revision


def load_pretrained(kind: Any, source: str, *, what: str, option: str, **arguments: Any) -> Any:
    """Load a tokenizer or a feature extractor.

    Configurations are loaded by `load_config`, networks by `load_network`: this method of theirs takes defaults and
    random weights where it finds none.

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
            got=f"'{source}' ({first_line(error)})",
            expected="a Hugging Face id that can be downloaded, or a local folder with its files",
            then=f"Download it where there is a network and set {option} to that folder.",
        ) from error


def load_config(kind: Any, source: str, origin: Origin, subfolder: str = "") -> Any:
    """Load the configuration of a network; a folder must have one.

    Parameters
    ----------
    kind : type
        A class of a configuration.
    source : str
        A local folder, or a hub id, pinned if it ends in ``@revision``.
    origin : Origin
    subfolder : str
        Where in a repository the files lie.

    Raises
    ------
    BenchError
        If it can neither be downloaded nor found in a folder.
    """
    folder = Path(source).expanduser()
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise BenchError(
            f"{origin.source} cannot be loaded",
            got=f"no config.json in {folder}",
            expected="the whole folder, as save_pretrained or the hub wrote it",
            then=f"Put it there, or set {origin.option} to another folder.",
        )
    return load_pretrained(kind, source, what=origin.source, option=origin.option, subfolder=subfolder)


def load_network(kind: Any, config: Any, source: str, origin: Origin, subfolder: str = "") -> Any:
    """Build a network of transformers and fill it wholly with the weights of a folder or a repository.

    Parameters
    ----------
    kind : type
        A class of a network, or an ``AutoModel``.
    config : PretrainedConfig
        The network's sizes.
    source : str
        As for `read_checkpoint`.
    origin : Origin
    subfolder : str
        Where in a repository the files lie.

    Returns
    -------
    PreTrainedModel
        In float32 whatever the file holds, in evaluation mode, on the CPU.

    Raises
    ------
    UsageError
        If there is no such file, folder or repository.
    DataError
        If the weights cannot be read, or are missing, left over, quantised or of another shape.
    """
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # it would lie between the lines of a run
    with torch.device("meta"):  # names and shapes alone
        empty = kind.from_config(config) if hasattr(kind, "from_config") else kind(config)
    wanted, network = empty.state_dict(), type(empty)
    wrappers = [network.base_model_prefix] if network.base_model_prefix else []
    chosen = select(
        read_checkpoint(source, subfolder), wanted, origin.source, more_wrappers=wrappers, optional=origin.may_lack
    )
    check_numbers(chosen.state, wanted, origin)
    filled, report = network.from_pretrained(
        None,
        config=config,
        state_dict=chosen.state,
        dtype=torch.float32,  # transformers would keep half precision, which no input of ours has
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # to name them as our own networks' are named
    )
    check_names(report["missing_keys"], report["unexpected_keys"], len(wanted), origin)
    check_shapes(report["mismatched_keys"], origin)
    return filled.eval()

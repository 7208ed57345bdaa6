"""Sends models to model repositories of the Hugging Face hub and fetches them; nothing that is fetched is run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from eeg2speech_bench.benchmarks.trained.model_card import Licences, write_card
from eeg2speech_bench.benchmarks.trained.model_folder import (
    CARD,
    FILE,
    GENERATOR,
    PAIR,
    RECORD,
    check_weights,
    read_description,
)
from eeg2speech_bench.benchmarks.trained.model_places import find_record, read_record
from eeg2speech_bench.benchmarks.trained.trained_parts import check_plugins
from eeg2speech_bench.core.errors import BenchError, StorageError, UsageError
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.registry.dataset_opening import find_dataset
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.weights.hub_access import explained_hub, hub_api, hub_name
from eeg2speech_bench.core.weights.location import REPOSITORY

#: every file that a model's repository may have; no other one is fetched, sent or removed
FILES = (FILE, PAIR, GENERATOR, RECORD, CARD)
#: what the hub puts into new repositories
OF_THE_HUB = (".gitattributes", CARD)
#: the hub's word for a licence that nobody stated
UNKNOWN = "unknown"
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_REVISION = re.compile(r"[\w./-]+")


def split_name(text: str) -> tuple[str, str | None]:
    """Split ``OWNER/NAME@REVISION``, of which the second part may be left out.

    Raises
    ------
    UsageError
        If it is not such a name.
    """
    repository, at, revision = text.removeprefix("hf://").partition("@")
    fits = REPOSITORY.fullmatch(repository) and (_REVISION.fullmatch(revision) if at else True)
    if not fits or ".." in text:
        raise UsageError("This does not name a model of the hub", got=repr(text), expected="OWNER/NAME[@REVISION]")
    return repository, revision or None


def model_upload(folder: Path, repository: str, registry: Registry, licence: str = UNKNOWN) -> dict[str, Path | bytes]:
    """Return what is sent of a model: each file's content or place, by its name in the repository.

    Parameters
    ----------
    folder : Path
        Of the model.
    repository : str
        ``OWNER/NAME``, which the card tells how to use.
    registry : Registry
        Says under which licence the data set comes.
    licence : str
        Of the weights, as the hub spells it.

    Raises
    ------
    UsageError
        If that is no name, or no licence as the hub spells them.
    StorageError
        If the model is damaged, or the record of its run is not there.
    """
    repository, revision = split_name(repository)
    if revision:
        raise UsageError("A model is sent to the main branch", got=f"@{revision}", then="Leave the revision out.")
    if not _LICENCE.fullmatch(licence):
        expected = "a licence as the hub spells it, such as cc-by-nc-4.0"
        raise UsageError("Licence was not understood", got=repr(licence), expected=expected)
    description = read_description(folder)
    for name in description.files:
        check_weights(folder, description, name)
    place = find_record(folder, description)
    if place is None:
        then = "Give results/records/<cell>.json, beside whose cells the model lies."
        raise StorageError(f"The record of model {folder} is not here", got=f"no {folder / RECORD}", then=then)
    record = read_record(place, description)
    card = write_card(record, description, repository, Licences(licence, _licence_of_data(record, registry)))
    weights: dict[str, Path | bytes] = {name: folder / name for name in description.files}
    return {FILE: folder / FILE, **weights, RECORD: place, CARD: card.encode()}


def _licence_of_data(record: Record, registry: Registry) -> str:
    try:
        return find_dataset(record.cell.dataset_argument, registry)[0].licence
    except BenchError:  # a plugin that is not here
        return ""


def push_model(upload: Mapping[str, Path | bytes], repository: str, *, private: bool = False) -> str:
    """Send a model in one commit, and make the repository if it is not there.

    Parameters
    ----------
    upload : mapping of str to Path or bytes
        See `model_upload`.
    repository : str
        ``OWNER/NAME``.
    private : bool
        Of a repository that is made.

    Returns
    -------
    str
        Where the commit can be seen.

    Raises
    ------
    StorageError
        If the hub refuses, or the repository holds something else than a model of the suite.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    with explained_hub(repository, "model"):
        api = hub_api()
        api.create_repo(repository, private=private or None, exist_ok=True)
        there = set(api.list_repo_files(repository))
        if FILE not in there and (others := sorted(there - {*OF_THE_HUB})):
            then = "Choose another name."
            raise StorageError(f"{hub_name(repository, 'model')} holds something else", got=others[0], then=then)
        adds = [CommitOperationAdd(name, str(c) if isinstance(c, Path) else c) for name, c in upload.items()]
        old = [CommitOperationDelete(name) for name in FILES if name in there - upload.keys()]
        try:
            commit = api.create_commit(repository, [*adds, *old], commit_message="Add a model of eeg2speech-bench")
        except ValueError as error:
            if type(error) is not ValueError:
                raise
            raise StorageError(f"{hub_name(repository, 'model')} does not take the card", got=str(error)) from error
    return str(commit.commit_url)


def fetch_model(name: str, registry: Registry, *, anyway: bool = False) -> Path:
    """Fetch a model into the hub's own cache, and return its folder there; offline it is taken from the cache.

    Parameters
    ----------
    name : str
        ``OWNER/NAME``, or ``OWNER/NAME@REVISION``.
    registry : Registry
    anyway : bool
        Fetch it although the source of a plugin is not what was trained.

    Raises
    ------
    UsageError
        If that is no name.
    StorageError
        If it cannot be had, is no model of the suite or one of a newer version, or was damaged on the way.
    BenchError
        If a plugin that it needs is missing or has changed; then its weights are not fetched.
    """
    repository, revision = split_name(name)
    first = _snapshot(repository, revision, [FILE])
    if not (first / FILE).is_file():
        then = "Check the name; models are shared by 'eeg2speech-bench model push'."
        raise StorageError(f"{hub_name(repository, 'model')} is no model of the suite", got=f"no {FILE}", then=then)
    with _called_by_its_name(repository, "Update eeg2speech-bench; if that does not do, ask the model's owner."):
        description = read_description(first)
    check_plugins(description, registry, anyway=anyway)
    # by its commit, so that nothing is exchanged in between
    folder = _snapshot(repository, first.name, [FILE, *description.files, RECORD, CARD])
    then = f"Type 'hf cache rm model/{repository}' and the same command; if that does not do, ask the model's owner."
    with _called_by_its_name(repository, then):
        for file in description.files:
            check_weights(folder, description, file)
    return folder


def _snapshot(repository: str, revision: str | None, names: Sequence[str]) -> Path:
    with explained_hub(repository, "model"):
        return Path(hub_api().snapshot_download(repository, revision=revision, allow_patterns=list(names)))


@contextmanager
def _called_by_its_name(repository: str, then: str) -> Iterator[None]:
    """Say of a repository what is said of its copy in the cache."""
    try:
        yield
    except StorageError as error:
        name = hub_name(repository, "model")
        raise StorageError(f"{name} cannot be used", got=error.got, expected=error.expected, then=then) from error

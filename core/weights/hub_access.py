"""Gives access to the Hugging Face hub, and calls trouble with it by its name: no repository, no login, no network."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from eeg2speech_bench.core.errors import BenchError, StorageError, UsageError

if TYPE_CHECKING:
    from huggingface_hub import HfApi


def hub_api() -> HfApi:
    """Return the hub's own client; the token is its business (``hf auth login`` or ``HF_TOKEN``)."""
    from huggingface_hub import HfApi
    from huggingface_hub.utils import disable_progress_bars

    if not sys.stderr.isatty():  # a log is not filled with a bar per file
        disable_progress_bars()
    return HfApi(library_name="eeg2speech-bench")


@contextmanager
def explained_hub(repository: str, kind: Literal["model", "dataset"]) -> Iterator[None]:
    """Say what is wrong with a repository or the way to it, and what to type next.

    Parameters
    ----------
    repository : str
        ``OWNER/NAME``.
    kind : str

    Raises
    ------
    UsageError
        If the hub has no such names.
    StorageError
        For everything else but our own errors and a full disk, which pass as they are.
    """
    name = hub_name(repository, kind)
    try:
        yield
    except BenchError:
        raise
    except Exception as error:  # httpx and the hub's own storage have errors of their own
        if is_of_disk(error):
            raise
        raise _explanation(name, repository, kind, _root(error)) from error


def hub_name(repository: str, kind: str) -> str:
    """Return what messages call a repository."""
    return f"hf://{'' if kind == 'model' else f'{kind}s/'}{repository}"


def _root(error: Exception) -> Exception:
    """Return what kept the library from looking on the hub, where it only says that its cache lacks a file."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    cause = error.__cause__
    return cause if isinstance(error, LocalEntryNotFoundError) and isinstance(cause, Exception) else error


def _explanation(name: str, repository: str, kind: str, error: Exception) -> BenchError:
    from huggingface_hub import errors

    if isinstance(error, errors.HFValidationError):
        return UsageError("The hub has no such names", got=repr(repository), expected="OWNER/NAME")
    if isinstance(error, errors.OfflineModeIsEnabled):
        return StorageError(f"{name} is not asked while offline", then="Unset HF_HUB_OFFLINE.")
    if isinstance(error, errors.GatedRepoError):
        return StorageError(f"{name} is gated", then="Ask for access on its page, then 'hf auth login'.")
    if isinstance(error, errors.RepositoryNotFoundError):
        then = "Check the name, or log in with 'hf auth login'."  # `model push` makes what is not there
        if kind != "model":
            make = f"hf repo create {repository} --repo-type {kind}"
            then = f"Check the name, log in with 'hf auth login', or create it: {make}"
        return StorageError(f"{name} was not found, or is private", then=then)
    if isinstance(error, errors.RevisionNotFoundError):
        return StorageError(f"{name} has no such revision", then="Look at its branches and tags on its page.")
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        then = "Type 'hf auth login', with a token that may write to it."
        return StorageError(f"{name} does not let you in", got=error_line(error), then=then)
    then = "Check the network, then type the same command again."
    return StorageError(f"{name} could not be reached", got=error_line(error), then=then)


def is_of_disk(error: BaseException) -> bool:
    """Whether this machine's disk is at fault and not the other side."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def error_line(error: BaseException) -> str:
    """Return what an error says, on one line; a token that a server sends back in its answer is cut out."""
    first = error.__cause__ or error
    lines = f"{type(first).__name__}: {first}".strip().splitlines()
    text = " ".join(line.strip() for line in lines if line.strip())[:300]
    secrets = [value for key, value in os.environ.items() if re.search("TOKEN|SECRET|PASSWORD", key) and len(value) > 7]
    for secret in (*secrets, *_hub_token()):
        text = text.replace(secret, "***")
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def _hub_token() -> list[str]:
    if "huggingface_hub" not in sys.modules:
        return []
    from huggingface_hub import get_token

    token = get_token()
    return [token] if token else []

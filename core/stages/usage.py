"""Marks stages that a running command uses, and removes others that are old or too many."""

from __future__ import annotations

import os
import platform
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eeg2speech_bench.core.stages.checkpoints import unfinished
from eeg2speech_bench.core.stages.json_files import read_json, write_json
from eeg2speech_bench.core.stages.stage_store import StageStore, remove_stage

MARK = ".in-use-"
#: a mark of another machine, where nobody here can look, counts for so long
FOREIGN_MARK_S = 7 * 24 * 3600.0


@dataclass(frozen=True)
class KeptStage:
    """A finished stage in a cache, or the checkpoints of one that was stopped.

    Attributes
    ----------
    name, dataset, encoder : str
        What it is; the encoder is empty for stages that belong to the data set.
    path : Path
    n_bytes : int
    used : float
        When it was last used, in seconds since 1970.
    """

    name: str
    dataset: str
    encoder: str
    path: Path
    n_bytes: int
    used: float


def kept_stages(store: StageStore) -> list[KeptStage]:
    """Return all finished stages of a store and the checkpoints of unfinished ones, used longest ago first."""
    found = []
    for manifest in (*store.manifests(), *map(_as_unfinished, unfinished(store.root))):
        subject = manifest.get("subject") or {}
        path = manifest["path"]
        n_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        dataset, encoder = subject.get("dataset", "unknown"), subject.get("encoder", "")
        name = manifest.get("name") or path.name.rpartition("-")[0]
        found.append(KeptStage(name, dataset, encoder, path, n_bytes, manifest["used"]))
    return sorted(found, key=lambda stage: stage.used)


def _as_unfinished(about: dict[str, Any]) -> dict[str, Any]:
    return {**about, "name": f"{about.get('name')} (unfinished)"}


@contextmanager
def marked_in_use(store: StageStore, places: Iterable[Path]) -> Iterator[None]:
    """Keep stages from being removed by another command for as long as this block runs."""
    mark = store.root / f"{MARK}{platform.node()}-{os.getpid()}-{secrets.token_hex(4)}.json"
    with suppress(OSError):  # a store that may only be read is not pruned from here either
        write_json(mark, {"host": platform.node(), "pid": os.getpid(), "stages": [place.name for place in places]})
    try:
        yield
    finally:
        with suppress(OSError):
            mark.unlink(missing_ok=True)


def in_use(store: StageStore) -> set[str]:
    """Return the names of folders that running commands use; marks of commands that are gone are removed."""
    used: set[str] = set()
    for mark in store.root.glob(f"{MARK}*.json"):
        with suppress(OSError, ValueError, KeyError):
            content = read_json(mark)
            if _is_alive(content["host"], content["pid"], mark.stat().st_mtime):
                used.update(content["stages"])
            else:
                mark.unlink(missing_ok=True)
    return used


def choose_for_removal(
    kept: list[KeptStage], used: set[str], *, older_than_s: float | None, keep_bytes: int | None
) -> list[KeptStage]:
    """Choose stages by age, and then the ones used longest ago until the rest fits; never one that is in use."""
    free = [stage for stage in kept if stage.path.name not in used]
    now = time.time()
    chosen = [stage for stage in free if older_than_s is not None and now - stage.used > older_than_s]
    left = sum(stage.n_bytes for stage in kept) - sum(stage.n_bytes for stage in chosen)
    for stage in free:
        if keep_bytes is None or left <= keep_bytes:
            break
        if stage not in chosen:
            chosen.append(stage)
            left -= stage.n_bytes
    return chosen


def remove_unused(store: StageStore, stages: Iterable[KeptStage]) -> list[KeptStage]:
    """Remove stages that are still not in use, and return those that went."""
    removed = []
    for stage in stages:
        if stage.path.name not in in_use(store):  # a command may have started meanwhile
            remove_stage(stage.path)
            removed.append(stage)
    return removed


def _is_alive(host: str, pid: int, marked: float) -> bool:
    if host != platform.node():
        return time.time() - marked < FOREIGN_MARK_S
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's process
        return True
    return True

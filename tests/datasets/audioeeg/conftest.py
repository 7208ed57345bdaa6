"""The data set of the prototype, and what a test changes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eeg2speech_bench.core.presets.config import DataConfig, load_config
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.datasets.audioeeg.audioeeg_dataset import AudioEegDataset, open_audioeeg
from eeg2speech_bench.datasets.audioeeg.preparation import prepare_embeddings


@pytest.fixture
def root(write_audioeeg: Callable[..., Path]) -> Path:
    """A folder as the archive leaves it."""
    return write_audioeeg()


@pytest.fixture
def change(root: Path) -> Callable[..., None]:
    """Change the items of a part: the function is given the list, and changes it in place."""

    def call(part: str, edit: Callable[[list[dict[str, Any]]], object]) -> None:
        path = root / "dataset" / "metadata" / "lists" / f"{part}.json"
        tree = json.loads(path.read_text())
        edit(tree["data"])
        path.write_text(json.dumps(tree))

    return call


@pytest.fixture
def opened(root: Path) -> Callable[[], AudioEegDataset]:
    """Open the data set."""
    return lambda: open_audioeeg(root, FileHashes(), lambda line: None)


@pytest.fixture
def prepared(opened: Callable[[], AudioEegDataset], tmp_path: Path) -> Callable[..., SegmentStore]:
    """Prepare it with the data settings of the prototype's preset, some of them changed."""

    def call(**changes: object) -> SegmentStore:
        settings: DataConfig = load_config("eeg2speech").data.model_copy(update=changes)
        prepare_embeddings(opened(), settings, tmp_path / "prepared")
        return SegmentStore(tmp_path / "prepared")

    return call

"""A model of embeddings is not given EEG."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from eeg2speech_bench.benchmarks.trained.recording_windows import ReadingChoice, open_windows
from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.registry.registry import load_registry


def test_a_model_that_was_trained_on_embeddings_reads_no_recordings():
    signal = SimpleNamespace(chs_info=[{"ch_name": "embedding 1", "kind": 502}])
    description = SimpleNamespace(modality="eeg", signal=signal, dataset=SimpleNamespace(name="audioeeg"))
    with pytest.raises(DataError, match=r"reads no recordings: got one that was trained on embeddings of 'audioeeg'"):
        open_windows(Path("a.edf"), description, np.ones((1, 1)), load_registry(), ReadingChoice(), None)

"""Data sets are found and opened by what is typed."""

from __future__ import annotations

import pytest

from eeg2speech_bench.core.errors import UnknownNameError
from eeg2speech_bench.core.registry.dataset_opening import find_dataset
from eeg2speech_bench.core.registry.registry import load_registry


def test_a_data_set_is_a_name_a_name_with_argument_or_a_folder(tmp_path):
    registry = load_registry()
    assert find_dataset("simulated", registry)[1] is None
    assert find_dataset("simulated:null", registry)[1] == "null"
    spec, argument = find_dataset(str(tmp_path), registry)
    assert (spec.name, argument) == ("bids", str(tmp_path))
    with pytest.raises(UnknownNameError, match="Did you mean 'simulated'"):
        find_dataset("simulatd", registry)

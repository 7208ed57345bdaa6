"""What is no recording for a model is refused before anything is encoded."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eeg2speech_bench.benchmarks import load_cell
from eeg2speech_bench.benchmarks.trained.recording_windows import ReadingChoice
from eeg2speech_bench.core.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def eeg(kept) -> np.ndarray:
    """Volts in the channels and at the rate of the model, long enough for several windows."""
    signal = kept.description.signal
    return np.random.default_rng(0).normal(0, 1e-5, (signal.n_chans, 4 * signal.n_times))


def test_an_array_of_other_channels(kept, eeg):
    with pytest.raises(DataError, match=r"not what the model reads: got shape \(\d+, \d+\), expected volts"):
        load_cell(kept.path, device="cpu").encode(eeg[:-1])


def test_an_array_in_microvolts(kept, eeg):
    with pytest.raises(DataError, match="on a scale that EEG cannot have"):
        load_cell(kept.path, device="cpu").encode(eeg * 1e6)


def test_a_recording_that_does_not_exist(kept, tmp_path):
    with pytest.raises(DataError, match=r"none\.vhdr does not exist\. Give a file that MNE reads"):
        load_cell(kept.path, device="cpu").encode(tmp_path / "none.vhdr")


@pytest.mark.parametrize("whose", ["listener", "nobody"])
def test_a_scale_that_was_not_kept(kept, eeg, whose):
    with pytest.raises(DataError, match=r"keeps no such scale: got .* Leave it out, or name another"):
        load_cell(kept.path, device="cpu").encode(eeg, reading=ReadingChoice(scale=whose))


def test_a_model_of_an_encoder_that_reads_no_eeg(kept, eeg):
    file = kept.folder / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"modality": "text"}))
    with pytest.raises(DataError, match="This model reads no recordings: got encoder 'mean', which reads the text"):
        load_cell(kept.folder, device="cpu").encode(eeg)

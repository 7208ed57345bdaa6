"""Phonemes of transcripts lie in the prepared data set where one part of the split holds them."""

from __future__ import annotations

import pandas as pd

from eeg2speech_bench.core.segments.recordings import Phone, Stimulus, Word
from eeg2speech_bench.datasets.preparation.windows import phone_table


def test_phonemes_within_one_part_are_kept_and_those_across_a_border_are_not():
    phones = (Phone("K", 0.8, 0.9), Phone("AE1", 0.9, 1.1), Phone("T", 1.2, 1.3))
    stimulus = Stimulus("s", "s.wav", 2.0, load=lambda: None, words=(Word("cat", 0.8, 1.3, phones=phones),))
    zones = pd.DataFrame({"stimulus": 0, "start_s": [0.0, 1.0], "stop_s": [1.0, 2.0], "split": ["train", "test"]})
    table = phone_table(zones, [stimulus])
    assert list(zip(table["symbol"], table["split"], strict=True)) == [("K", "train"), ("T", "test")]

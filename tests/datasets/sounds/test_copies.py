from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import resample_poly

from eeg2speech_bench.core.segments.recordings import Sound
from eeg2speech_bench.datasets.sounds.copies import copy_start_s


@pytest.fixture
def start(waveform):
    return lambda whole, part, about_s=0.0: copy_start_s(waveform(whole), waveform(part), about_s)


def test_an_excerpt_starts_at_its_sample(start, speech):
    assert start(speech(1), speech(1)[48_123:200_000], 3.03) == 48_123 / 16000


def test_an_excerpt_cut_at_another_rate_starts_between_samples(start, speech):
    story = resample_poly(speech(1), 441, 160)
    part = resample_poly(story[100_001:400_001], 160, 441)
    assert start(speech(1), part, 2.25) == pytest.approx(100_001 / 44_100, abs=2e-6)


def test_a_whole_copy_starts_at_the_start(start, speech):
    assert start(speech(1), speech(1)) == 0.0


@pytest.mark.parametrize("change", ["louder", "coded", "edited", "longer", "another"])
def test_what_differs_is_no_copy(start, speech, coded, change):
    part = speech(1, 2, 18)
    if change == "louder":
        part = 1.2 * part
    elif change == "coded":
        part = coded(part, format="OGG", subtype="VORBIS")
    elif change == "edited":
        part[40_000:44_000] = 0
    elif change == "longer":
        part = np.concatenate([part, speech(2, 0, 5)])
    else:
        part = speech(2, 2, 18)
    assert start(speech(1), part, 2.0) is None


def test_an_excerpt_of_an_envelope_starts_at_its_sample():
    values = np.random.default_rng(0).random(64 * 20).astype(np.float32)
    whole, part = Sound("envelope", values, 64.0), Sound("envelope", values[133:900], 64.0)
    assert copy_start_s(whole, part, 2.05) == 133 / 64

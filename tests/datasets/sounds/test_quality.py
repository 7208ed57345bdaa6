from __future__ import annotations

import numpy as np
import pytest

from eeg2speech_bench.datasets.sounds.quality import clipped_share, dc, silence_share


def test_samples_at_full_scale_in_a_row_are_clipped():
    values = np.zeros(1000)
    values[100:120] = 1.0
    values[300:310] = -1.0
    assert clipped_share(values) == 0.03


def test_a_single_peak_at_full_scale_is_not_clipped():
    values = np.zeros(1000)
    values[[5, 500]] = 1.0
    assert clipped_share(values) == 0.0


def test_the_silent_half_of_a_sound_is_silent():
    values = np.sin(np.arange(16000))
    values[8000:] = 0
    assert silence_share(values, 16000) == 0.5


def test_silence_with_a_constant_shift_is_silent():
    values = 0.1 * np.sin(np.arange(16000)) + 0.2
    values[4000:] = 0.2
    assert silence_share(values, 16000) == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize("n_samples", [0, 10, 16000])
def test_a_file_of_zeros_is_silent_throughout(n_samples):
    assert silence_share(np.zeros(n_samples), 16000) == 1.0


def test_a_constant_shift_is_the_mean():
    assert dc(np.array([0.5, -0.1, 0.2])) == pytest.approx(0.2)
    assert dc(np.zeros(0)) == 0.0

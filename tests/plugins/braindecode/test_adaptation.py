"""The signal as a network wants it: resampled, mirrored, cut into slices, and all of it said."""

from __future__ import annotations

import pytest
import torch

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.plugins.encoders.braindecode.adaptation import Adaptation, fit_length


def test_resampling_keeps_a_sine_and_is_declared(signal):
    adapted = Adaptation(signal, sfreq=200.0)
    sine = torch.sin(2 * torch.pi * 10 * torch.arange(346) / 120).expand(1, 19, 346)
    expected = torch.sin(2 * torch.pi * 10 * torch.arange(577) / 200)
    assert torch.allclose(adapted(sine)[0, 3, 20:-20], expected[20:-20], atol=2e-3)
    assert adapted.notes == {"sampling rate": "120 Hz resampled to 200 Hz; nothing above 60 Hz is there"}


def test_a_segment_that_is_too_short_for_whole_patches_is_mirrored_at_both_ends(signal_of):
    adapted = Adaptation(signal_of(("Cz",), n_times=8), patch=(10, 10))
    found = adapted(torch.arange(8.0).reshape(1, 1, 8))
    assert found.flatten().tolist() == [1, 0, 1, 2, 3, 4, 5, 6, 7, 6]
    assert adapted.notes == {"window": "8 samples mirrored at both ends to 10 samples (0.0833 s)"}


def test_a_segment_that_is_a_little_too_long_is_cut_at_both_ends(signal_of):
    adapted = Adaptation(signal_of(("Cz",), n_times=102), patch=(10, 10))
    assert adapted(torch.arange(102.0).reshape(1, 1, 102)).flatten().tolist() == list(range(1, 101))
    assert adapted.notes == {"window": "102 samples cut at both ends to 100 samples (0.833 s)"}


@pytest.mark.parametrize(
    ("n_times", "patch", "expected"),
    [
        (600, (200, 200), 600),
        (577, (200, 200), 600),
        (629, (200, 200), 600),
        (640, (200, 200), 800),
        (577, (200, 180), 560),
        (100, (200, 200), 200),
        (736, (64, 32), 736),
    ],
)
def test_lengths_are_cut_by_five_percent_at_most_and_else_extended(n_times, patch, expected):
    assert fit_length(n_times, patch) == expected


def test_a_segment_that_would_have_to_double_is_refused(signal_of):
    with pytest.raises(DataError, match="too short for this network: got 100 samples"):
        Adaptation(signal_of(("Cz",), n_times=100), patch=(300, 300))


def test_slices_are_centred_on_equal_stretches_with_mirrored_ends(signal_of):
    adapted = Adaptation(signal_of(("Cz",), n_times=12, sfreq=1.0), n_slices=3, slice_s=6.0)
    found = adapted(torch.arange(12.0).reshape(1, 1, 12))[:, 0]
    assert found.tolist() == [[1, 0, 1, 2, 3, 4], [3, 4, 5, 6, 7, 8], [7, 8, 9, 10, 11, 10]]
    assert adapted.notes == {"window": "3 slices of 6 samples (6 s), the segment mirrored at its ends"}


def test_slices_of_several_segments_stay_together(signal_of):
    adapted = Adaptation(signal_of(("Cz",), n_times=4, sfreq=1.0), n_slices=2, slice_s=2.0)
    found = adapted(torch.tensor([[[0.0, 1, 2, 3]], [[10.0, 11, 12, 13]]]))
    assert found[:, 0].tolist() == [[0, 1], [2, 3], [10, 11], [12, 13]]


def test_a_segment_that_fits_is_passed_on_unchanged(signal, batch_of):
    adapted = Adaptation(signal, sfreq=120.0, patch=(346, 1))
    batch = batch_of()
    assert torch.equal(adapted(batch.eeg), batch.eeg)
    assert adapted.notes == {}


def test_the_signal_is_adapted_in_full_precision_under_autocast(signal, batch_of):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert Adaptation(signal, sfreq=200.0)(batch_of().eeg).dtype == torch.float32

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from eeg2speech_bench.datasets.preparation.resampling import resample

#: amplifiers rest at offsets of millivolts, on which microvolts of EEG ride
OFFSET, AMPLITUDE = 5e-3, 1e-5
SINE_HZ, SINE_PHASE = 7.3, 0.4

#: rate, new rate, samples: even and odd lengths, small and large fractions, rates that clocks were found to have
RATES = [
    (500, 120, 150_000),
    (500, 120, 149_999),
    (500, 64, 30_001),
    (512, 120, 100_001),
    (512, 64, 20_000),
    (1000, 120, 600_000),
    (1000, 120, 60_017),
    (1000, 128, 33_333),
    (499.76, 120, 150_000),
    (499.83, 120, 100_003),
    (500.0213, 120, 60_000),
    (2048, 120, 61_441),
    (8192, 120, 90_001),
    (5000, 120, 50_003),
    (250, 120, 25_000),
    (256, 120, 25_601),
    (300, 120, 12_007),
    (142.857142, 120, 20_000),
    (1e6 / 7000, 120, 20_001),
    (128, 120, 9_216),
    (120, 64, 9_999),
    (100, 120, 6_007),
    (64, 120, 3_200),
]


def sine(times_s, hz=SINE_HZ):
    return AMPLITUDE * np.sin(2 * np.pi * hz * times_s + SINE_PHASE)


def resampled(values, sfreq, new_sfreq, cuts=()):
    borders = [0, *cuts, len(values)]
    return resample(values[None], sfreq, new_sfreq, list(pairwise(borders)))[:, 0].astype(float)


def fitted(values, times_s, hz):
    """Amplitude and phase of the sine that fits best beside an offset."""
    waves = np.stack([np.sin(2 * np.pi * hz * times_s), np.cos(2 * np.pi * hz * times_s), np.ones_like(times_s)])
    of_sine, of_cosine, _ = np.linalg.lstsq(waves.T, values, rcond=None)[0]
    return np.hypot(of_sine, of_cosine), np.arctan2(of_cosine, of_sine)


def late_ms(values, times_s, hz=SINE_HZ):
    return 1e3 * (SINE_PHASE - fitted(values, times_s, hz)[1]) / (2 * np.pi * hz)


@pytest.mark.parametrize(("sfreq", "new_sfreq", "n_samples"), RATES)
def test_rows_have_their_exact_time_at_both_ends_and_in_the_middle(sfreq, new_sfreq, n_samples):
    values = resampled(OFFSET + sine(np.arange(n_samples) / sfreq), sfreq, new_sfreq)
    times_s = np.arange(len(values)) / new_sfreq
    second, middle = int(new_sfreq), len(values) // 2
    for rows in (slice(0, second), slice(middle, middle + second), slice(-second, None)):
        assert abs(late_ms(values[rows], times_s[rows])) < 0.1


@pytest.mark.parametrize(("sfreq", "new_sfreq", "n_samples"), RATES)
def test_there_is_a_row_for_every_time_until_the_recording_ends(sfreq, new_sfreq, n_samples):
    n_rows = len(resample(np.zeros((1, n_samples)), sfreq, new_sfreq, []))
    assert (n_rows - 1) / new_sfreq < n_samples / sfreq <= n_rows / new_sfreq + 1e-9


def test_equal_rates_change_nothing_but_the_type():
    values = np.random.default_rng(0).standard_normal((3, 1000))
    np.testing.assert_array_equal(resample(values, 120.0, 120.0, [(0, 1000)]), values.T.astype(np.float32))


@pytest.mark.parametrize(("sfreq", "new_sfreq"), [(500, 120), (499.83, 120), (2048, 64)])
@pytest.mark.parametrize("share", [1.01, 1.3, 1.9])
def test_a_sine_above_the_new_nyquist_frequency_does_not_come_back_as_a_slower_one(sfreq, new_sfreq, share):
    times_s = np.arange(int(20 * sfreq)) / sfreq
    values = resampled(sine(times_s, share * new_sfreq / 2), sfreq, new_sfreq)
    assert np.std(values[2 * new_sfreq : -2 * new_sfreq]) < 1e-3 * AMPLITUDE / np.sqrt(2)


@pytest.mark.parametrize(("sfreq", "new_sfreq"), [(500, 120), (499.83, 120), (2048, 64), (64, 120)])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.94])
def test_a_sine_in_the_pass_band_keeps_its_amplitude(sfreq, new_sfreq, share):
    hz = share * min(sfreq, new_sfreq) / 2
    values = resampled(sine(np.arange(int(20 * sfreq)) / sfreq, hz), sfreq, new_sfreq)
    within = np.arange(2 * new_sfreq, len(values) - 2 * new_sfreq)
    assert fitted(values[within], within / new_sfreq, hz)[0] == pytest.approx(AMPLITUDE, rel=1e-3)


@pytest.mark.parametrize(("sfreq", "new_sfreq"), [(500, 120), (499.83, 120), (64, 120)])
def test_an_offset_and_a_drift_go_on_to_the_ends_without_ringing(sfreq, new_sfreq):
    times_s = np.arange(int(10 * sfreq)) / sfreq
    values = resampled(OFFSET + 1e-4 * times_s, sfreq, new_sfreq)
    np.testing.assert_allclose(values, OFFSET + 1e-4 * np.arange(len(values)) / new_sfreq, atol=1e-8)


@pytest.mark.parametrize(("sfreq", "new_sfreq"), [(500, 120), (499.83, 120)])
def test_no_row_mixes_the_two_sides_of_a_cut(sfreq, new_sfreq):
    quiet, loud = sine(np.arange(5003) / sfreq), OFFSET + sine(np.arange(7001) / sfreq, 20)
    both = resampled(np.concatenate([quiet, loud]), sfreq, new_sfreq, cuts=[len(quiet)])
    cut = len(resampled(quiet, sfreq, new_sfreq))
    np.testing.assert_allclose(both[:cut], resampled(quiet, sfreq, new_sfreq), atol=1e-12)
    assert np.ptp(both[cut:]) < 2.1 * AMPLITUDE


def test_time_goes_on_behind_a_cut():
    times_s = np.arange(60_001) / 499.83
    values = resampled(OFFSET + sine(times_s), 499.83, 120, cuts=[20_003])
    behind = np.arange(len(values)) / 120
    after = slice(int(20_003 / 499.83 * 120) + 120, None)
    assert abs(late_ms(values[after], behind[after])) < 0.1


def test_blocks_of_channels_and_rows_leave_no_seam():
    rng = np.random.default_rng(0)
    data = rng.standard_normal((70, 3000))
    together = resample(data, 500.0, 120.0, [(0, 3000)])
    for channel in (0, 69):
        np.testing.assert_allclose(resampled(data[channel], 500.0, 120.0), together[:, channel], rtol=1e-6)


def test_a_stretch_of_one_sample_is_kept_as_it_is():
    values = resampled(np.array([1.0, 1.0, 1.0, 7.0, 1.0, 1.0]), 100, 200, cuts=[3, 4])
    np.testing.assert_allclose(values, [1, 1, 1, 1, 1, 1, 7, 7, 1, 1, 1, 1], atol=1e-6)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.sounds.channels import is_pulses, mixed
from eeg2speech_bench.datasets.sounds.decoding import Samples

N = 320_000
TIMES_S = np.arange(N) / 16000


def clicks():
    values = np.zeros(N)
    values[::16000] = 0.9
    return values


def square_wave():
    return 0.5 * (np.arange(N) // 8000 % 2)


def trigger_levels():
    return np.repeat([0, 0.3, 0, 0.9, 0, 0.6, 0, 0.2], N // 8)


def short_beeps():
    return 0.5 * np.sin(2 * np.pi * 1000 * TIMES_S) * (TIMES_S % 2 < 0.03)


MARKS = [clicks, square_wave, trigger_levels, short_beeps]


@pytest.fixture
def mix():
    def mix(*channels, channel=None):
        samples = Samples(np.stack(channels, axis=1).astype(np.float32), 16000)
        return mixed(samples, Path("x.wav"), channel)

    return mix


def test_the_same_speech_in_both_channels_is_averaged(mix, speech):
    values, notes = mix(speech(1), 0.5 * speech(1))
    np.testing.assert_allclose(values, 0.75 * speech(1), atol=1e-6)
    assert notes == ()


def test_speech_under_another_noise_in_each_channel_is_averaged(mix, speech):
    noise = 0.02 * np.random.default_rng(0).standard_normal((2, N))
    values, _ = mix(speech(1) + noise[0], speech(1) + noise[1])
    np.testing.assert_allclose(values, speech(1) + noise.mean(0), atol=1e-6)


def test_a_silent_channel_is_left_out(mix, speech):
    values, notes = mix(np.full(N, 1e-6), speech(1))
    np.testing.assert_array_equal(values, speech(1))
    assert notes == ("channel 1 of 2 is silent and was left out",)


@pytest.mark.parametrize("marks", MARKS)
def test_a_channel_of_marks_is_left_out(mix, speech, marks):
    values, notes = mix(speech(1), marks())
    np.testing.assert_array_equal(values, speech(1))
    assert notes == ("channel 2 of 2 holds pulses and was left out",)


def test_two_talkers_are_refused_with_the_way_to_choose(mix, speech):
    with pytest.raises(DataError, match=r"different sounds in channels 1 and 2.*\[audio\] and channel = 1"):
        mix(speech(1), speech(2))


@pytest.mark.parametrize("channel", [1, 2])
def test_the_chosen_channel_is_taken(mix, speech, channel):
    values, notes = mix(speech(1), speech(2), channel=channel)
    np.testing.assert_array_equal(values, speech(channel))
    assert notes == (f"channel {channel} of 2 was chosen",)


@pytest.mark.parametrize("channel", [0, 3])
def test_a_channel_that_is_not_there_is_refused(mix, speech, channel):
    with pytest.raises(DataError, match=rf"has no channel {channel}: got {channel}, expected a number from 1 to 2"):
        mix(speech(1), speech(1), channel=channel)


def test_steady_noise_in_both_ears_is_averaged(mix):
    noise = np.random.default_rng(0).standard_normal((2, N)).astype(np.float32)
    np.testing.assert_allclose(mix(*noise)[0], noise.mean(0), atol=1e-6)


def test_a_silent_file_stays_silent(mix):
    assert not mix(np.zeros(N), np.zeros(N))[0].any()


@pytest.mark.parametrize("number", [1, 7, 12, 18])
def test_speech_is_no_pulses(speech, number):
    assert not is_pulses(speech(number), 16000)


def test_a_few_words_in_a_long_silence_are_no_pulses(speech):
    assert not is_pulses(np.concatenate([np.zeros(N), speech(3, 2, 3), np.zeros(N), speech(3, 4, 5)]), 16000)

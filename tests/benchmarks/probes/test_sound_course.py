"""Loudness, onsets and pitch of sounds whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from eeg2speech_bench.benchmarks.probes import sound_course

RATE_HZ = 16_000
TIME_S = np.arange(RATE_HZ) / RATE_HZ


def voice(f0_hz: float) -> np.ndarray:
    return 0.1 * sum(np.sin(2 * np.pi * f0_hz * k * TIME_S) / k for k in range(1, 11))


@pytest.mark.parametrize("f0_hz", [80, 120, 210, 330])
def test_pitch_is_the_fundamental_of_harmonics(f0_hz):
    found = sound_course.pitch(voice(f0_hz)[None], RATE_HZ)
    assert 2**found == pytest.approx(f0_hz, rel=0.02)


def test_noise_and_silence_have_no_pitch():
    sound = np.stack([np.random.default_rng(0).standard_normal(RATE_HZ), np.zeros(RATE_HZ)])
    assert np.isfinite(sound_course.pitch(sound, RATE_HZ)).mean() < 0.02


def test_an_envelope_follows_loudness_and_its_onsets_the_rises_alone():
    loud = (TIME_S > 0.5) & (TIME_S < 0.8)
    course = sound_course.envelope((voice(120) * loud)[None], "waveform", 1.0)
    assert course.shape == (1, 100)
    assert course[0, :50] == pytest.approx(0, abs=1e-6)
    rises = sound_course.onsets(course)[0]
    assert 48 <= rises.argmax() <= 52
    assert rises[80:].max() == pytest.approx(0, abs=1e-6)


def test_a_published_envelope_is_taken_as_it_is():
    given = np.random.default_rng(0).random((2, 64))
    np.testing.assert_array_equal(sound_course.envelope(given, "envelope", 1.0), given)


def test_bins_share_what_does_not_divide():
    assert sound_course.mean_in_bins(np.arange(5.0)[None], 2).tolist() == [[0.5, 3.0]]

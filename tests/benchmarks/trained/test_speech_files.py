"""A sound is written whole, at one gain, and a burst does not make the rest inaudible."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from eeg2speech_bench.benchmarks.trained.speech_files import write_sound


class Speaker:
    """Speaks given pieces."""

    joins = (8000,)

    def __init__(self, *pieces: np.ndarray) -> None:
        self.pieces = pieces

    def speak(self, condition: str):
        for number, piece in enumerate(self.pieces, start=1):
            yield number / len(self.pieces), piece


def written(tmp_path, *pieces: np.ndarray):
    spoken = write_sound(tmp_path, Speaker(*pieces), "shift", lambda note, share: None)
    samples, rate_hz = soundfile.read(tmp_path / spoken.name)
    assert rate_hz == 16_000
    return spoken, samples


@pytest.fixture
def tone() -> np.ndarray:
    return (0.2 * np.sin(np.arange(16_000) / 10)).astype(np.float32)


def test_pieces_follow_each_other_at_one_gain(tmp_path, tone):
    spoken, samples = written(tmp_path, tone[:7000], 0.5 * tone[7000:])
    assert (spoken.name, spoken.n_samples, spoken.joins_s) == ("control_shift.wav", 16_000, [0.5])
    np.testing.assert_allclose(samples[:7000], 2.5 * tone[:7000], atol=1e-3)
    np.testing.assert_allclose(samples[7000:], 1.25 * tone[7000:], atol=1e-3)


def test_a_burst_is_clipped_and_told_and_leaves_the_rest_as_loud(tmp_path, tone):
    loud = tone.copy()
    loud[5000:5008] = 70.0
    spoken, samples = written(tmp_path, loud)
    assert spoken.clipped_share == 8 / 16_000
    assert samples[5000:5008].min() > 0.999
    np.testing.assert_allclose(
        np.delete(samples, range(5000, 5008)), np.delete(2.5 * tone, range(5000, 5008)), atol=2e-3
    )


def test_silence_stays_silence(tmp_path):
    _, samples = written(tmp_path, np.zeros(1000, np.float32))
    assert not samples.any()


def test_nothing_else_is_left(tmp_path, tone):
    written(tmp_path, tone)
    assert [path.name for path in tmp_path.iterdir()] == ["control_shift.wav"]

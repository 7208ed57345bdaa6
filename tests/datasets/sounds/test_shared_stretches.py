from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import resample_poly

from eeg2speech_bench.core.segments.recordings import Sound
from eeg2speech_bench.datasets.sounds.shared_stretches import find_shared_stretches


@pytest.fixture
def find(waveform):
    return lambda **sounds: find_shared_stretches(
        {name: (lambda sound=sound: sound) for name, sound in ((k, waveform(v)) for k, v in sounds.items())}
    )


@pytest.fixture
def noise():
    return np.random.default_rng(0).standard_normal


def assert_whole(found, offset_s, duration_s):
    (stretch,) = found
    assert (stretch.one, stretch.other) == ("a", "b")
    assert stretch.start_s - stretch.other_start_s == pytest.approx(offset_s, abs=0.021)
    assert stretch.duration_s == pytest.approx(duration_s, abs=0.5)


def test_different_stories_of_one_voice_share_nothing(find, speech):
    assert find(**{f"s{k}": speech(k, 0, 57) for k in (1, 2, 4, 5)}) == []


@pytest.mark.parametrize(
    "how",
    [
        {"format": "MP3"},
        {"format": "MP3", "compression_level": 0.99},
        {"format": "OGG", "subtype": "VORBIS"},
        {"format": "OGG", "subtype": "OPUS"},
        {"format": "WAV", "subtype": "PCM_U8"},
    ],
    ids=lambda how: "-".join(map(str, how.values())),
)
def test_a_lossy_copy_is_the_same_audio(find, speech, coded, how):
    found = find(a=speech(1), b=coded(speech(1), **how), c=speech(2))
    assert_whole(found, 0.0, 20.0)
    assert found[0].correlation > 0.9


def test_a_copy_of_another_level_and_sign_is_the_same_audio(find, speech):
    assert_whole(find(a=speech(1), b=-0.05 * speech(1)), 0.0, 20.0)


def test_a_copy_that_was_at_8_khz_is_the_same_audio(find, speech):
    assert_whole(find(a=speech(1), b=resample_poly(resample_poly(speech(1), 1, 2), 2, 1)), 0.0, 20.0)


def test_an_excerpt_is_found_at_its_offset(find, speech):
    assert_whole(find(a=speech(1), b=speech(1, 7.3456, 14.1)), 7.3456, 6.75)


def test_a_story_with_other_silence_before_it_is_found(find, speech):
    assert_whole(find(a=speech(1), b=np.concatenate([np.zeros(50_000), speech(1)])), -3.125, 20.0)


def test_speech_in_noise_is_the_same_speech(find, speech, noise):
    clean = speech(1)
    assert_whole(find(a=clean, b=clean + 0.3 * clean.std() * noise(len(clean))), 0.0, 20.0)


def test_speech_in_speech_of_another_talker_is_the_same_speech(find, speech):
    other = speech(2)
    found = find(a=speech(1), b=speech(1) + 0.7 * other * speech(1).std() / other.std())
    assert sum(stretch.duration_s for stretch in found) > 15


def test_a_jingle_of_two_seconds_is_found_in_every_file_that_has_it(find, speech):
    jingle = speech(9, 3, 5.2)
    found = find(**{f"f{k}": np.concatenate([jingle, speech(k, 10, 20)]) for k in (1, 2, 3, 4)})
    assert {name for stretch in found for name in (stretch.one, stretch.other)} == {"f1", "f2", "f3", "f4"}
    assert [stretch.duration_s for stretch in found] == pytest.approx([2.2] * len(found), abs=0.4)


def test_a_passage_that_a_file_holds_twice_is_found(find, speech):
    (stretch,) = find(a=np.concatenate([speech(1), speech(1, 4, 9)]))
    assert sorted((stretch.start_s, stretch.other_start_s)) == pytest.approx([4.0, 20.0], abs=0.2)


def test_a_reading_at_another_pace_is_not_the_same_audio(find, speech):
    assert find(a=speech(1), b=resample_poly(speech(1), 100, 109)) == []


def test_noises_of_one_kind_and_silence_share_nothing(find, noise):
    assert find(a=noise(160_000), b=noise(160_000), c=np.zeros(160_000), d=np.zeros(160_000)) == []


def test_sounds_shorter_than_a_frame_share_nothing(find):
    assert find(a=np.zeros(10), b=np.ones(10)) == []


def test_an_excerpt_of_an_envelope_is_found(noise):
    whole = Sound("envelope", np.abs(noise(64 * 50)).astype(np.float32), 64.0)
    part = Sound("envelope", whole.values[64 * 9 + 5 : 64 * 30], 64.0)
    other = Sound("envelope", np.abs(noise(64 * 50)).astype(np.float32), 64.0)
    found = find_shared_stretches({"a": lambda: whole, "b": lambda: part, "c": lambda: other})
    assert_whole(found, 9 + 5 / 64, 21 - 5 / 64)


def test_real_sentences_of_one_reader_share_nothing(realdata, find):
    soundfile = pytest.importorskip("soundfile")
    folder = realdata / "speech_audio" / "ljspeech_coqui" / "wavs"
    assert find(**{p.stem: resample_poly(soundfile.read(p)[0], 320, 441) for p in folder.glob("*.wav")}) == []

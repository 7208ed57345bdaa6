from __future__ import annotations

import shutil

import numpy as np
import pytest
import soundfile

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.datasets.sounds import sound_facts
from eeg2speech_bench.datasets.sounds.sound_files import StimulusFolder, load_sound, open_stimulus

#: what soundfile writes, and the error of a sample that its coding allows
FORMATS = {
    "pcm16.wav": ({"subtype": "PCM_16"}, 1e-4),
    "pcm24.wav": ({"subtype": "PCM_24"}, 1e-6),
    "float.wav": ({"subtype": "FLOAT"}, 1e-6),
    "double.wav": ({"subtype": "DOUBLE"}, 1e-6),
    "u8.wav": ({"subtype": "PCM_U8"}, 0.01),
    "ulaw.wav": ({"subtype": "ULAW"}, 0.03),
    "extensible.wav": ({"format": "WAVEX", "subtype": "PCM_24"}, 1e-6),
    "rf64.wav": ({"format": "RF64", "subtype": "PCM_16"}, 1e-4),
    "x.flac": ({}, 1e-4),
    "x.aiff": ({}, 1e-4),
    "vorbis.ogg": ({"subtype": "VORBIS"}, 0.2),
    "opus.ogg": ({"subtype": "OPUS"}, 0.3),
    "x.mp3": ({}, 0.3),
}
RATES = [8000, 11025, 16000, 22050, 24000, 44100, 48000, 96000]


def click(n_samples, at, level=0.5):
    """A click that no sampling rate cuts off: 2 ms wide."""
    return lambda rate: level * np.exp(-0.5 * ((np.arange(n_samples) - at) / (0.0005 * rate)) ** 2)


def centre(values):
    """The time of a click in samples, between them too."""
    near = np.arange(max(0, np.argmax(values) - 60), min(len(values), np.argmax(values) + 61))
    weights = np.clip(values[near], 0, None) ** 2
    return float(np.sum(near * weights) / np.sum(weights))


@pytest.fixture
def opened(tmp_path):
    """Write a sound and open it."""

    def write(name, values, rate=16000, **how):
        soundfile.write(tmp_path / name, values, rate, **how)
        return open_stimulus(tmp_path / name, name, FileHashes())

    return write


# Time and level


@pytest.mark.parametrize("name", FORMATS)
def test_a_click_keeps_its_time_and_level_in_every_format(opened, name):
    how, error = FORMATS[name]
    values = load_sound_of(opened(name, click(16000, 5000)(16000), **how))
    assert centre(values) == pytest.approx(5000, abs=1.6)
    assert values.max() == pytest.approx(0.5, rel=max(error, 0.001))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("at_s", [0.01, 1.0, 9.98])
def test_a_click_keeps_its_time_from_every_rate(opened, rate, at_s):
    stimulus = opened("x.wav", click(10 * rate + 7, at_s * rate)(rate), rate, subtype="FLOAT")
    values = load_sound_of(stimulus)
    assert centre(values) / 16000 == pytest.approx(at_s, abs=1e-4)
    assert values.max() == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("rate", [16000, 24000, 48000])
def test_the_length_is_that_of_the_samples(opened, name, rate):
    n = 2 * rate + 123
    stimulus = opened(name, 0.1 * np.random.default_rng(0).standard_normal(n), rate, **FORMATS[name][0])
    assert stimulus.duration_s == n / rate
    assert len(load_sound_of(stimulus)) == -(-n * 16000 // rate)


def test_float_samples_above_full_scale_are_kept(opened):
    values = 3 * np.sin(np.arange(16000) / 50)
    loaded = load_sound_of(opened("x.wav", values, subtype="FLOAT"))
    np.testing.assert_allclose(loaded, values, atol=1e-6)


def test_samples_that_are_no_numbers_are_refused(opened):
    with pytest.raises(DataError, match=r"x\.wav is truncated or damaged: got samples that are not finite"):
        opened("x.wav", np.full(16000, np.nan), subtype="FLOAT")


def load_sound_of(stimulus):
    sound = stimulus.load()
    assert (sound.kind, sound.rate_hz) == ("waveform", 16000.0)
    return sound.values


# Identity


@pytest.mark.parametrize(
    "name", ["pcm24.wav", "float.wav", "double.wav", "extensible.wav", "rf64.wav", "x.flac", "x.aiff"]
)
def test_the_same_samples_in_another_lossless_format_are_one_stimulus(opened, speech, name):
    values = np.round(speech(1) * 32767) / 32768
    assert opened(name, values, **FORMATS[name][0]).stimulus_id == opened("x.wav", values).stimulus_id


def test_two_channels_of_the_same_samples_are_the_stimulus_of_one(opened, speech):
    values = np.round(speech(1) * 32767) / 32768
    assert opened("two.wav", np.stack([values, values], 1)).stimulus_id == opened("one.wav", values).stimulus_id


@pytest.mark.parametrize("change", ["sample", "length", "rate"])
def test_other_samples_are_another_stimulus(opened, speech, change):
    changed = speech(1)
    changed[1000] += 0.01 * (change == "sample")
    changed = changed[: len(changed) - (change == "length")]
    other = opened("other.wav", changed, 16000 + (change == "rate"))
    assert other.stimulus_id != opened("x.wav", speech(1)).stimulus_id


def test_a_copy_with_another_header_is_noted(tmp_path, speech):
    soundfile.write(tmp_path / "a.wav", speech(1), 16000, subtype="PCM_16")
    values, rate = soundfile.read(tmp_path / "a.wav", dtype="int16")
    soundfile.write(tmp_path / "b.flac", values, rate)
    folder = StimulusFolder(tmp_path, FileHashes())
    assert folder.find("a.wav", "events") == folder.find("b.flac", "events") or len(folder.stimuli) == 1
    (stimulus,) = folder.stimuli
    assert (stimulus.name, stimulus.notes) == ("a.wav", ("'b.flac' holds the same samples and is the same stimulus",))


def test_the_chosen_channel_is_what_is_loaded(tmp_path, speech):
    soundfile.write(tmp_path / "x.wav", np.stack([speech(1), speech(2)], 1), 16000, subtype="FLOAT")
    right = StimulusFolder(tmp_path, FileHashes(), channel=2).find("x.wav", "events")
    np.testing.assert_allclose(right.load().values, speech(2), atol=1e-6)


def test_a_second_opening_decodes_nothing(tmp_path, speech, monkeypatch):
    soundfile.write(tmp_path / "x.wav", np.stack([speech(1), np.zeros(320_000)], 1), 16000)
    first = open_stimulus(tmp_path / "x.wav", "x", FileHashes(tmp_path / "cache"))
    shutil.copy(tmp_path / "x.wav", tmp_path / "y.wav")
    monkeypatch.delattr(sound_facts, "decode")
    again = open_stimulus(tmp_path / "y.wav", "x", FileHashes(tmp_path / "cache"))
    assert (again.stimulus_id, again.duration_s, again.notes) == (first.stimulus_id, first.duration_s, first.notes)


def test_a_damaged_memory_is_decoded_again(tmp_path, speech):
    soundfile.write(tmp_path / "x.wav", speech(1), 16000)
    first = open_stimulus(tmp_path / "x.wav", "x", FileHashes(tmp_path / "cache"))
    (memory,) = (tmp_path / "cache" / sound_facts.MEMORY).iterdir()
    memory.write_text("{}")
    assert open_stimulus(tmp_path / "x.wav", "x", FileHashes(tmp_path / "cache")).stimulus_id == first.stimulus_id


# Lengths that headers do not say


def test_a_wav_of_unknown_length_is_read_to_its_end(tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, np.zeros(16000), 16000)
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    stimulus = open_stimulus(path, "x", FileHashes())
    assert (stimulus.duration_s, len(stimulus.load().values)) == (1.0, 16000)


def test_a_flac_of_unknown_length_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "x.flac"
    soundfile.write(path, np.zeros(16000), 16000)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.flac does not say how long it is.*Write it again: ffmpeg"):
        open_stimulus(path, "x", FileHashes())


def without_info_frame(path):
    """Cut the first frame off, which holds the Xing tag and no sound."""
    content = path.read_bytes()
    tag = content.index(b"LAME") - 120
    next_frame = content.index(content[:2], tag + 200)
    path.write_bytes(content[next_frame:])


@pytest.mark.parametrize("how", [{}, {"bitrate_mode": "CONSTANT"}, {"bitrate_mode": "VARIABLE"}], ids=str)
@pytest.mark.parametrize("rate", [16000, 44100])
def test_an_mp3_without_its_delay_is_refused_with_what_to_convert(tmp_path, speech, how, rate):
    path = tmp_path / "x.mp3"
    soundfile.write(path, speech(1), rate, format="MP3", **how)
    without_info_frame(path)
    with pytest.raises(DataError, match=r"does not say where its sound starts and ends.*Convert .* to WAV or FLAC"):
        open_stimulus(path, "x", FileHashes())


def test_an_mp3_with_an_id3_tag_before_its_delay_is_read(tmp_path, speech):
    path = tmp_path / "x.mp3"
    soundfile.write(path, speech(1), 16000, format="MP3")
    path.write_bytes(b"ID3\x03\x00\x00\x00\x00\x02\x00" + bytes(256) + path.read_bytes())
    assert open_stimulus(path, "x", FileHashes()).duration_s == 20.0


def test_the_delay_that_decoding_removes_is_noted(opened, speech):
    assert opened("x.mp3", speech(1)).notes == ("the MP3 encoder's delay of 576 samples was removed",)


def test_an_mp3_whose_tag_has_no_delay_is_refused(tmp_path, speech):
    path = tmp_path / "x.mp3"
    soundfile.write(path, speech(1), 16000, format="MP3")
    content = bytearray(path.read_bytes())
    at = content.index(b"LAME")
    content[at : at + 24] = bytes(24)
    path.write_bytes(content)
    with pytest.raises(DataError, match="no Xing or Info tag with the encoder's delay"):
        load_sound(path)

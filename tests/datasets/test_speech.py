from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, sosfiltfilt

from eeg2speech_bench.core.errors import BenchError, UnknownNameError
from eeg2speech_bench.datasets.speech import check_speech, load_story, make_speech, story_names, story_path

VOICES = ("slt", "rms", "awb")


def _transcripts() -> list[dict]:
    return [json.loads(story_path(name).with_suffix(".json").read_text(encoding="utf8")) for name in story_names()]


@pytest.fixture(scope="module")
def one_per_voice() -> list[tuple[dict, np.ndarray]]:
    told = [load_story(name)[:2] for name in story_names()[:3]]
    assert [transcript["voice"] for transcript, _ in told] == list(VOICES)
    return told


def test_the_stories_last_fifteen_to_eighteen_minutes():
    duration_s = sum(soundfile.info(story_path(name)).duration for name in story_names())
    assert 15 * 60 < duration_s < 18 * 60


def test_all_audio_takes_less_than_eight_megabytes():
    assert sum(story_path(name).stat().st_size for name in story_names()) < 8e6


def test_every_text_was_spoken_and_nothing_else():
    written = json.loads((make_speech.FOLDER / "stories.json").read_text(encoding="utf8"))["stories"]
    told = [{key: transcript[key] for key in ("name", "voice", "text")} for transcript in _transcripts()]
    assert told == written


def test_the_words_of_a_transcript_are_the_words_of_its_text():
    for transcript in _transcripts():
        bare = transcript["text"].lower().replace(",", " ").replace(".", " ").split()
        assert [word["text"].lower() for word in transcript["words"]] == bare


def test_word_times_increase_and_stay_inside_the_file():
    for transcript in _transcripts():
        times = np.array([(word["start_s"], word["stop_s"]) for word in transcript["words"]])
        assert (np.diff(times.ravel()) >= 0).all()
        assert (times[:, 1] - times[:, 0] > 0.015).all()
        assert times[0, 0] > 0
        assert times[-1, 1] < transcript["duration_s"]


def test_audio_is_mono_at_16_khz_and_as_long_as_its_transcript_says():
    for transcript in _transcripts():
        info = soundfile.info(story_path(transcript["name"]))
        assert (info.samplerate, info.channels) == (16000, 1)
        assert info.frames / 16000 == pytest.approx(transcript["duration_s"], abs=0.0006)


def test_three_voices_tell_six_stories_each():
    voices = [transcript["voice"] for transcript in _transcripts()]
    assert voices == list(VOICES) * 6


def test_a_story_peaks_between_a_half_and_seven_tenths(one_per_voice):
    for _, waveform in one_per_voice:
        assert waveform.dtype == np.float32
        assert 0.5 < np.abs(waveform).max() < 0.7


def test_words_are_thirty_decibels_louder_than_the_gaps_between_sentences(one_per_voice):
    for transcript, waveform in one_per_voice:
        times = np.array([(word["start_s"], word["stop_s"]) for word in transcript["words"]])
        gaps = [(a + 0.02, b - 0.02) for a, b in zip(times[:-1, 1], times[1:, 0], strict=True) if b - a > 0.3]
        assert len(gaps) >= 10
        assert _level_db(waveform, times) > _level_db(waveform, gaps) + 30


def _level_db(waveform: np.ndarray, spans) -> float:
    powers = [np.mean(waveform[int(16000 * start) : int(16000 * stop)] ** 2) for start, stop in spans]
    return 10 * np.log10(np.mean(powers) + 1e-12)


def test_hissing_begins_where_the_transcript_starts_words_with_s(one_per_voice):
    high = butter(4, 4500, "high", fs=16000, output="sos")
    for transcript, waveform in one_per_voice:
        power = np.convolve(sosfiltfilt(high, waveform) ** 2, np.ones(160) / 160, "same")
        starts = [int(16000 * word["start_s"]) for word in transcript["words"] if word["text"][0] in "sS"]
        around = np.mean([10 * np.log10(power[n - 960 : n + 960 : 16] + 1e-9) for n in starts], axis=0)  # 1 ms steps
        rise = around[20:] - around[:-20]  # over 20 ms, centred 10 ms further on
        assert abs(int(np.argmax(rise)) + 10 - 60) <= 10
        assert rise.max() > 10


def test_an_unknown_story_is_refused_with_the_nearest_names():
    with pytest.raises(UnknownNameError, match="Did you mean '01_the_lighthouse'"):
        story_path("01_the_lighthous")


def test_phones_that_change_or_vanish_in_context_do_not_displace_their_neighbours():
    spoken = ["dh", "iy", "ow", "l", "m", "ae", "n"]  # "the old man": another vowel in "the", no d in "old"
    expected = ["dh", "ax", "ow", "l", "d", "m", "ae", "n"]
    assert make_speech.align(spoken, expected) == [0, 1, 2, 3, 5, 6, 7]


def test_an_extra_phone_belongs_to_the_one_before_it():
    assert make_speech.align(["k", "ae", "t", "s"], ["k", "ae", "t"]) == [0, 1, 2, 2]


def test_a_word_lasts_from_its_first_to_its_last_phone(monkeypatch):
    monkeypatch.setattr(make_speech, "pronounce", {"A": ("ey",), "bee": ("b", "iy")}.__getitem__)
    spoken = [("pau", 0.0, 0.2), ("ax", 0.2, 0.25), ("pau", 0.25, 0.4), ("b", 0.4, 0.45), ("iy", 0.45, 0.6)]
    words = make_speech.word_times("A, bee.", [make_speech.Phone(*phone) for phone in spoken])
    assert [(word.text, word.start_s, word.stop_s) for word in words] == [("A", 0.2, 0.25), ("bee", 0.4, 0.6)]


def test_a_delay_is_measured_to_the_sample():
    noise = np.random.default_rng(0).standard_normal(2000)
    assert make_speech.shift_samples(noise, np.roll(noise, 7)) == 7
    assert make_speech.shift_samples(noise, np.roll(noise, -7)) == -7


def test_absent_flite_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(BenchError, match="apt-get install flite"):
        make_speech.flite("--version")


def test_absent_weights_are_an_error_that_names_the_folder(tmp_path):
    pytest.importorskip("faster_whisper")
    with pytest.raises(BenchError, match=r"no model\.bin"):
        check_speech.load_whisper(tmp_path)


def test_onsets_are_compared_only_for_words_that_both_have():
    words = [{"text": "One", "start_s": 0.0}, {"text": "two", "start_s": 1.0}, {"text": "three", "start_s": 2.0}]
    lags = check_speech.onset_lags(words, [(" one,", 0.1), (" too", 1.2), (" three.", 2.3)])
    np.testing.assert_allclose(lags, [0.1, 0.3])


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
def test_speaking_a_sentence_again_gives_the_words_on_disk(one_per_voice):
    transcript = one_per_voice[0][0]
    sentence = make_speech.sentences(transcript["text"])[-1]
    words = make_speech.tell(sentence, transcript["voice"])[1]
    lengths_s = [round(word.stop_s - word.start_s, 3) for word in words]
    on_disk = [word["stop_s"] - word["start_s"] for word in transcript["words"][-len(words) :]]
    assert lengths_s == pytest.approx(on_disk, abs=0.0015)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("faster_whisper") is None, reason="faster_whisper is not installed")
@pytest.mark.parametrize("name", story_names()[:3])
def test_whisper_understands_each_voice(realdata: Path, name: str):
    whisper = check_speech.load_whisper(realdata / "weights" / "whisper-tiny.en-ct2")
    score = check_speech.score_story(name, whisper)
    assert score.wer < 0.12
    assert abs(np.median(score.onset_lags_s)) < 0.15

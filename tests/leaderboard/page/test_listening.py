"""Clips and their mel pictures: the same ones of every encoder, spread evenly, kept once."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.leaderboard.page.folder import build
from eeg2speech_bench.leaderboard.page.listening_items import ListeningItem, clip_numbers, read_items
from eeg2speech_bench.leaderboard.page.spectrogram import N_BANDS, draw_mel


def test_all_encoders_are_heard_on_the_same_evenly_spaced_clips_with_their_own_scores(
    tmp_path, write, write_audio, metric
):
    for name in ("one", "two"):
        record = write(tmp_path, name)
        record.metrics.append(metric("mel_correlation", "eeg", 0.1))
        write_audio(tmp_path, record)
    out = build([tmp_path], tmp_path / "out").index.parent
    text = (out / "listen" / "1.html").read_text()
    assert [int(n) - 1 for n in re.findall(r"<small>\s*clip (\d+) of 20", text)] == clip_numbers(20)
    for name in ("one", "two"):
        assert text.count(f'aria-label="clips of {name}"') == 8
    assert "mel r 0.19" in text  # of the last clip


def segments(path, **columns):
    rows = {"metric": "mel_correlation", "condition": "eeg", "subject": "01", "stimulus": 3, "start_s": [0.0, 3.0, 6.0]}
    table = pd.DataFrame(rows | {"value": [0.0, 0.3, 0.6]} | columns)
    pd.concat([table, table.assign(condition="vocoder")]).to_parquet(path / "segments.parquet")
    return path / "segments.parquet"


def test_a_clip_is_found_by_its_number_whatever_the_order_of_rows(tmp_path):
    (item,) = read_items(segments(tmp_path, clip=[1, -1, 0]), [0], 2, {"mel_correlation": "mel r"})
    assert item.origin == ("01", "3", 6.0)
    assert item.shown("eeg") == [("mel r", "0.60")]


def test_without_numbers_the_order_of_rows_is_that_of_the_clips(tmp_path):
    assert [item.origin[2] for item in read_items(segments(tmp_path), [0, 2], 3, {})] == [0.0, 6.0]


def test_segments_of_other_clips_have_nothing_to_say(tmp_path):
    assert read_items(segments(tmp_path), [0], 2, {}) == [ListeningItem(0, None)]


@pytest.mark.parametrize("columns", [{"value": "much"}, {"start_s": "late"}])
def test_segments_that_are_no_table_of_numbers_are_refused(tmp_path, columns):
    with pytest.raises(DataError, match="is no table of segments"):
        read_items(segments(tmp_path, **columns), [0], 3, {})


def test_chosen_clips_are_spread_from_the_first_to_the_last():
    assert clip_numbers(78) == [0, 11, 22, 33, 44, 55, 66, 77]
    assert clip_numbers(3) == [0, 1, 2]
    assert clip_numbers(1) == [0]


def test_equal_audio_is_kept_once(tmp_path, write, write_audio):
    for name in ("one", "two"):
        write_audio(tmp_path, write(tmp_path, name))  # both write the same clips
    out = build([tmp_path], tmp_path / "out").index.parent
    assert len(list((out / "audio").glob("*.flac"))) <= 8 * 5  # eight clips of five conditions


def test_a_mel_picture_shows_a_tone_at_its_height(tmp_path):
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    (tmp_path / "tone.png").write_bytes(draw_mel(tone, 16_000))
    levels = np.asarray(Image.open(tmp_path / "tone.png").convert("L"))
    assert levels.shape == (N_BANDS, 100)
    # 1000 Hz is 1000 mel of 2840 at 8000 Hz: band 22 of 64 from below
    assert N_BANDS - 1 - int(levels[:, 50].argmax()) == pytest.approx(1000 / 2840 * (N_BANDS + 1) - 1, abs=1)

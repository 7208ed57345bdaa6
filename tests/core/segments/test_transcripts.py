"""Words belong to the window that holds their middle."""

from __future__ import annotations

import numpy as np

from eeg2speech_bench.core.segments.transcripts import words_in_windows


def test_a_word_belongs_to_the_window_that_holds_its_middle():
    texts = words_in_windows(["one", "two", "three"], np.array([0.9, 1.1, 2.0]), np.array([0.0, 1.0, 2.0]), 1.0)
    assert texts == ["one", "two", "three"]


def test_words_stand_in_the_order_of_time():
    assert words_in_windows(["late", "early"], np.array([0.5, 0.2]), np.array([0.0]), 1.0) == ["early late"]


def test_a_window_without_words_has_no_text():
    assert words_in_windows([], np.array([]), np.array([0.0, 1.0]), 1.0) == ["", ""]

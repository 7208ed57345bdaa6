"""The table of words is read by name, and edited copies are refused."""

from __future__ import annotations

import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.brennan2019.story import FILE, read_story


@pytest.fixture
def lines(tables):
    return tables.story.decode().splitlines()


@pytest.fixture
def written(tmp_path):
    def write(lines):
        path = tmp_path / FILE
        path.write_text("\n".join(lines))
        return path

    return write


def test_words_are_read_with_their_segment_times_and_sentence(lines, written):
    words = read_story(written(lines)).spoken_in(2)
    assert len(words) == 177
    assert (words[0].start_s, round(words[0].stop_s - words[0].start_s, 3), words[0].sentence) == (0.046, 0.25, 8)


def test_a_column_more_changes_nothing(lines, written):
    plain = read_story(written(lines)).spoken_in(3)
    with_trigger = [",".join([row.split(",")[0], "1", *row.split(",")[1:]]) for row in lines]
    with_trigger[0] = with_trigger[0].replace("Word,1,", "Word,Trigger,")
    assert read_story(written(with_trigger)).spoken_in(3) == plain


def test_a_spreadsheet_s_true_is_the_word(lines, written):
    lines[1] = lines[1].replace("word1,", "TRUE,")
    assert read_story(written(lines)).spoken_in(1)[0].text == "true"


def test_a_copy_with_words_removed_is_refused(lines, written):
    with pytest.raises(DataError, match=r"edited copy of the table .*got 2106 rows, expected 2129, as published"):
        read_story(written([lines[0], *lines[24:]]))


def test_a_copy_with_a_number_twice_is_refused(lines, written):
    with pytest.raises(DataError, match=r"edited copy .* a number twice"):
        read_story(written([*lines[:-1], lines[-2]]))


def test_another_table_is_refused_by_its_columns(lines, written):
    lines[0] = lines[0].replace("Order", "Index")
    with pytest.raises(DataError, match=r"is not the table of the story's words: got no column Order"):
        read_story(written(lines))

"""Tables are read as BIDS means them, or refused by table, row and value."""

from __future__ import annotations

import numpy as np
import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.bids.tables import numbers, read_table

ROWS = "onset\tstim_file\n1.5\ta.wav\n2\tn/a\n"


@pytest.fixture
def table_of(tmp_path):
    def write(content, name="t.tsv", encoding="utf8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


def cells(path, **options):
    table = read_table(path, **options)
    return [list(table.columns), *table.values.tolist()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("word", ["Hörbuch", "für", "naïve"])
def test_a_table_is_read_in_each_encoding_that_is_met(table_of, encoding, word):
    path = table_of(f"onset\tword\n1\t{word}\n", encoding=encoding)
    assert cells(path) == [["onset", "word"], ["1", word]]


def test_a_table_that_is_not_utf_8_is_noted_with_its_byte(table_of):
    lines = []
    read_table(table_of("onset\tword\n1\tfür\n", encoding="latin-1"), lines.append)
    assert lines == ["t.tsv is not UTF-8 (byte 14: 0xfc); read as Latin-1"]


def test_quotation_marks_of_windows_keep_their_meaning(table_of):
    assert cells(table_of("word\tonset\n“so”\t1\n", encoding="cp1252"))[1] == ["“so”", "1"]


def test_utf_16_without_a_mark_is_refused(table_of):
    with pytest.raises(DataError, match=r"t\.tsv is no text: got zero bytes.*Save it as UTF-8"):
        read_table(table_of(ROWS.encode("utf-16-le")))


@pytest.mark.parametrize("word", ['"come', 'here"', '""', "#1", "it's", "a\u2028b", "null", "None", "nan"])
def test_a_cell_keeps_its_characters_and_its_row(table_of, word):
    path = table_of(f"onset\tword\n1\t{word}\n2\tend\n")
    assert cells(path)[1:] == [["1", word], ["2", "end"]]


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\n\t\n", "\r\n\r\n"])
def test_empty_last_lines_are_no_rows(table_of, end):
    assert len(cells(table_of("onset\tword\n1\ta" + end))) == 2


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_end_as_on_any_system(table_of, newline):
    assert cells(table_of(ROWS.replace("\n", newline)))[1:] == [["1.5", "a.wav"], ["2", "n/a"]]


def test_blanks_around_names_and_cells_are_dropped(table_of):
    assert cells(table_of("onset \t stim_file\n 1\ta.wav \n")) == [["onset", "stim_file"], ["1", "a.wav"]]


def test_a_column_without_a_name_is_dropped(table_of):
    assert cells(table_of("\tword\n0\tAct\n1\tone,\n")) == [["word"], ["Act"], ["one,"]]


def test_empty_cells_beyond_the_last_column_do_not_count(table_of):
    assert cells(table_of("onset\tword\t\n1\ta\t\t\n2\tb\n"))[1:] == [["1", "a"], ["2", "b"]]


@pytest.mark.parametrize(("row", "n"), [("3", 1), ("3\tb\tc", 3)])
def test_a_row_with_another_number_of_cells_is_refused_by_its_number(table_of, row, n):
    with pytest.raises(
        DataError, match=rf"Row 4 of table .*t\.tsv has {n} cells: got '3.*expected 2, .*onset, stim_file"
    ):
        read_table(table_of(ROWS + row + "\n"))


@pytest.mark.parametrize(("mark", "name"), [(",", "commas"), (";", "semicolons"), (" ", "blanks")])
def test_a_table_of_another_separator_is_refused_by_its_name(table_of, mark, name):
    with pytest.raises(DataError, match=rf"is separated by {name}: .*expected tabs.*tab-separated"):
        read_table(table_of(ROWS.replace("\t", mark)))


def test_a_column_that_is_there_twice_is_refused(table_of):
    with pytest.raises(DataError, match="has a column twice: got onset"):
        read_table(table_of("onset\tonset \tword\n1\t2\ta\n"))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_table_is_refused(table_of, content):
    with pytest.raises(DataError, match=r"t\.tsv is empty"):
        read_table(table_of(content))


@pytest.mark.parametrize(
    "pointer", ["/annex/objects/SHA256E-s17--86.tsv\n", "version https://git-lfs.github.com/spec/v1\n"]
)
def test_a_pointer_is_not_a_table_that_lacks_columns(table_of, pointer):
    with pytest.raises(DataError, match=r"t\.tsv was not downloaded: .*Run: datalad get"):
        read_table(table_of(pointer))


def test_a_csv_is_separated_by_commas_and_may_quote(table_of):
    assert cells(table_of('Word,onset\n"so, so",1\n', name="t.csv")) == [["Word", "onset"], ["so, so", "1"]]


def test_a_csv_of_semicolons_is_refused(table_of):
    with pytest.raises(DataError, match="is separated by semicolons"):
        read_table(table_of("Word;onset\nso;1\n", name="t.csv"))


# Numbers


@pytest.mark.parametrize("cell", ["n/a", "NaN", "nan", "NA", ""])
def test_a_cell_without_a_number_is_missing(table_of, cell):
    path = table_of(f"onset\tword\n{cell}\ta\n")
    assert np.isnan(numbers(read_table(path), "onset", path)).tolist() == [True]


@pytest.mark.parametrize(("cell", "value"), [("1", 1.0), ("-0.5", -0.5), ("+2.", 2.0), ("1e-3", 1e-3), (".5", 0.5)])
def test_numbers_are_read_as_people_write_them(table_of, cell, value):
    path = table_of(f"onset\tword\n{cell}\ta\n")
    assert numbers(read_table(path), "onset", path).tolist() == [value]


@pytest.mark.parametrize("cell", ["1.234,5", "inf", "1_000", "0:01", "soon", '"1.0"'])
def test_what_is_no_number_is_refused_by_row_column_and_value(table_of, cell):
    path = table_of(f"onset\tword\n1\ta\n\n{cell}\tb\n")
    with pytest.raises(DataError, match=r"Row 4 of table .*t\.tsv has no number in column 'onset': got '"):
        numbers(read_table(path), "onset", path)


def test_a_decimal_comma_is_refused_with_what_to_write(table_of):
    path = table_of("onset\tword\n1,5\ta\n")
    with pytest.raises(DataError, match=r"got '1,5', expected a number with a decimal point.*Write 1\.5"):
        numbers(read_table(path), "onset", path)

"""Archives: parts in order, members inside, damage named."""

from __future__ import annotations

import io
import zipfile

import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.fetching.archives import JoinedParts, archives_among, natural_order, unpack


@pytest.fixture
def unpacked(tmp_path):
    """Unpack the bytes of an archive into a folder of its own."""

    def call(content: bytes):
        (tmp_path / "a.zip").write_bytes(content)
        (tmp_path / "out").mkdir()
        return unpack("a.zip", [tmp_path / "a.zip"], tmp_path / "out", lambda share: None)

    return call


def test_natural_order_counts_numbers():
    assert sorted(["x.part10", "x.part9", "x.part1"], key=natural_order) == ["x.part1", "x.part9", "x.part10"]


@pytest.mark.parametrize("ends", [".part1 .part2", ".part-00 .part-01", ".part_1 .part_2", ".001 .002"])
def test_parts_are_known_by_the_usual_endings(ends):
    parts = [f"c.zip{end}" for end in ends.split()]
    assert archives_among(parts) == {"c.zip": parts}


def test_parts_that_are_named_by_letters_are_in_the_order_of_split():
    assert archives_among(["c.zip.partab", "c.zip.partaa", "b.zip"]) == {
        "b.zip": ["b.zip"],
        "c.zip": ["c.zip.partaa", "c.zip.partab"],
    }


def test_files_that_are_no_archives_are_none():
    assert archives_among(["README.md", "a.wav", "zip", "a.zip.md5"]) == {}


def test_parts_that_do_not_begin_with_the_first_are_refused():
    with pytest.raises(DataError, match="got part 2 as the first"):
        archives_among(["c.zip.part2", "c.zip.part3"])


def test_joined_parts_read_like_one_file(tmp_path):
    content = bytes(range(100))
    parts = [tmp_path / str(k) for k in range(4)]
    for k, part in enumerate(parts):
        part.write_bytes(content[k * 30 : (k + 1) * 30])
    with io.BufferedReader(JoinedParts(parts), 7) as joined:
        assert joined.read() == content
        joined.seek(-45, io.SEEK_END)
        assert joined.read(40) == content[55:95]


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "C:/x", "a\\..\\..\\x"])
def test_a_member_outside_the_folder_is_refused_and_nothing_is_written(unpacked, make_zip, tmp_path, name):
    with pytest.raises(DataError, match="would not lie in its folder"):
        unpacked(make_zip({"good": b"1", name: b"2"}))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_link_is_refused(unpacked):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="holds a link"):
        unpacked(out.getvalue())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_refused(unpacked):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a", b"1")
        archive.writestr("a", b"2")
    with pytest.raises(DataError, match="holds a file twice: got a"):
        unpacked(out.getvalue())


def test_what_macos_adds_is_left_out(unpacked, make_zip):
    placed = unpacked(make_zip({"a/b": b"1", "__MACOSX/a/._b": b"2", "a/.DS_Store": b"3"}))
    assert [file.path for file in placed] == ["a/b"]


def test_a_damaged_archive_is_named(unpacked, make_zip):
    content = bytearray(make_zip({"a": b"x" * 5000}))
    content[2000] ^= 1
    with pytest.raises(DataError, match=r"Archive a\.zip cannot be unpacked: got BadZipFile"):
        unpacked(bytes(content))


def test_a_cut_archive_is_named(unpacked, make_zip):
    with pytest.raises(DataError, match=r"Archive a\.zip cannot be unpacked"):
        unpacked(make_zip({"a": b"x" * 5000})[:3000])

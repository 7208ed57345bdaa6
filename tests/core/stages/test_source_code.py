"""The hash of source follows what code does, and nothing is imported to find out."""

from __future__ import annotations

import sys

import pytest

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.stages import source_code
from eeg2speech_bench.core.stages.import_closure import code_behind, forget_sources
from eeg2speech_bench.core.stages.source_code import code_of, source_hash


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "made_up"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text("import beside\nimport numpy\nimport json\n")
    (folder / "two.py").write_text("raise RuntimeError\n")
    (folder / "table.csv").write_text("1,2\n")
    (tmp_path / "beside.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    forget_sources()
    yield folder
    forget_sources()


@pytest.mark.parametrize("name", ["one.py", "two.py", "table.csv"])
def test_the_hash_of_a_package_follows_each_of_its_files(package, name):
    before = source_hash("made_up")
    (package / name).write_text("value = 2\n")
    forget_sources()
    assert source_hash("made_up") != before


def test_a_plugin_is_its_package_with_modules_of_no_distribution_and_versions_of_libraries(package):
    closure = code_behind(["made_up.one:Encoder"])
    assert closure.modules == ("beside", "made_up")
    assert closure.libraries == ("numpy",)
    assert "made_up" not in sys.modules


def test_code_of_ours_is_followed_by_its_imports():
    modules = code_behind(["eeg2speech_bench.plugins.encoders.ridge:Ridge"]).modules
    assert "eeg2speech_bench.plugins.encoders.ridge" in modules
    assert "eeg2speech_bench.core.conditioning" in modules
    assert "eeg2speech_bench.plugins.encoders.brainmagick" not in modules


@pytest.mark.parametrize(
    "other",
    [
        'def f(a):\n    """Another sentence."""\n    return a + 1\n',
        "def f(a):\n    # a comment\n    return a + 1\n",
        "def f(a): return (a\n  + 1)\n",
    ],
)
def test_words_and_layout_are_not_code(other):
    assert code_of(other.encode()) == code_of(b"def f(a):\n    'A sentence.'\n    return a + 1\n")


@pytest.mark.parametrize("other", ["def f(a):\n    return a + 2\n", "def f(a, b=0):\n    return a + 1\n", "f = 1\n"])
def test_whatever_else_changes_is_code(other):
    assert code_of(other.encode()) != code_of(b"def f(a):\n    return a + 1\n")


def test_a_text_that_is_used_is_code():
    assert code_of(b"name = 'one'\n") != code_of(b"name = 'two'\n")


def test_nothing_is_imported_to_find_a_source(package):
    assert source_code.find_source("eeg2speech_bench.benchmarks.stages.align").name == "align.py"
    assert source_code.find_source("eeg2speech_bench.core.errors.DataError") is None


def test_source_that_is_not_there_is_an_error():
    with pytest.raises(StorageError, match="'no_such_module' was not found"):
        source_hash("no_such_module")

"""The hash of source follows what a module is made of, and nothing is imported to find out."""

from __future__ import annotations

import sys

import pytest

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.stages.source_code import modules_used, source_hash


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "made_up"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text("from made_up import two\nimport json\n")
    (folder / "two.py").write_text("def later():\n    from made_up.three import name\n    return name\n")
    (folder / "three.py").write_text("import made_up.one\nname = 1\n")
    (folder / "apart.py").write_text("raise RuntimeError\n")
    monkeypatch.syspath_prepend(tmp_path)
    for cached in (source_hash, modules_used):
        cached.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "made_up"]:
        monkeypatch.delitem(sys.modules, name)
    return folder


def test_a_module_uses_what_it_imports_directly_or_through_others_or_late(package):
    assert modules_used("made_up.one", "made_up") == ("made_up.one", "made_up.three", "made_up.two")


def test_what_is_not_imported_is_not_used(package):
    assert modules_used("made_up.three", "made_up.three") == ("made_up.three",)
    assert "made_up.apart" not in sys.modules


def test_the_hash_of_a_package_follows_each_of_its_files(package):
    before = source_hash("made_up")
    (package / "three.py").write_text("name = 2\n")
    source_hash.cache_clear()
    assert source_hash("made_up") != before


def test_source_that_is_not_there_is_an_error():
    with pytest.raises(StorageError, match="'no_such_module' was not found"):
        source_hash("no_such_module")

"""The hash of source follows what code does, and nothing is imported to find out."""

from __future__ import annotations

import py_compile
import sys

import pytest

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.registry.discovery import PluginChoice
from eeg2speech_bench.core.registry.registry import Registry, load_others
from eeg2speech_bench.core.stages import source_code
from eeg2speech_bench.core.stages.import_closure import code_behind, forget_sources, is_library
from eeg2speech_bench.core.stages.keys import KeyParts
from eeg2speech_bench.core.stages.source_code import parse_source, source_hash


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
    assert parse_source(other.encode()).code == parse_source(b"def f(a):\n    'A sentence.'\n    return a + 1\n").code


@pytest.mark.parametrize("other", ["def f(a):\n    return a + 2\n", "def f(a, b=0):\n    return a + 1\n", "f = 1\n"])
def test_whatever_else_changes_is_code(other):
    assert parse_source(other.encode()).code != parse_source(b"def f(a):\n    return a + 1\n").code


def test_a_text_that_is_used_is_code():
    assert parse_source(b"name = 'one'\n").code != parse_source(b"name = 'two'\n").code


def test_nothing_is_imported_to_find_a_source(package):
    assert source_code.find_source("eeg2speech_bench.benchmarks.stages.align").name == "align.py"
    assert source_code.find_source("eeg2speech_bench.core.errors.DataError") is None


def test_source_that_is_not_there_is_an_error():
    with pytest.raises(StorageError, match="'no_such_module' was not found"):
        source_hash("no_such_module")


def test_a_broken_module_of_a_package_counts_by_its_characters(package):
    (package / "two.py").write_text("print 'for another Python'\n")
    forget_sources()
    before = source_hash("made_up")
    assert code_behind(["made_up.one:Encoder"]).modules == ("beside", "made_up")
    (package / "two.py").write_text("print 'for yet another'\n")
    forget_sources()
    assert source_hash("made_up") != before


def test_a_package_without_source_counts_by_its_compiled_code(package):
    for name in ("one", "two", "__init__"):
        py_compile.compile(str(package / f"{name}.py"), cfile=str(package / f"{name}.pyc"))
        (package / f"{name}.py").unlink()
    forget_sources()
    before = source_hash("made_up")
    (package / "two.pyc").write_bytes(b"other code")
    forget_sources()
    assert source_hash("made_up") != before


def test_compiled_code_beside_its_source_does_not_count(package):
    before = source_hash("made_up")
    py_compile.compile(str(package / "one.py"), cfile=str(package / "one.pyc"))
    forget_sources()
    assert source_hash("made_up") == before


def test_relative_imports_stay_within_the_package(package):
    (package / "one.py").write_text("from . import two\nfrom .two import value\n")
    forget_sources()
    assert code_behind(["made_up.one:Encoder"]).modules == ("made_up",)
    assert code_behind(["made_up.one:Encoder"]).libraries == ()


def test_a_package_without_init_counts_with_all_its_files(package):
    (package / "__init__.py").unlink()
    forget_sources()
    before = source_hash("made_up")
    (package / "two.py").write_text("value = 2\n")
    forget_sources()
    assert source_hash("made_up") != before


PLUGIN_FILE = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent))
from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.specs import EncoderSpec

@hookimpl
def register_encoders():
    return [EncoderSpec("mine", "plugin_in_a_file:Net")]

def make():
    from layers_beside_the_plugin import VALUE
"""


def test_a_file_beside_a_plugin_file_that_it_imports_counts(tmp_path, monkeypatch):
    file, beside = tmp_path / "plugin_in_a_file.py", tmp_path / "layers_beside_the_plugin.py"
    file.write_text(PLUGIN_FILE)
    beside.write_text("VALUE = 1\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    registry = Registry(PluginChoice(files=(file,), allowed=()))
    load_others(registry)
    forget_sources()
    target = registry.get("encoder", "mine").target
    before = KeyParts.of({}, {}, code_behind([target]))
    beside.write_text("VALUE = 2\n")
    forget_sources()
    now = KeyParts.of({}, {}, code_behind([target]))
    assert now.changes_since(before) == ["module layers_beside_the_plugin changed"]
    sys.modules.pop(file.stem)


def editable(folder, name: str, *packages: str) -> None:
    """Write what ``pip install -e`` leaves: metadata without files, and a path."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "top_level.txt").write_text("\n".join(packages))
    (info / "direct_url.json").write_text('{"url": "file:///src", "dir_info": {"editable": true}}')


def test_a_second_package_of_a_distribution_in_editing_counts(package):
    root = package.parent
    (root / "made_up_layers").mkdir()
    (root / "made_up_layers" / "__init__.py").write_text("value = 1\n")
    (package / "two.py").write_text("import made_up_layers\n")
    editable(root, "made_up", "made_up", "made_up_layers")
    forget_sources()
    assert code_behind(["made_up.one:Encoder"]).modules == ("beside", "made_up", "made_up_layers")
    assert not is_library("made_up")
    assert is_library("numpy")
    assert is_library("json")

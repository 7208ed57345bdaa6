"""Which plugins are found and wanted, and which single files can be one."""

from __future__ import annotations

import hashlib
import importlib
import sys
from pathlib import Path

import pytest

from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.core.registry.discovery import PluginChoice, Provenance, file_sources, installed_sources
from eeg2speech_bench.core.registry.registry import Registry, load_others
from eeg2speech_bench.core.stages.source_code import source_hash

PLUGIN = """
from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.specs import EncoderSpec

class Net:
    pass

@hookimpl
def register_encoders():
    return [EncoderSpec("mine", f"{__name__}:Net", "in one file")]
"""
ORIGIN = Provenance("my-net", "My_Package", "1.0")


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "single_file_plugin.py"
    path.write_text(PLUGIN)
    monkeypatch.delitem(sys.modules, path.stem, raising=False)
    yield path
    sys.modules.pop(path.stem, None)


@pytest.mark.parametrize("named", ["my-net", "my_net", "MY.NET", "my-package", "My_Package"])
def test_a_plugin_is_named_by_entry_point_or_distribution_in_any_spelling(named):
    assert PluginChoice(disabled=(named,)).leaves_out(ORIGIN) == "--disable"
    assert PluginChoice(disabled_by_environment=(named,)).leaves_out(ORIGIN) == "EEG2SPEECH_BENCH_DISABLE"
    assert PluginChoice(allowed=(named,)).leaves_out(ORIGIN) == ""


@pytest.mark.parametrize("allowed", [(), ("other",)])
def test_what_is_not_allowed_is_left_out_and_a_file_that_was_named_is_not(allowed):
    choice = PluginChoice(allowed=allowed)
    assert choice.leaves_out(ORIGIN) == "it is not in EEG2SPEECH_BENCH_PLUGINS"
    assert choice.leaves_out(Provenance("mine", "mine.py", "0", "/somewhere/mine.py")) == ""


def test_an_empty_allow_list_is_not_the_same_as_none(monkeypatch):
    monkeypatch.delenv("EEG2SPEECH_BENCH_PLUGINS", raising=False)
    assert PluginChoice.from_environment().allowed is None
    monkeypatch.setenv("EEG2SPEECH_BENCH_PLUGINS", " ")
    assert PluginChoice.from_environment().allowed == ()


def test_a_single_file_is_loaded_under_its_stem_where_specs_and_hashes_find_it(file):
    registry = Registry(PluginChoice(files=(file,), allowed=()))
    load_others(registry)
    assert not registry.broken
    assert registry.get("encoder", "mine").load() is importlib.import_module(file.stem).Net
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert registry.provenance("encoder", "mine") == Provenance(file.stem, file.name, digest[:12], str(file))
    assert len(source_hash(file.stem)) == 16


def test_a_single_file_that_raises_leaves_no_half_module_and_names_its_line(file):
    file.write_text("x = 1\nraise ValueError('half way')\n")
    registry = Registry(PluginChoice(files=(file,), allowed=()))
    load_others(registry)
    (broken,) = registry.broken
    assert (broken.reason, broken.file) == ("ValueError: half way", f"{file}:2")
    assert broken.then == f"Correct {file}, or leave out --plugin."
    assert file.stem not in sys.modules


def test_a_syntax_error_names_the_line_that_python_names(file):
    file.write_text("x = 1\ndef broken(:\n")
    registry = Registry(PluginChoice(files=(file,), allowed=()))
    load_others(registry)
    assert registry.broken[0].reason.startswith("SyntaxError: ")
    assert registry.broken[0].file == f"{file}:2"


def test_the_same_file_twice_is_one_plugin(file):
    assert len(file_sources([file, file.parent / "." / file.name])) == 1


@pytest.mark.parametrize("name", ["json.py", "torch.py", "eeg2speech_bench.py", "pytest.py"])
def test_a_file_that_would_hide_a_module_is_refused(tmp_path, name):
    (tmp_path / name).write_text(PLUGIN)
    with pytest.raises(UsageError, match=r"would hide a module of the same name.*Give the file a name of its own"):
        file_sources([tmp_path / name])


def test_two_files_of_one_name_are_refused(tmp_path, file):
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / file.name
    other.write_text(PLUGIN)
    with pytest.raises(UsageError, match=f"got another --plugin {file.name}"):
        file_sources([file, other])


@pytest.mark.parametrize("name", ["my-net.py", "net.txt", "class.py", "folder", "1st.py"])
def test_a_file_that_python_cannot_import_by_name_is_refused(tmp_path, name):
    (tmp_path / name).write_text(PLUGIN)
    with pytest.raises(UsageError, match=r"--plugin was not understood: got .*my_encoder\.py"):
        file_sources([tmp_path / name])


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"absent\.py cannot be read: got No such file"):
        file_sources([tmp_path / "absent.py"])


def distribution(folder: Path, name: str, entry_points: str, metadata: str | None = None) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n" if metadata is None else metadata
    )
    (info / "entry_points.txt").write_bytes(entry_points.encode("latin1"))


def test_metadata_that_cannot_be_read_costs_its_owner_alone(tmp_path, monkeypatch):
    distribution(tmp_path, "sound", "[eeg2speech_bench]\nsound = sound_module\n")
    distribution(tmp_path, "nameless", "[eeg2speech_bench]\nnameless = nameless_module\n", metadata="")
    distribution(tmp_path, "latin", "[eeg2speech_bench]\n\xe9 = latin_module\n")
    distribution(tmp_path, "elsewhere", "[console_scripts]\nno equals sign\n")
    distribution(tmp_path, "garbled", "[eeg2speech_bench]\nno equals sign\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = {s.provenance.entry_point: s for s in installed_sources()}
    assert {"sound", "nameless", "garbled"} <= found.keys()
    assert found["sound"].provenance == Provenance("sound", "sound", "1.0")
    assert found["nameless"].provenance.distribution == "unknown"
    with pytest.raises(TypeError):
        found["garbled"].load()

"""The scaffold: names that cannot work are refused, nothing is overwritten, and what is written is whole."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
import tomllib
from argparse import ArgumentParser
from pathlib import Path

import pytest
import torch

from eeg2speech_bench.core.conditioning import check_conditioning
from eeg2speech_bench.core.errors import StorageError, UsageError
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.segments.segment_store import Batch, SignalInfo, TargetInfo
from eeg2speech_bench.core.specs import EncoderSpec
from eeg2speech_bench.plugins import scaffold
from eeg2speech_bench.plugins.scaffold import EncoderNames, check_name, write_package

WRITTEN = [
    "README.md",
    "pyproject.toml",
    "src/dawn_net/__init__.py",
    "src/dawn_net/encoder.py",
    "tests/test_dawn_net.py",
]


def files_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write_package(EncoderNames("dawn-net"), tmp_path)


@pytest.fixture
def importable(package: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(package / "src")
    yield package
    for module in [name for name in sys.modules if name.partition(".")[0] == "dawn_net"]:
        del sys.modules[module]


def type_new(*arguments: str) -> int:
    parser = ArgumentParser()
    scaffold.configure(parser)
    return scaffold.new(parser.parse_args(arguments), load_registry())


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("DawnNet", "dawn-net"),
        ("dawn_net", "dawn-net"),
        ("dawn--net", "dawn-net"),
        ("dawn-net-", "dawn-net"),
        ("../late", "late"),
        ("/etc/late", "etc-late"),
        ("late\n", "late"),
        ("2late", "net-2late"),
        ("läte", "late"),
        ("", "my-encoder"),
        ("..", "my-encoder"),
        ("l" * 65, "l" * 64),
    ],
)
def test_a_name_that_is_none_is_refused_with_the_nearest_one_that_is(name, suggestion):
    with pytest.raises(UsageError, match=rf"letters, digits and single hyphens, .* Try '{suggestion}'\."):
        check_name(name, set())
    assert check_name(suggestion, set()).name == suggestion


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("noise-eeg", "a registered encoder"),
        ("class", "a word of Python"),
        ("none", "a word of Python"),
        ("baselines", "a word of Python or of the command line"),
        ("conditioning", "the class Conditioning"),
        ("json", "a module of Python"),
        ("torch", "an installed package"),
        ("eeg2speech-bench", "an installed package"),
    ],
)
def test_a_name_that_something_has_is_refused_with_who_has_it(name, owner):
    with pytest.raises(UsageError, match=f"'{name}' is taken by {owner}.*Try '{name}-net'"):
        check_name(name, {"noise_eeg", "ridge"})


def test_every_encoder_that_is_registered_keeps_its_name():
    for spec in load_registry().all("encoder"):
        with pytest.raises(UsageError):
            type_new("encoder", spec.name)


def test_the_class_and_the_module_are_spelled_as_python_spells_them():
    names = check_name("dawn-net2", set())
    assert (names.module, names.class_name) == ("dawn_net2", "DawnNet2")


def test_the_verb_writes_the_package_here_and_says_what_to_type_next(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert type_new("encoder", "dawn-net") == 0
    assert files_of(tmp_path / "dawn-net") == WRITTEN
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "Wrote dawn-net:"
    assert [line.strip() for line in said[1:6]] == WRITTEN
    assert [line.strip() for line in said if line.startswith("  ")][5:] == [
        "pip install -e dawn-net",
        "eeg2speech-bench check dawn-net",
        "eeg2speech-bench run --encoder dawn-net --scores retrieval",
        "eeg2speech-bench run --encoder dawn-net",
    ]


def test_a_folder_with_a_space_can_be_pasted_into_a_shell(tmp_path, capsys):
    folder = tmp_path / "my plugins"
    type_new("encoder", "dawn-net", "--directory", str(folder))
    assert f"pip install -e '{folder / 'dawn-net'}'" in capsys.readouterr().out


@pytest.mark.parametrize("taken", ["folder", "file", "link"])
def test_nothing_that_is_there_is_overwritten(tmp_path, taken):
    place = tmp_path / "dawn-net"
    if taken == "folder":
        place.mkdir()
        (place / "thesis.txt").write_text("years")
    elif taken == "file":
        place.write_text("years")
    else:
        place.symlink_to(tmp_path / "nowhere")
    before = files_of(tmp_path)
    with pytest.raises(UsageError, match="dawn-net is there already, and nothing of it was changed"):
        write_package(EncoderNames("dawn-net"), tmp_path)
    assert files_of(tmp_path) == before


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "dawn-net").mkdir()
    assert files_of(write_package(EncoderNames("dawn-net"), tmp_path)) == WRITTEN


def test_a_write_that_fails_half_way_leaves_nothing(tmp_path, monkeypatch):
    written = Path.write_text

    def full(path: Path, *arguments, **options):
        if path.name == "encoder.py":
            raise OSError(28, "No space left on device")
        return written(path, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(StorageError, match=r"dawn-net could not be written: got No space left.*--directory"):
        write_package(EncoderNames("dawn-net"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_somebody_fills_meanwhile_is_left_to_them(tmp_path, monkeypatch):
    rename = Path.rename

    def late(path: Path, target: Path):
        target.mkdir()
        (target / "theirs.txt").write_text("first")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", late)
    with pytest.raises(StorageError):
        write_package(EncoderNames("dawn-net"), tmp_path)
    assert files_of(tmp_path) == ["dawn-net/theirs.txt"]


def test_every_template_is_used_and_no_place_is_left_open(package):
    templates = Path(scaffold.__file__).parent / "templates"
    assert {path.name for path in templates.iterdir()} == {f"{template}.tmpl" for template in scaffold.FILES}
    for file in files_of(package):
        assert "$" not in (package / file).read_text(encoding="utf8"), file


def test_the_entry_point_names_the_module_in_the_group_of_the_suite(package):
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf8"))["project"]
    assert project["name"] == "dawn-net"
    assert project["entry-points"] == {"eeg2speech_bench": {"dawn-net": "dawn_net"}}
    assert project["dependencies"] == ["eeg2speech-bench"]


def test_the_code_is_short_and_documented(package):
    for path in package.rglob("*.py"):
        text = path.read_text(encoding="utf8")
        assert len(text.splitlines()) <= 55
        assert max(map(len, text.splitlines())) <= 120
        tree = ast.parse(text)
        defined = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef | ast.FunctionDef)]
        public = [node for node in defined if not node.name.startswith(("_", "test_"))]
        assert all(ast.get_docstring(node) for node in (tree, *public))


def test_registering_loads_no_torch(importable):
    script = "import sys, dawn_net; print(dawn_net.register_encoders(), 'torch' in sys.modules)"
    path = {"PYTHONPATH": str(importable / "src")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=path)
    assert done.stdout.startswith("[EncoderSpec(name='dawn-net', target='dawn_net.encoder:DawnNet'")
    assert done.stdout.split()[-1] == "False"


@pytest.mark.parametrize(("n_times", "n_tokens"), [(346, 86), (346, 1), (7, 12)])
def test_the_encoder_returns_as_many_tokens_as_the_target_has(importable, n_times, n_tokens):
    (spec,) = importlib.import_module("dawn_net").register_encoders()
    target = TargetInfo(8, n_tokens, 30.0)
    signal = SignalInfo(n_chans=5, n_times=n_times, sfreq=120.0, chs_info=(), n_subjects=2)
    encoder = spec.load().build(signal, target, hidden=6)
    batch = Batch(torch.randn(3, 5, n_times), torch.zeros(3, dtype=torch.long), torch.arange(3))
    conditioning = check_conditioning("dawn-net", encoder(batch), 3, target)
    assert conditioning.embeddings.shape == (3, n_tokens, 8)


def test_the_options_are_those_of_the_constructor(importable):
    spec = EncoderSpec("dawn-net", "dawn_net.encoder:DawnNet")
    spec.check_options(["hidden", "depth"])
    with pytest.raises(UsageError, match="Did you mean 'hidden'"):
        spec.check_options(["hiden"])

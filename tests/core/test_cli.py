"""The command line: which verb, which plugins, which exit code."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from eeg2speech_bench.core import cli
from eeg2speech_bench.core.cli import main
from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.registry import registry
from eeg2speech_bench.core.registry.discovery import Provenance, Source
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.specs import CommandSpec

VERBS = "verbs_of_the_test"


@pytest.fixture
def loaded(monkeypatch) -> list[Registry]:
    """Give the suite two verbs, of which one needs plugins, and an outsider a third; return who asked for outsiders."""
    asked: list[Registry] = []
    module = ModuleType(VERBS)
    module.configure = lambda parser: parser.add_argument("--width")
    module.configure_not = lambda parser: pytest.fail("options of a verb that was not typed")
    module.run = lambda arguments, registry: print(arguments.verb, arguments.width, sorted(registry.choice.disabled))
    monkeypatch.setitem(sys.modules, VERBS, module)

    def verb(name: str, **fields: object) -> CommandSpec:
        return CommandSpec(name, f"{VERBS}:run", "100 % of it", configure=f"{VERBS}:configure", **fields)

    def load_own(choice):
        own = Registry(choice)
        own.add(verb("train"), Provenance("rooms", "eeg2speech-bench", "1"))
        own.add(verb("show", loads_plugins=False), Provenance("rooms", "eeg2speech-bench", "1"))
        unused = CommandSpec("unused", f"{VERBS}:run", configure=f"{VERBS}:configure_not")
        own.add(unused, Provenance("rooms", "eeg2speech-bench", "1"))
        return own

    def load_others(registry):
        if not registry.complete:
            asked.append(registry)
            registry.add(verb("greet"), Provenance("outside", "outside", "1"))
            registry.complete = True

    monkeypatch.setattr(cli, "load_own", load_own)
    monkeypatch.setattr(cli, "load_others", load_others)
    monkeypatch.delenv("EEG2SPEECH_BENCH_DISABLE", raising=False)
    return asked


@pytest.mark.parametrize(("typed", "n_loads"), [("train", 1), ("show", 0), ("greet", 1)])
def test_plugins_are_loaded_once_by_verbs_that_need_them_or_are_theirs(loaded, capsys, typed, n_loads):
    assert main([typed, "--width", "3"]) == 0
    assert capsys.readouterr().out == f"{typed} 3 []\n"
    assert len(loaded) == n_loads


@pytest.mark.parametrize(
    "typed", [["--help"], ["-h"], ["--version"], ["train", "--help"], ["--disable", "x", "--help"]]
)
def test_help_and_version_load_no_plugin(loaded, capsys, typed):
    with pytest.raises(SystemExit) as stop:
        main(typed)
    assert stop.value.code == 0
    assert not loaded
    assert capsys.readouterr().out


def test_help_lists_the_verbs_and_the_options_that_choose_plugins(loaded, capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(part in said for part in ("train", "show", "100 % of it", "--plugin FILE.py", "--disable NAME"))


@pytest.mark.parametrize(
    "typed",
    [
        ["--disable", "a", "train", "--width", "3", "--disable=b"],
        ["train", "--disable", "a", "--disable", "b", "--width", "3"],
        ["--disable=a", "--disable", "b", "train", "--width=3"],
    ],
)
def test_options_that_choose_plugins_stand_before_or_after_the_verb(loaded, capsys, typed):
    assert main(typed) == 0
    assert capsys.readouterr().out == "train 3 ['a', 'b']\n"


@pytest.mark.parametrize("typed", [["train", "--disab", "a"], ["--disab", "a", "train"]])
def test_an_abbreviated_choice_is_refused_and_not_ignored(loaded, capsys, typed):
    with pytest.raises(SystemExit) as stop:
        main(typed)
    assert stop.value.code == 2


def test_an_unknown_verb_is_told_all_there_are_and_the_nearest(loaded, capsys):
    assert main(["gret"]) == 2
    said = capsys.readouterr().err
    assert "expected one of: greet, show, train, unused. Did you mean 'greet'?" in said


def test_no_verb_is_a_usage_error(loaded, capsys):
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
    assert not loaded


def test_a_verb_runs_another_with_the_registry_at_hand(loaded, capsys):
    at_hand = cli.load_own(cli.PluginChoice(disabled=("z",)))
    assert cli.run_verb(at_hand, ["show", "--width", "5"]) == 0
    assert capsys.readouterr().out == "show 5 ['z']\n"


def test_ctrl_c_exits_with_130(loaded, monkeypatch, capsys):
    def stop(arguments: argparse.Namespace, registry: Registry) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules[VERBS], "run", stop)
    assert main(["train"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_plugin_stopped_while_loading_exits_with_130_and_is_named(monkeypatch, capsys):
    def stop() -> None:
        raise KeyboardInterrupt

    endless = Source(Provenance("endless", "endless-net", "1"), "", stop)
    monkeypatch.setattr(registry, "installed_sources", lambda: [endless])
    monkeypatch.delenv("EEG2SPEECH_BENCH_PLUGINS", raising=False)
    assert main(["encoders"]) == 130
    assert "plugin 'endless' (endless-net) was loaded. Leave it out with --disable endless" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_output_that_finds_no_room_is_an_error_in_one_line() -> None:
    command = [sys.executable, "-m", "eeg2speech_bench.core", "encoders"]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("error: The disk is full")


def test_a_reader_that_goes_away_is_no_failure() -> None:
    command = f"{sys.executable} -m eeg2speech_bench.core encoders | head -1; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_cache_is_the_folder_that_the_environment_names(monkeypatch) -> None:
    monkeypatch.setenv("EEG2SPEECH_BENCH_CACHE", "/elsewhere/cache")
    assert cli.default_cache() == Path("/elsewhere/cache")


@pytest.mark.skipif(sys.platform != "linux", reason="the XDG folders are those of Linux")
@pytest.mark.parametrize(
    ("xdg", "expected"), [("/xdg", "/xdg/eeg2speech-bench"), ("", "/home/ann/.cache/eeg2speech-bench")]
)
def test_the_cache_lies_in_the_users_cache_folder(monkeypatch, xdg: str, expected: str) -> None:
    monkeypatch.delenv("EEG2SPEECH_BENCH_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    monkeypatch.setenv("HOME", "/home/ann")
    assert cli.default_cache() == Path(expected)


def test_an_error_that_quotes_a_plugin_cannot_control_the_terminal(monkeypatch, capsys):
    def fails(*arguments):
        raise BenchError("no", got="\x1b[2J\x1b]0;title\x07")

    monkeypatch.setattr(cli, "_run", fails)
    assert main(["encoders"]) == 1
    assert capsys.readouterr().err == "error: no: got  [2J ]0;title .\n"

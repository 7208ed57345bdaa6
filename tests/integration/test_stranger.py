"""A stranger's way from nothing to a row of the board, typed as the page "Add an encoder" says, really installed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from eeg2speech_bench.core.cli import build_parser, plugin_options
from eeg2speech_bench.core.registry.registry import load_registry

PAGE = Path(__file__).resolve().parents[2] / "docs" / "encoders.md"
NAME = "stranger-net"


@dataclass(frozen=True)
class Machine:
    """A virtual environment that sees the suite and everything else of this one, and a folder to work in."""

    python: Path
    folder: Path

    def type(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m ...`` there."""
        environment = {**os.environ, "EEG2SPEECH_BENCH_CACHE": str(self.folder / "cache"), "OMP_NUM_THREADS": "1"}
        typed = [str(self.python), "-m", *arguments]
        return subprocess.run(typed, cwd=self.folder, env=environment, capture_output=True, text=True)

    def bench(self, *arguments: str) -> str:
        """Run a command of the suite, which must succeed, and return what it printed."""
        done = self.type("eeg2speech_bench.core", *arguments)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """Make the environment; an environment made of an environment does not see its packages, so a .pth adds them."""
    folder = tmp_path_factory.mktemp("stranger")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = Path(subprocess.run([python, "-c", where], check=True, capture_output=True, text=True).stdout.strip())
    # addsitedir and not the folder's name alone: the suite may itself be installed by a .pth
    (own / "parent.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    return Machine(python, folder)


@pytest.fixture(scope="module")
def package(machine: Machine) -> Path:
    """Scaffold the package and install it."""
    machine.bench("new", "encoder", NAME)
    # without isolation, because building in isolation downloads the build tools
    options = ["--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    done = machine.type("pip", "install", *options, "-e", NAME)
    assert done.returncode == 0, done.stderr + done.stdout
    return machine.folder / NAME


@pytest.fixture(scope="module")
def results(machine: Machine, package: Path, prepared_bench, tiny_bids: Path) -> Path:
    """Run it with the tiny configuration, where the stages of the data set are there."""
    folder = machine.folder / "results"
    shutil.copytree(prepared_bench.folder / "cache", machine.folder / "cache", dirs_exist_ok=True)
    options = ["--config", prepared_bench.tiny()[1], "--results", str(folder), "--dataset", str(tiny_bids)]
    machine.bench("run", "--encoder", NAME, *options)
    return folder


def test_the_installed_package_is_listed_with_its_origin(machine, package):
    listed = json.loads(machine.bench("encoders", "--json"))
    (row,) = [encoder for encoder in listed["encoders"] if encoder["name"] == NAME]
    assert (row["distribution"], row["version"], row["target"]) == (NAME, "0.1.0", "stranger_net.encoder:StrangerNet")
    assert listed["broken"] == [] == listed["slow"]


def test_the_environment_that_runs_the_tests_is_left_as_it_was(package):
    assert NAME not in [spec.name for spec in load_registry().all("encoder")]


def test_the_encoder_as_written_passes_every_check(machine, package):
    (checked,) = json.loads(machine.bench("check", NAME, "--json"))
    outcomes = {check["name"]: check["outcome"] for check in checked["checks"]}
    assert len(outcomes) > 15
    assert "fail" not in outcomes.values()
    assert outcomes["overfits_8_segments"] == outcomes["gradient"] == outcomes["reads_only_its_signal"] == "pass"


def test_the_tests_of_the_package_pass(machine, package):
    done = machine.type("pytest", "-q", "-p", "no:cacheprovider", str(package))
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_it_stands_on_the_board_with_its_controls(machine, results):
    board = machine.bench("leaderboard", "--results", str(results), "--controls")
    assert re.search(rf"^ *{NAME} +two_listeners +quick +0 ", board, re.MULTILINE)
    assert f"{NAME} on two_listeners" in board
    assert "EEG at a wrong time" in board


def test_its_record_names_package_version_and_source(results):
    (path,) = (results / "records").glob("*.json")
    record = json.loads(path.read_text(encoding="utf8"))
    assert record["status"] == "done"
    assert (record["encoder"]["distribution"], record["encoder"]["version"]) == (NAME, "0.1.0")
    assert re.fullmatch("[0-9a-f]{16}", record["encoder"]["source_hash"])


def test_a_scaffold_of_a_name_that_is_installed_is_refused(machine, package):
    done = machine.type("eeg2speech_bench.core", "new", "encoder", NAME, "--directory", "elsewhere")
    assert done.returncode == 2
    assert f"'{NAME}' is taken by a registered encoder" in done.stderr
    assert not (machine.folder / "elsewhere").exists()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf8"), re.DOTALL | re.MULTILINE)


def commands_on_the_page() -> Iterator[list[str]]:
    for line in PAGE.read_text(encoding="utf8").splitlines():
        for typed in re.findall(r"(?:^    |`)(eeg2speech-bench [^`#]*)", line):
            yield shlex.split(typed)[1:]


def test_every_command_on_the_page_is_understood():
    registry, typed = load_registry(), list(commands_on_the_page())
    assert len(typed) >= 8
    for arguments in typed:
        _, rest = plugin_options().parse_known_args(arguments)
        build_parser(registry, rest[0]).parse_args(rest)


def test_the_way_on_the_page_has_at_most_ten_commands():
    way = PAGE.read_text(encoding="utf8").partition("## The way")[2].partition("\n## ")[0]
    typed = [line for line in way.splitlines() if line.startswith(("    pip ", "    eeg2speech-bench ", "    pytest"))]
    assert 5 <= len(typed) <= 10


def test_the_single_file_on_the_page_runs_as_a_plugin(tmp_path, bench):
    (text,) = [block for block in blocks("python") if "register_encoders" in block]
    file = tmp_path / "smooth.py"
    file.write_text(text)
    process = bench.start(str(file), "check", "smooth", verb="--plugin")
    said, errors = process.communicate(timeout=240)
    assert process.returncode == 0, said + errors
    assert " 0 failed" in said

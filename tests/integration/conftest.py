"""A real data set and a configuration so small that the whole chain takes seconds."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from eeg2speech_bench.datasets.simulation.dataset import simulate
from eeg2speech_bench.datasets.simulation.settings import SimulationSettings

#: loaded by its path, as pytest loads this file
_SPEC = importlib.util.spec_from_file_location("warm_python", Path(__file__).with_name("warm_python.py"))
assert _SPEC is not None and _SPEC.loader is not None
warm_python_module = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(warm_python_module)
FIXTURES = Path(__file__).resolve().parents[1] / "fixture_plugins"

#: options of the brainmagick encoder and of those built like it
NARROW_ENCODER = """
hidden = 8
depth = 2
virtual_channels = 8
initial_linear = 8
fourier_dim = 32
"""

TINY = """
[data]
stride_s = 2.0
sfreq = 60.0

[target.options]
deep_mel = { n_bands = 16, token_rate_hz = 12.5, hidden = 8, depth = 2, dim = 8 }
mel = { n_bands = 16, token_rate_hz = 12.5 }

[alignment]
batch_size = 16
steps_per_epoch = 4
max_epochs = 2

[autoencoder]
channels = [8, 8, 8]
patch = 2
batch_size = 2
max_steps = 2

[denoiser]
channels = [8, 16]
attention = [false, false]
attention_heads = [2, 2]
norm_groups = 4
frame_channels = 4

[diffusion]
batch_size = 4
max_steps = 3

[sampling]
n_steps = 2
n_clips = 6

[vocoder]
n_iter = 1

[scores]
n_bootstrap = 100
n_permutations = 200
""" + "".join(f"[encoder.{name}]{NARROW_ENCODER}" for name in ("brainmagick", "noise-trained", "random-weights"))


@dataclass(frozen=True)
class Bench:
    """The command line over one data set, one cache and one results folder."""

    folder: Path
    data: Path
    #: which Python runs commands, unless they are to be killed
    python: Path = Path(sys.executable)

    def start(self, *arguments: str, verb: str = "run") -> subprocess.Popen[str]:
        """Start a command in its own process."""
        command = [str(self.python), "-m", "eeg2speech_bench.core", verb, *arguments]
        environment = {**os.environ, "EEG2SPEECH_BENCH_CACHE": str(self.folder / "cache"), "OMP_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdout=pipe,
            stderr=pipe,
            text=True,
            preexec_fn=listen_to_ctrl_c,
        )

    def run(self, *arguments: str, dataset: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run cells to the end with the tiny configuration."""
        process = self.start(*self.tiny(), "--dataset", dataset or str(self.data), *arguments)
        return self.wait(process)

    def wait(self, process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
        """Wait until a command ends."""
        output, errors = process.communicate(timeout=240)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def tiny(self) -> list[str]:
        """Options that choose the tiny configuration."""
        config = self.folder / "tiny.toml"
        if not config.exists():  # another command may be reading it
            config.write_text(TINY)
        return ["--config", str(config), "--results", str(self.folder / "results")]

    def send(self, process: subprocess.Popen[str], sent: signal.Signals) -> None:
        """Send a signal to a command; what kills goes to the copy of a process that a stand-in waits for."""
        copy = self.python.with_name(f"{process.pid}.pid")
        os.kill(int(copy.read_text()) if sent == signal.SIGKILL and copy.exists() else process.pid, sent)

    def stop_during(self, stage: str, sent: signal.Signals, *arguments: str) -> int:
        """Start a run, send a signal as soon as a stage has begun, and return the exit code."""
        process = self.start(*self.tiny(), "--dataset", str(self.data), *arguments)
        stages = self.folder / "cache" / "stages"
        wait_for(lambda: any(stages.glob(f".partial-{stage}-*")), process)
        self.send(process, sent)
        process.communicate(timeout=120)
        return process.returncode


def listen_to_ctrl_c() -> None:
    """Undo what shells do to commands in the background, which are started with Ctrl-C switched off."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until a condition holds; fail if the process ends first."""
    deadline = time.monotonic() + 200
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def narrow_encoder() -> str:
    """Options that make the brainmagick encoder small, as TOML."""
    return NARROW_ENCODER


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of one pytest share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def tiny_bids(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two simulated listeners to six stories, as a BIDS folder, which nobody changes."""
    root = shared_folder / "two_listeners"
    with FileLock(f"{root}.lock"):
        if not root.exists():
            made = tmp_path_factory.mktemp("data") / root.name
            simulate(made, SimulationSettings(n_listeners=2, n_chans=16, snr_db=-10.0, stories=6)).rename(root)
    return root


@pytest.fixture(scope="session")
def warm_python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Python that has imported what commands need, where there are copies of processes (Linux)."""
    if not sys.platform.startswith("linux"):
        yield Path(sys.executable)
        return
    folder = tmp_path_factory.mktemp("warm")
    place = Path(tempfile.mkdtemp(dir="/tmp")) / "socket"  # an address of a socket has at most 107 letters
    command = [sys.executable, warm_python_module.__file__, "keep", str(place)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment) as kept:
        wait_for(place.exists, kept)
        yield warm_python_module.write_stand_in(folder, place)
        assert kept.stdin is not None
        kept.stdin.close()
    shutil.rmtree(place.parent)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, tiny_bids: Path, warm_python: Path) -> Bench:
    """The command line over a fresh cache."""
    return Bench(tmp_path_factory.mktemp("bench"), tiny_bids, warm_python)


@dataclass(frozen=True)
class FinishedRun:
    """A folder with the cache and the results of a run, and what that said."""

    folder: Path

    @property
    def stdout(self) -> str:
        return (self.folder / "stdout.txt").read_text(encoding="utf8")

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr.txt").read_text(encoding="utf8")

    @property
    def stages(self) -> Path:
        return self.folder / "cache" / "stages"


@pytest.fixture(scope="session")
def finished_run(shared_folder: Path, tiny_bids: Path, warm_python: Path) -> FinishedRun:
    """A cell that went the whole way, once for all processes of one pytest; who changes something takes a copy."""
    folder = shared_folder / "finished_run"
    with FileLock(f"{folder}.lock"):
        if not (folder / "stdout.txt").exists():
            folder.mkdir(exist_ok=True)
            done = Bench(folder, tiny_bids, warm_python).run("--encoder", "brainmagick", "--monitor")
            assert done.returncode == 0, done.stderr + done.stdout
            (folder / "stderr.txt").write_text(done.stderr, encoding="utf8")
            (folder / "stdout.txt").write_text(done.stdout, encoding="utf8")
    return FinishedRun(folder)


@pytest.fixture(scope="module")
def finished_bench(bench: Bench, finished_run: FinishedRun) -> Bench:
    """The command line over a copy of what the finished run left."""
    for name in ("cache", "results"):
        shutil.copytree(finished_run.folder / name, bench.folder / name)
    return bench


@pytest.fixture(scope="module")
def prepared_bench(bench: Bench, finished_run: FinishedRun) -> Bench:
    """The command line over a copy of those stages of the finished run that belong to the data set."""
    for manifest in finished_run.stages.glob("*/stage.json"):
        if "encoder" not in json.loads(manifest.read_text(encoding="utf8"))["subject"]:
            place = bench.folder / "cache" / "stages" / manifest.parent.name
            shutil.copytree(manifest.parent, place, dirs_exist_ok=True)
    return bench


def build_wheel(package: Path, folder: Path) -> Path:
    """Build a wheel of a fixture package, without a build backend, whose start would take seconds per package."""
    module, name = package.name, package.name.replace("_", "-")
    info = f"fixture_{module}-1.0.dist-info"
    texts = {f"{module}/{file.name}": file.read_text(encoding="utf8") for file in package.glob("*.py")}
    texts[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: fixture-{name}\nVersion: 1.0\n"
    texts[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    texts[f"{info}/entry_points.txt"] = f"[eeg2speech_bench]\n{name} = {module}\n"
    texts[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*texts, f"{info}/RECORD"])
    wheel = folder / f"fixture_{module}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in texts.items():
            archive.writestr(path, text)
    return wheel


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install every fixture package with pip into a folder of its own."""
    pytest.importorskip("pip", reason="the fixture packages are installed with pip")
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("installed")
    built = [
        build_wheel(package, wheels) for package in sorted(FIXTURES.iterdir()) if (package / "__init__.py").exists()
    ]
    options = ["--no-index", "--no-deps", "--no-compile", "--disable-pip-version-check", "--quiet", "--target", target]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, *built], check=True, capture_output=True)
    return target

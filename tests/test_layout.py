"""The rooms keep their doors, what is packaged is what is there, and light commands stay light."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {"core": set(), "plugins": {"core"}, "datasets": {"core"}, "benchmarks": {"core"}, "leaderboard": {"core"}}
PACKAGE = "eeg2speech_bench"


def imported_rooms(path: Path) -> set[str]:
    """Rooms that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively, which hides the room"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith(f"{PACKAGE}.")}
    return found & set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_through_its_doors(room):
    for path in (ROOT / room).rglob("*.py"):
        shut = imported_rooms(path) - ROOMS[room] - {room}
        assert not shut, f"{path.relative_to(ROOT)} imports {shut}"


def test_packaged_folders_are_the_folders_that_hold_modules():
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["tool"]["setuptools"]
    folders = {p.parent.relative_to(ROOT) for room in ROOMS for p in (ROOT / room).rglob("__init__.py")}
    assert {".".join((PACKAGE, *folder.parts)) for folder in folders} == set(setuptools["packages"])
    assert setuptools["package-dir"] == {".".join((PACKAGE, *folder.parts)): folder.as_posix() for folder in folders}


def test_every_packaged_folder_is_marked_as_typed():
    for room in ROOMS:
        for module in (ROOT / room).rglob("__init__.py"):
            assert (module.parent / "py.typed").is_file(), module.parent


def test_the_hugging_face_library_datasets_is_not_shadowed_by_our_folder():
    found = importlib.util.find_spec("datasets")
    assert found is None or not Path(str(found.origin)).is_relative_to(ROOT / "datasets")


HEAVY = ("torch", "lightning", "mne", "diffusers", "transformers", "braindecode", "pandas", "scipy")


@pytest.mark.parametrize("arguments", ["--help", "encoders", "datasets", "leaderboard --help", "run --help", "env"])
def test_light_commands_load_no_heavy_library(arguments):
    script = (
        "import sys; from eeg2speech_bench.core.cli import main\n"
        f"try: main({arguments.split()!r})\n"
        "except SystemExit: pass\n"
        f"print('LOADED', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_leaderboard_of_records_loads_no_torch(tmp_path):
    script = (
        "import sys; from eeg2speech_bench.core.cli import main\n"
        f"main(['leaderboard', '--results', {str(tmp_path)!r}])\n"
        "print('LOADED', [m for m in ('torch', 'mne', 'lightning') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"

"""The rooms keep their doors, what is packaged is what is there, and light commands stay light."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {"core": set(), "plugins": {"core"}, "datasets": {"core"}, "benchmarks": {"core"}, "leaderboard": {"core"}}
PACKAGE = "eeg2speech_bench"


#: what each room is made of, lowest floor first: folders, and modules that lie in the room itself
FLOORS = {
    "core": (
        "errors conditions",
        "machine presets segments specs statistics terminal",
        "conditioning hookspecs stages weights",
        "records registry training",
        "contrastive",
        "generator",
        "cli conformance",
        "__main__ __init__",
    ),
    "plugins": ("checking clap listing scaffold", "encoders", "hooks targets", "__init__"),
    "datasets": (
        "caps fetching first_reading hooks joined_trials matlab_files numbered_files opened_dataset options "
        "remembered_facts sounds speech",
        "cnd dtu dtu_release kul preparation",
        "audioeeg bids simulation",
        "brennan2019 broderick2019 gwilliams2022 libribrain schoffelen2019 sparrkulee",
        "checking opening",
        "check_command fetch_command",
        "commands",
        "__init__",
    ),
    "benchmarks": (
        "cache cells given_encoders halving metrics plugin_source",
        "hooks inputs probes",
        "models scoring",
        "speed stage_inputs",
        "stages",
        "report resolved_cell stage_runs step_times",
        "pipeline pretraining validity",
        "plan trained",
        "live runner",
        "launchers",
        "session",
        "commands",
        "generate_command model_command rerun status_command submit_command",
        "listen_command live_command __init__",
    ),
    "leaderboard": (
        "hooks labels results",
        "standings",
        "tables",
        "page",
        "comparison terminal",
        "commands frames",
        "__init__",
    ),
}


def module_name(path: Path) -> str:
    """Name a module as it is imported; a package by its folder."""
    inside = path.relative_to(ROOT).with_suffix("").parts
    return ".".join((PACKAGE, *inside)).removesuffix(".__init__")


MODULES = {module_name(path): path for room in ROOMS for path in (ROOT / room).rglob("*.py")}


def statements(node: ast.AST, *, for_checkers: bool) -> Iterator[ast.AST]:
    """Walk a syntax tree, with or without what is read by type checkers alone."""
    for inner in ast.iter_child_nodes(node):
        if for_checkers or not (isinstance(inner, ast.If) and "TYPE_CHECKING" in ast.unparse(inner.test)):
            yield inner
            yield from statements(inner, for_checkers=for_checkers)


def imported_modules(path: Path, *, for_checkers: bool = False) -> set[str]:
    """Modules of ours that a module imports, anywhere in it."""
    names: set[str] = set()
    for node in statements(ast.parse(path.read_text(encoding="utf8")), for_checkers=for_checkers):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively, which hides the room"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else str(node.module) for name in inner}
    return names & set(MODULES)


@cache
def all_imports() -> dict[str, set[str]]:
    """Modules of ours that each module imports; read when a test asks, since every process of pytest collects."""
    return {name: imported_modules(path) for name, path in MODULES.items()}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_through_its_doors(room):
    for path in (ROOT / room).rglob("*.py"):
        rooms = {name.split(".")[1] for name in imported_modules(path, for_checkers=True)}
        shut = rooms - ROOMS[room] - {room}
        assert not shut, f"{path.relative_to(ROOT)} imports {shut}"


def test_no_module_imports_itself_through_others():
    order = TopologicalSorter(all_imports())
    try:
        order.prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def place_of(module: str) -> tuple[str, str]:
    """Return the room of a module, and the folder or file in it."""
    _, room, *inside = module.split(".")
    return room, inside[0] if inside else "__init__"


def test_everything_in_a_room_has_one_floor():
    there = {place_of(module) for module in MODULES}
    declared = [(room, place) for room, floors in FLOORS.items() for floor in floors for place in floor.split()]
    assert sorted(declared) == sorted(there)


@pytest.mark.parametrize("room", ROOMS)
def test_a_floor_imports_only_from_itself_and_lower_ones(room):
    number = {place: number for number, floor in enumerate(FLOORS[room]) for place in floor.split()}
    for module in (name for name in MODULES if place_of(name)[0] == room):
        place = place_of(module)[1]
        others = {inner for of, inner in map(place_of, all_imports()[module]) if of == room} - {place}
        high = {other for other in others if number[other] >= number[place]}
        assert not high, f"{module} imports {high}, which are no lower"


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


HEAVY = ("torch", "lightning", "mne", "diffusers", "transformers", "braindecode", "pandas", "scipy", "sklearn")


@pytest.mark.parametrize(
    "arguments",
    ["--help", "encoders", "datasets", "leaderboard --help", "run --help", "env", "submit --help", "status"],
)
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

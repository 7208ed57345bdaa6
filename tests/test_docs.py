"""What the pages about the code say is there is there."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from eeg2speech_bench import core

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf8")
PLACES = r"(?<![\w/.<])(?:core|plugins|datasets|benchmarks|leaderboard|tests|docs|\.ci)/[\w/.*]*[\w*/](?![\w<])"
API = (ROOT / "docs" / "api.md").read_text(encoding="utf8")
#: rows of the table of types: the types between backticks, then the file that defines them
TYPES = re.findall(r"^\| .* \| (`\w+`.*) \| `([\w/]+\.py)` \|$", ARCHITECTURE, re.MULTILINE)


@pytest.mark.parametrize("page", ["docs/architecture.md", "docs/release.md", "CONTRIBUTING.md"])
def test_a_place_that_a_page_names_is_there(page):
    named = set(re.findall(PLACES, (ROOT / page).read_text(encoding="utf8"))) - {"docs/_build/html"}
    assert [place for place in sorted(named) if not any(ROOT.glob(place))] == []


@pytest.mark.parametrize(("types", "file"), TYPES, ids=[file for _, file in TYPES])
def test_a_type_of_the_architecture_is_defined_in_its_file(types, file):
    body = ast.parse((ROOT / file).read_text(encoding="utf8")).body
    targets = [node.targets[0] for node in body if isinstance(node, ast.Assign)]
    defined = {node.name for node in body if isinstance(node, ast.ClassDef)}
    defined |= {target.id for target in targets if isinstance(target, ast.Name)}
    assert set(re.findall(r"`(\w+)`", types)) <= defined


def test_the_architecture_names_the_types_of_the_contract():
    names = " ".join(types for types, _ in TYPES)
    assert {"Conditioning", "Batch", "Condition", "Split", "MetricSpec", "Record"} <= set(re.findall(r"`(\w+)`", names))


def test_the_api_names_all_public_words():
    listed = re.findall(r"^   eeg2speech_bench\.core[\w.]*\.(\w+)$", API, re.MULTILINE)
    assert set(core.__all__) - {"__version__"} <= set(listed)


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("sphinx_gallery", reason="the site needs: pip install --group docs")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-D",
        "plot_gallery=0",
        "docs",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

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
DOCS = sorted(ROOT.joinpath("docs").glob("*.md"))
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


def pages_of_the_site() -> set[Path]:
    """Return the Markdown files that the site shows: those of its folder, and those that stand elsewhere."""
    (elsewhere,) = [
        ast.literal_eval(node.value)
        for node in ast.parse((ROOT / "docs" / "conf.py").read_text(encoding="utf8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ELSEWHERE"
    ]
    own = {path for path in ROOT.joinpath("docs").glob("*.md") if path.stem not in elsewhere}
    return own | {ROOT / file for file in elsewhere.values()}


@pytest.mark.parametrize("page", sorted(pages_of_the_site()), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_link_between_pages_leads_to_a_page_of_the_site(page):
    linked = re.findall(r"\]\(([^)#:\s]+\.md)[)#]", page.read_text(encoding="utf8"))
    assert {(page.parent / target).resolve() for target in linked} <= pages_of_the_site()


def test_every_page_of_the_site_is_in_a_table_of_contents():
    trees = "\n".join(re.findall(r"```{toctree}\n(.*?)```", "\n".join(p.read_text() for p in DOCS), re.DOTALL))
    listed = set(re.findall(r"^(?:.*<)?(\w+)>?$", trees, re.MULTILINE))
    assert {page.stem for page in DOCS} - {"index"} == listed


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

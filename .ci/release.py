"""Builds the files of a release and refuses those that are not fit for one: `python .ci/release.py`, from nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))


def found(file: str, pattern: str) -> str:
    """Return what the first group of a pattern finds in a file, or nothing."""
    match = re.search(pattern, (ROOT / file).read_text(encoding="utf8"), re.MULTILINE)
    return match[1] if match else ""


def faults() -> list[str]:
    """Say what in the checkout is not fit for a release."""
    version = PYPROJECT["project"]["version"]
    heading = found("CHANGELOG.md", r"^## (.*)")
    wrong = []
    if not re.fullmatch(rf"{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)", heading):
        wrong.append(f"CHANGELOG.md begins with '{heading}', expected '{version} (YYYY-MM-DD)'")
    if (cited := found("CITATION.cff", r"^version: (.*)")) != version:
        wrong.append(f"CITATION.cff has version {cited}, expected {version}")
    urls = PYPROJECT["project"]["urls"].items()
    wrong += [f"[project.urls] {name} leads nowhere: {url}" for name, url in urls if ".example" in url]
    if subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, check=True).stdout:
        wrong.append("the checkout has changes that are not committed")
    return wrong


def lacking(wheel: Path) -> list[str]:
    """Say which tracked files of packaged folders the wheel does not hold."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folders = set(PYPROJECT["tool"]["setuptools"]["package-dir"].values())
    packaged = {f"eeg2speech_bench/{f}" for f in tracked.split() if _is_in(Path(f), folders)}
    return sorted(packaged - set(zipfile.ZipFile(wheel).namelist()))


def _is_in(file: Path, folders: set[str]) -> bool:
    data = {"templates", "static"}  # folders of files that are no packages
    parent = file.parent.parent if file.parent.name in data else file.parent
    return parent.as_posix() in folders


def build() -> list[str]:
    """Build both files, install the wheel where nothing else is, and say what is wrong with it."""
    for folder in ("dist", "build", ".venv-ci"):
        shutil.rmtree(ROOT / folder, ignore_errors=True)
    venv.create(ROOT / ".venv-ci", with_pip=True)
    python = str(ROOT / ".venv-ci" / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--upgrade", "pip", "build"], check=True)
    subprocess.run([python, "-m", "build", str(ROOT)], check=True, stdout=subprocess.DEVNULL)
    (wheel,) = (ROOT / "dist").glob("*.whl")
    subprocess.run([*pip, "--group", f"{ROOT / 'pyproject.toml'}:board"], check=True)
    subprocess.run([*pip, "--no-deps", str(wheel)], check=True)
    command = ROOT / ".venv-ci" / "bin" / "eeg2speech-bench"
    said = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    version = PYPROJECT["project"]["version"]
    wrong = [] if version in said else [f"the installed command says '{said.strip()}', expected {version}"]
    return wrong + [f"the wheel lacks {name}" for name in lacking(wheel)]


if __name__ == "__main__":
    problems = faults() + build()
    print("\n".join(problems) or "fit for a release: dist/")
    sys.exit(bool(problems))

"""Runs the verb ``new``: writes a package with an encoder, its registration and its test."""

from __future__ import annotations

import argparse
import importlib.util
import keyword
import re
import shlex
import sys
import tempfile
import unicodedata
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from string import Template

from eeg2speech_bench.core.errors import StorageError, UsageError
from eeg2speech_bench.core.registry.checks import RESERVED
from eeg2speech_bench.core.registry.discovery import canonical
from eeg2speech_bench.core.registry.registry import Registry

#: template in ``templates/`` and the file that is made of it
FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "init.py": "src/$module/__init__.py",
    "encoder.py": "src/$module/encoder.py",
    "test.py": "tests/test_$module.py",
}
#: lower case and single hyphens: one spelling for package, folder, command line and board (PEP 503)
NAME = re.compile(r"(?=.{1,64}$)[a-z][a-z0-9]*(-[a-z0-9]+)*")
#: what encoder.py imports; a class of the same name would hide it
IMPORTED = {"Batch", "Conditioning", "Encoder", "SignalInfo", "TargetInfo"}


@dataclass(frozen=True)
class EncoderNames:
    """Spells an encoder's name in every form that its package needs.

    Attributes
    ----------
    name : str
        What users type, and the distribution: ``my-net``.
    """

    name: str

    @property
    def module(self) -> str:
        """Return the name of the import package: ``my_net``."""
        return self.name.replace("-", "_")

    @property
    def class_name(self) -> str:
        """Return the name of the class: ``MyNet``."""
        return "".join(part.capitalize() for part in self.name.split("-"))

    def render(self, template: str) -> str:
        """Put the names into a template.

        Raises
        ------
        KeyError
            If the template asks for something else.
        """
        return Template(template).substitute(name=self.name, module=self.module, class_name=self.class_name)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``new``."""
    parser.add_argument("kind", choices=["encoder"], help="what to write: encoder")
    parser.add_argument("name", metavar="NAME", help="lower-case letters, digits and hyphens, such as my-net")
    parser.add_argument(
        "--directory", type=Path, default=Path(), metavar="DIR", help="folder that the package's folder goes to (here)"
    )


def new(arguments: argparse.Namespace, registry: Registry) -> int:
    """Write the package and say what to type next."""
    names = check_name(arguments.name, {spec.name for spec in registry.all("encoder")})
    package = write_package(names, arguments.directory)
    print(f"Wrote {package}:")
    for file in sorted(path for path in package.rglob("*") if path.is_file()):
        print(f"  {file.relative_to(package).as_posix()}")
    print(
        f"Next, type:\n"
        f"  pip install -e {shlex.quote(str(package))}\n"
        f"  eeg2speech-bench check {names.name}\n"
        f"  eeg2speech-bench run --encoder {names.name} --scores retrieval\n"
        f"  eeg2speech-bench run --encoder {names.name}\n"
        f"It works as it is; the network to change is in {package / 'src' / names.module / 'encoder.py'}."
    )
    return 0


def check_name(name: str, registered: set[str]) -> EncoderNames:
    """Return the spellings of a name that nothing else has.

    Parameters
    ----------
    name : str
        As the user typed it.
    registered : set of str
        Names of the encoders that there are.

    Raises
    ------
    UsageError
        If it is no name, or one that an encoder, a module, a distribution or the language has already.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            "An encoder cannot be called that",
            got=repr(name),
            expected="up to 64 lower-case letters, digits and single hyphens, a letter first",
            then=f"Try '{_similar(name)}'.",
        )
    names = EncoderNames(name)
    owner = _owner(names, registered)
    if owner:
        raise UsageError(f"The name '{name}' is taken by {owner}", then=f"Try '{name}-net'.")
    return names


def _similar(name: str) -> str:
    """Return the nearest spelling that is allowed."""
    plain = unicodedata.normalize("NFKD", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name)).encode("ascii", "ignore")
    parts = re.findall(r"[a-z0-9]+", plain.decode().lower())
    return re.sub(r"^(?=[0-9])", "net-", "-".join(parts))[:64].rstrip("-") or "my-encoder"


def _owner(names: EncoderNames, registered: set[str]) -> str | None:
    """Say what has a name already; None if it is free."""
    if names.name in map(canonical, registered):
        return "a registered encoder"
    if names.name in RESERVED or keyword.iskeyword(names.module) or keyword.iskeyword(names.class_name):
        return "a word of Python or of the command line"
    if names.class_name in IMPORTED:
        return f"the class {names.class_name} of the suite"
    if names.module in sys.stdlib_module_names:
        return "a module of Python"
    if importlib.util.find_spec(names.module) is not None or _is_distribution(names.name):
        return "an installed package"
    return None


def _is_distribution(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def write_package(names: EncoderNames, directory: Path) -> Path:
    """Write the package of an encoder as ``directory / names.name``, whole or not at all.

    Returns
    -------
    Path
        The folder written.

    Raises
    ------
    UsageError
        If something is there already.
    StorageError
        If it cannot be written.
    """
    package = directory / names.name
    try:
        if package.is_symlink() or package.is_file() or (package.is_dir() and any(package.iterdir())):
            then = "Choose another name, or another folder with --directory DIR."
            raise UsageError(f"{package} is there already, and nothing of it was changed", then=then)
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{names.name}-", dir=directory) as partial:
            _write_files(names, Path(partial) / names.name)
            # fails, and overwrites nothing, if somebody filled the place meanwhile
            (Path(partial) / names.name).rename(package)
    except OSError as error:
        raise StorageError(
            f"Package {package} could not be written", got=error.strerror, then="Give another --directory."
        ) from error
    return package


def _write_files(names: EncoderNames, package: Path) -> None:
    templates = resources.files("eeg2speech_bench.plugins") / "templates"
    for template, file in FILES.items():
        path = package / names.render(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(names.render((templates / f"{template}.tmpl").read_text(encoding="utf8")), encoding="utf8")

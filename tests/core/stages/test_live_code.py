"""The hash of code in memory follows what it does: as in a notebook, where no file holds it."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest

from eeg2speech_bench.core.stages.import_closure import forget_sources
from eeg2speech_bench.core.stages.keys import KeyParts
from eeg2speech_bench.core.stages.live_code import is_in_a_file, live_hash

NET = '''
import functools
import numpy

WIDTHS = [32, 64]
TABLE = numpy.arange(3)

def activate(x):
    return x * 2

class Base:
    def scale(self):
        return 3

class Net(Base):
    """A net."""

    hidden, depth, width = 8, 2, 8

    def __init__(self, rate=0.1, *, bias=True):
        # a comment
        self.rate = rate, bias, WIDTHS, TABLE

    def forward(self, x):
        """Encode."""
        kind = "a" if x in {"left", "right", "up", "down"} else "b"
        return activate(x) + 1, kind

    @property
    def half(self):
        return self.rate / 2

    @staticmethod
    def double(x):
        return x * 2

    def __len__(self):
        return 5

    def later(self):
        def inner():
            """Say."""
            return self.rate * 7
        return inner
'''


def net(old: str = "", new: str = "") -> type:
    """Run the source as a notebook's cell, with a change."""
    assert old in NET
    made: dict = {"__name__": "__main__"}
    exec(NET.replace(old, new, 1) if old else NET, made)
    return made["Net"]


def test_two_equal_classes_are_equal():
    assert live_hash(net()) == live_hash(net())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a comment", "# another\n        # one"),
        ('"""A net."""', '"""Another net.\n\n    With two lines.\n    """'),
        ('"""Encode."""', '"""Decode."""'),
        ('        """Encode."""\n', ""),
        ('"""Say."""', '"""Tell."""'),
        ("\n\n    @property", "\n\n\n\n    @property"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(old, new):
    assert live_hash(net(old, new)) == live_hash(net())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("activate(x) + 1", "activate(x) - 1"),
        ("activate(x) + 1", "activate(x) + 2"),
        ("rate=0.1", "rate=0.2"),
        ("bias=True", "bias=False"),
        ("[32, 64]", "[32, 65]"),
        ("arange(3)", "arange(4)"),
        ("return x * 2\n\nclass", "return x * 3\n\nclass"),
        ("return 3", "return 4"),
        ("8, 2, 8", "8, 2, 2"),
        ("8, 2, 8", "8, 8, 2"),
        ('"right"', '"wrong"'),
        ("self.rate / 2", "self.rate / 3"),
        ("def double(x):\n        return x * 2", "def double(x):\n        return x * 4"),
        ("return 5", "return 6"),
        ("self.rate * 7", "self.rate * 8"),
        ("class Net(Base)", "class Net"),
    ],
)
def test_what_code_does_counts(old, new):
    assert live_hash(net(old, new)) != live_hash(net())


def test_functions_that_call_each_other_are_hashed_once():
    made: dict = {"__name__": "__main__"}
    exec("def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)", made)
    assert len(live_hash(made["even"])) == 16


def test_a_list_that_holds_itself_is_hashed():
    endless: list = [1]
    endless.append(endless)
    assert live_hash(endless) != live_hash([1])


def made_with(width: int) -> type:
    class Local:
        def forward(self):
            return width

    return Local


def test_what_a_class_closes_over_counts():
    assert live_hash(made_with(8)) == live_hash(made_with(8))
    assert live_hash(made_with(8)) != live_hash(made_with(9))


@pytest.mark.parametrize("other", [np.zeros(4), np.zeros((3, 1)), np.ones(3), np.zeros(3, dtype=np.float32), [0.0] * 3])
def test_numbers_shape_and_type_of_an_array_count(other):
    assert live_hash(other) != live_hash(np.zeros(3))


def test_a_file_that_a_notebook_imports_counts(tmp_path, monkeypatch):
    file = tmp_path / "layers_of_a_notebook.py"
    file.write_text("def layer(x):\n    return x\n")
    monkeypatch.syspath_prepend(tmp_path)
    made: dict = {"__name__": "__main__"}
    exec("import layers_of_a_notebook as layers\nclass Net:\n    def forward(self, x): return layers.layer(x)", made)
    forget_sources()
    before = live_hash(made["Net"])
    file.write_text("def layer(x):\n    return x + 1\n")
    forget_sources()
    assert live_hash(made["Net"]) != before
    sys.modules.pop(file.stem)


def test_the_hash_is_the_same_in_another_process():
    script = f"{NET}\nfrom eeg2speech_bench.core.stages.live_code import live_hash\nprint(live_hash(Net))"
    hashes = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        hashes.add(done.stdout)
    assert len(hashes) == 1


def test_a_class_of_a_notebook_is_in_no_file():
    assert not is_in_a_file(net())


def test_a_class_of_a_library_is_told_by_its_version_and_not_by_its_file():
    assert not is_in_a_file(np.ndarray)


def test_a_class_of_ours_is_in_a_file():
    assert is_in_a_file(KeyParts)

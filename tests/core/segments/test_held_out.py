"""Which listeners are held out: by number, by fold or by name."""

from __future__ import annotations

import pytest

from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.core.segments.held_out import held_out_listeners


@pytest.mark.parametrize(("asked", "held_out"), [(["c", "a"], ("a", "c")), (0, ()), ([], ())])
def test_named_listeners_are_held_out(asked, held_out):
    assert held_out_listeners("abcd", asked) == held_out


@pytest.mark.parametrize("asked", [2, "1/2"])
def test_listeners_are_chosen_whatever_their_order(asked):
    assert len(held_out_listeners("abcd", asked)) == 2
    assert held_out_listeners("dcba", asked) == held_out_listeners("abcd", asked)


def test_folds_share_all_listeners_out():
    folds = [held_out_listeners("abcdefgh", f"{number}/3") for number in (1, 2, 3)]
    assert sorted(map(len, folds)) == [2, 3, 3]
    assert sorted(name for fold in folds for name in fold) == list("abcdefgh")


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        (["a", "z"], "z"),
        (4, "4 of 4"),
        (["a", "b", "c", "d"], "4 of 4"),
        ("1/1", "4 of 4"),
        ("3/2", "3/2"),
        ("5/9", "5/9"),
    ],
)
def test_listeners_that_cannot_be_held_out_are_named(asked, got):
    with pytest.raises(UsageError, match=rf"cannot be held out: got {got}, expected some, but not all, of a, b, c, d"):
        held_out_listeners("abcd", asked)

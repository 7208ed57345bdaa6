"""What follows the folder chooses listeners, repair and reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from eeg2speech_bench.core.errors import UnknownNameError, UsageError
from eeg2speech_bench.datasets.brennan2019.listeners import LISTS
from eeg2speech_bench.datasets.brennan2019.options import Options, read_argument


def test_a_folder_alone_is_the_paper_s_listeners_repaired():
    assert read_argument("/data/alice") == (Path("/data/alice"), Options("paper", "repair", "recorded"))


def test_options_follow_the_folder_in_any_order():
    read = read_argument("/data/a,b/alice,reference=mastoids,listeners=clean")
    assert read == (Path("/data/a,b/alice"), Options("clean", "repair", "mastoids"))


def test_single_listeners_are_numbers():
    assert Options(listeners="26+1+3").chosen == ("S01", "S03", "S26")


def test_an_unknown_option_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"got 'listener'.*Did you mean 'listeners'"):
        read_argument("/data/alice,listener=paper")


def test_an_unknown_value_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"option listeners .*got 'papers'.*Did you mean 'paper'"):
        read_argument("/data/alice,listeners=papers")


def test_a_folder_is_needed():
    with pytest.raises(UsageError, match=r"Type --dataset brennan2019:FOLDER"):
        read_argument("")


@pytest.mark.parametrize(("name", "n"), [("paper", 33), ("brainmagick", 33), ("clean", 29), ("all", 42)])
def test_lists_have_as_many_listeners_as_published(name, n):
    assert len(set(LISTS[name])) == n

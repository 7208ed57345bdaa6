"""What changed between two runs is said so that a reader finds it."""

from __future__ import annotations

from typing import Any

import pytest

from eeg2speech_bench.core.stages.keys import KeyParts


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    parts = (KeyParts(settings, {}, {}, {}, {}) for settings in (now, before))
    return next(parts).changes_since(next(parts))


def metrics(**low: float) -> dict[str, Any]:
    """Declarations as long as those of the suite."""
    return {"metrics": [{"name": name, "target": f"package.module:{name}", "low": low[name]} for name in low]}


def test_a_setting_is_named_by_its_place():
    before = {"alignment": {"batch_size": 16, "rate": 0.1}}
    now = {"alignment": {"batch_size": 32, "rate": 0.1}}
    assert changes(before, now) == ["setting alignment.batch_size changed from 16 to 32"]


def test_equal_settings_did_not_change():
    assert changes(metrics(top1=0.0), metrics(top1=0.0)) == []


def test_one_of_a_list_of_named_things_is_told_by_its_name():
    said = changes(metrics(top1=0.0, top10=0.0), metrics(top1=0.5, top10=0.0))
    assert said == ["setting metrics.top1.low changed from 0.0 to 0.5"]


def test_a_named_thing_that_is_new_does_not_touch_its_neighbours():
    (said,) = changes(metrics(top1=0.0, top10=0.0), metrics(top1=0.0, new=0.0, top10=0.0))
    assert said.startswith('setting metrics.new changed from absent to {"name": "new"')


def test_a_named_thing_that_is_gone_is_told_by_its_name():
    (said,) = changes(metrics(top1=0.0, top10=0.0), metrics(top10=0.0))
    assert said.startswith("setting metrics.top1 changed from {")
    assert said.endswith(" to absent")


def test_another_order_of_named_things_is_a_change():
    said = changes(metrics(top1=0.0, top10=0.0), metrics(top10=0.0, top1=0.0))
    assert said == ["setting metrics changed its order"]


def test_two_things_of_one_name_are_told_by_their_place():
    before, now = ({"layers": [{"name": "a", "n": 1}, {"name": "a", "n": n}]} for n in (2, 3))
    assert changes(before, now) == ["setting layers.1.n changed from 2 to 3"]


def test_an_element_of_a_list_is_told_by_its_place():
    assert changes({"channels": [8, 16, 32]}, {"channels": [8, 24, 32]}) == ["setting channels.1 changed from 16 to 24"]


def test_a_list_that_grows_is_told_by_what_is_new():
    assert changes({"channels": [8]}, {"channels": [8, 16]}) == ["setting channels.1 changed from absent to 16"]


def test_a_setting_that_was_not_there_is_said_to_be_absent():
    assert changes({}, {"seed": 1}) == ["setting seed changed from absent to 1"]


def test_nothing_is_not_the_same_as_absent():
    assert changes({}, {"window": None}) == ["setting window changed from absent to null"]


def test_an_empty_list_that_was_not_there_is_a_change():
    assert changes({}, {"names": []}) == ["setting names changed from absent to []"]


@pytest.mark.parametrize("head", ["", "/a/long/folder" * 20])
def test_long_values_are_shown_where_they_differ(head):
    (said,) = changes({"model": f"{head}/one.ckpt"}, {"model": f"{head}/two.ckpt"})
    before, now = said.split(" to ")
    assert 'one.ckpt"' in before
    assert 'two.ckpt"' in now
    assert len(said) < 200


def test_a_value_that_begins_like_the_other_and_goes_on_is_shown_with_its_end():
    (said,) = changes({"text": "a" * 100}, {"text": "a" * 100 + " and more"})
    assert 'and more"' in said

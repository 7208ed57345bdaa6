from __future__ import annotations

from itertools import combinations, pairwise

import pytest

from eeg2speech_bench.core.errors import LeakageError
from eeg2speech_bench.core.segments.recordings import Presentation, Recording
from eeg2speech_bench.datasets.preparation.splits.plan import plan_split
from eeg2speech_bench.datasets.preparation.splits.proof import prove_disjoint
from eeg2speech_bench.datasets.preparation.splits.shared_audio import shared_between, timelines, without_shared_passages
from eeg2speech_bench.datasets.preparation.splits.zones import Zone
from eeg2speech_bench.datasets.sounds.shared_stretches import SharedStretch

PARTS = ("train", "valid", "test")


def same(one, other, start_s=0.0, other_start_s=0.0, duration_s=60.0):
    return SharedStretch(one, other, start_s, other_start_s, duration_s, 0.97)


def seconds_shared(zones, shared):
    return sum(found[0] for a, b in combinations(PARTS, 2) for found in shared_between(zones, shared, a, b))


def parts_of(plan, stimulus):
    return {zone.split for zone in plan.zones if zone.stimulus_id == stimulus}


# Lines of time


def test_copies_lie_on_one_line_with_the_offset_between_them():
    (line,) = timelines({"story": 100.0, "part": 40.0}, [same("story", "part", 30.0, 0.0, 40.0)])
    assert (line.name, line.duration_s, line.starts_s) == ("story", 100.0, {"story": 0.0, "part": 30.0})


def test_a_story_with_silence_before_it_starts_the_line():
    (line,) = timelines({"story": 100.0, "late": 103.0}, [same("late", "story", 3.0, 0.0, 100.0)])
    assert line.starts_s == {"story": 3.0, "late": 0.0}


def test_copies_of_copies_lie_on_the_same_line():
    shared = [same("a", "b"), same("b", "c"), same("d", "e")]
    lines = timelines(dict.fromkeys("abcde", 60.0), shared)
    assert sorted(sorted(line.starts_s) for line in lines) == [["a", "b", "c"], ["d", "e"]]


def test_a_jingle_does_not_join_stories():
    assert len(timelines({"a": 60.0, "b": 60.0}, [same("a", "b", 0.0, 0.0, 2.0)])) == 2


# Splits


@pytest.mark.parametrize("n_stories", [2, 20])
def test_a_lossy_copy_of_every_story_is_in_the_part_of_its_story(n_stories):
    durations_s = {f"{kind}{k}": 60.0 for kind in ("story", "mp3-") for k in range(n_stories)}
    shared = [same(f"mp3-{k}", f"story{k}") for k in range(n_stories)]
    plan = plan_split("stimulus-time", durations_s, [], (0.5, 0.2, 0.3), shared=shared)
    assert seconds_shared(plan.zones, shared) == 0.0
    for k in range(n_stories):
        assert parts_of(plan, f"mp3-{k}") == parts_of(plan, f"story{k}")
    assert plan.evidence.shared_s == {"train-valid": 0.0, "train-test": 0.0, "valid-test": 0.0}


def test_one_long_story_and_its_lossy_halves_are_cut_at_the_same_moments():
    durations_s = {"story": 200.0, "first": 100.0, "second": 100.0}
    shared = [same("first", "story", 0.0, 0.0, 100.0), same("second", "story", 0.0, 100.0, 100.0)]
    plan = plan_split("stimulus-time", durations_s, [], (0.6, 0.2, 0.2), guard_s=4.0, shared=shared)
    assert seconds_shared(plan.zones, shared) == 0.0
    spans = {(z.stimulus_id, z.split): (z.start_s, z.stop_s) for z in plan.zones}
    assert spans["story", "train"] == (0.0, 118.0)
    assert spans["second", "train"] == (0.0, 18.0)
    assert spans["second", "test"] == pytest.approx((62.0, 100.0))


def test_a_jingle_of_all_stories_stays_in_training_alone():
    names = [f"s{k}" for k in range(12)]
    # Each was compared with the next alone: the others follow.
    shared = [same(a, b, 10.0, 10.0, 2.0) for a, b in pairwise(names)]
    plan = plan_split("stimulus-time", dict.fromkeys(names, 60.0), [], shared=shared)
    holding = {z.split for z in plan.zones if z.start_s < 12.0 and z.stop_s > 10.0}
    assert holding == {"train"}
    assert plan.evidence.seconds["test"] == pytest.approx(plan.evidence.n_stimuli["test"] * (60 - 2.5))


def test_a_passage_that_only_test_and_validation_hold_is_left_to_test():
    zones = [Zone("a", 0, 30, "train"), Zone("b", 0, 30, "valid"), Zone("c", 0, 30, "test")]
    kept = without_shared_passages(zones, [same("b", "c", 5.0, 15.0, 4.0)])
    assert sorted(kept) == [zones[0], Zone("b", 0, 4.75, "valid"), Zone("b", 9.25, 30, "valid"), zones[2]]


def test_a_passage_that_one_story_repeats_is_not_on_both_sides_of_its_cut():
    shared = [same("a", "a", 5.0, 90.0, 6.0)]
    plan = plan_split("stimulus-time", {"a": 100.0}, [], (0.5, 0.2, 0.3), guard_s=4.0, shared=shared)
    assert seconds_shared(plan.zones, shared) == 0.0
    assert [(z.start_s, z.stop_s) for z in plan.zones if z.split == "test"] == [(72.0, 89.75), (96.25, 100.0)]


def test_a_passage_within_one_part_is_kept():
    zones = [Zone("a", 0, 30, "train"), Zone("b", 0, 30, "train"), Zone("c", 0, 30, "test")]
    assert sorted(without_shared_passages(zones, [same("a", "b", 0.0, 0.0, 20.0)])) == zones


def test_three_hundred_stories_with_one_jingle_are_split():
    names = [f"s{k:03}" for k in range(300)]
    shared = [same(names[i], names[j], 1.0, 1.0, 2.0) for i in range(300) for j in range(i + 1, min(300, i + 9))]
    plan = plan_split("stimulus-time", dict.fromkeys(names, 30.0), [], shared=shared)
    assert seconds_shared(plan.zones, shared) == 0.0


@pytest.mark.parametrize("kind", ["subject", "recording"])
def test_listeners_of_copies_cannot_be_split_and_the_proof_names_the_files(kind):
    recordings = [
        Recording(f"rec-{k}", f"S{k}", "", (Presentation(f"copy{k}", 0.0, 60.0),), lambda: None) for k in range(4)
    ]
    shared = [same("copy0", f"copy{k}", 3.0, 5.0, 50.0) for k in (1, 2, 3)]
    names = {f"copy{k}": f"story_{k}.mp3" for k in range(4)}
    proof = (
        rf"Split '{kind}' shares \d+\.0 s of stimulus audio between \w+ and \w+: got 50\.0 s from 3\.0 s of "
        r"'story_0\.mp3' on are the same as from 5\.0 s of 'story_\d\.mp3' on, with a correlation of 0\.97 "
        r"\(heard in rec-\d and in rec-\d\)"
    )
    with pytest.raises(LeakageError, match=proof):
        plan_split(kind, {f"copy{k}": 60.0 for k in range(4)}, recordings, shared=shared, names=names)


def test_shared_audio_in_two_parts_is_refused_with_its_seconds():
    zones = [Zone("a", 0, 30, "train"), Zone("b", 0, 30, "test"), Zone("c", 0, 30, "valid")]
    with pytest.raises(LeakageError, match=r"shares 4\.0 s of stimulus audio between train and test"):
        prove_disjoint("stimulus-time", zones, shared=[same("a", "b", 28.0, 10.0, 4.0), same("a", "b", 5.0, 1.0, 2.0)])

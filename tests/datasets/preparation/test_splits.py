from __future__ import annotations

import pytest

from eeg2speech_bench.core.errors import DataError, LeakageError, UsageError
from eeg2speech_bench.core.segments.recordings import Presentation, Recording
from eeg2speech_bench.datasets.preparation.splits.plan import plan_split
from eeg2speech_bench.datasets.preparation.splits.proof import prove_disjoint
from eeg2speech_bench.datasets.preparation.splits.zones import Zone

STORIES = {f"story{i:02d}": 57.0 for i in range(18)}


def recordings(heard: dict[str, list[tuple[str, float]]]) -> list[Recording]:
    """One recording per listener, with (stimulus, seconds) in a row."""
    return [
        Recording(f"rec-{k}", k, k, tuple(Presentation(s, 100.0 * i, d) for i, (s, d) in enumerate(rows)), lambda: None)
        for k, rows in heard.items()
    ]


def zones_of(split, name):
    return [z for z in split.zones if z.split == name]


def test_many_stories_are_held_out_whole():
    split = plan_split("stimulus-time", STORIES, [])
    assert all((z.start_s, z.stop_s) == (0.0, 57.0) for z in split.zones)
    assert split.evidence.n_stimuli == {"train": 12, "valid": 2, "test": 4}


def test_eighteen_stories_leave_at_least_sixty_test_windows():
    assert plan_split("stimulus-time", STORIES, []).evidence.n_windows_apart["test"] >= 60


def test_one_stimulus_is_cut_with_a_guard_at_each_cut():
    split = plan_split("stimulus-time", {"x": 100.0}, [], (0.5, 0.2, 0.3), guard_s=4.0)
    assert [(z.start_s, z.stop_s, z.split) for z in split.zones] == [
        (0.0, 48.0, "train"),
        (52.0, 68.0, "valid"),
        (72.0, 100.0, "test"),
    ]
    assert split.evidence.smallest_distance_s == pytest.approx(4.0)


def test_a_few_long_stimuli_are_cut_on_their_common_line():
    split = plan_split("stimulus-time", {"x": 100.0, "y": 50.0}, [], (0.6, 0.2, 0.2), guard_s=3.0)
    seconds = split.evidence.seconds
    assert sum(seconds.values()) >= 150 - 2 * 3.0
    assert seconds["test"] == pytest.approx(0.2 * 150, abs=3.0)


def test_no_zone_reaches_into_the_guard_when_a_cut_lies_near_the_end_of_a_stimulus():
    split = plan_split("stimulus-time", {"x": 61.0, "y": 39.0}, [], (0.6, 0.2, 0.2), guard_s=4.0)
    assert split.evidence.smallest_distance_s >= 4.0


def test_the_split_does_not_depend_on_the_order_in_which_stimuli_are_listed():
    backwards = dict(reversed(STORIES.items()))
    assert plan_split("stimulus-time", backwards, []).hash == plan_split("stimulus-time", STORIES, []).hash


def test_the_hash_changes_with_the_audio_and_with_the_fractions():
    first = plan_split("stimulus-time", STORIES, []).hash
    assert plan_split("stimulus-time", {**STORIES, "story00": 56.0}, []).hash != first
    assert plan_split("stimulus-time", STORIES, [], (0.5, 0.2, 0.3)).hash != first


def test_the_hash_of_a_known_split_is_stable():
    split = plan_split("stimulus-time", {"x": 100.0}, [], (0.5, 0.2, 0.3), guard_s=4.0)
    assert split.hash.startswith("ea640fa12f1171af")


def test_listeners_who_heard_the_same_audio_cannot_be_split():
    same = recordings({k: [("x", 50.0)] for k in ("S1", "S2", "S3", "S4")})
    proof = r"'subject' shares 50\.0 of 50\.0 s of test .*stimulus x heard in rec-S\d \(train\) and in rec-S\d \(test\)"
    with pytest.raises(LeakageError, match=proof + r".*--set data\.split=stimulus-time"):
        plan_split("subject", {"x": 50.0}, same)


def test_one_shared_story_is_enough_to_refuse():
    heard = {f"S{i}": [(f"own{i}", 60.0), ("shared", 20.0)] for i in range(6)}
    with pytest.raises(LeakageError, match=r"shares 20\.0 of \d+\.0 s .*stimulus shared"):
        plan_split("recording", {}, recordings(heard))


@pytest.mark.parametrize("kind", ["subject", "recording"])
def test_listeners_who_heard_different_audio_can_be_split(kind):
    heard = {f"S{i}": [(f"own{i}", 60.0)] for i in range(10)}
    split = plan_split(kind, {f"own{i}": 60.0 for i in range(10)}, recordings(heard))
    assert split.evidence.n_stimuli == {"train": 7, "valid": 1, "test": 2}


def test_two_listeners_are_too_few_for_three_splits():
    heard = {"S1": [("x", 50.0)], "S2": [("y", 50.0)]}
    with pytest.raises(DataError, match=r"needs a subject for each of train, valid and test: got 2"):
        plan_split("subject", {"x": 50.0, "y": 50.0}, recordings(heard))


def test_zones_that_overlap_are_refused_with_the_seconds():
    zones = [Zone("x", 0, 30, "train"), Zone("x", 28, 40, "test"), Zone("x", 50, 60, "valid")]
    with pytest.raises(LeakageError, match=r"shares 2\.0 of 12\.0 s of test stimulus audio with train"):
        prove_disjoint("stimulus-time", zones)


def test_zones_closer_than_the_guard_are_refused():
    zones = [Zone("x", 0, 30, "train"), Zone("x", 31, 40, "test")]
    with pytest.raises(LeakageError, match=r"got 1\.00 s, expected at least 3 s"):
        prove_disjoint("stimulus-time", zones, guard_s=3.0)


def test_disjoint_zones_share_no_second():
    zones = [Zone("x", 0, 30, "train"), Zone("x", 40, 50, "test"), Zone("y", 0, 30, "valid")]
    assert prove_disjoint("stimulus-time", zones) == {"train-valid": 0.0, "train-test": 0.0, "valid-test": 0.0}


def test_a_split_without_room_for_a_window_is_refused_with_the_numbers():
    with pytest.raises(DataError, match=r"no window for 'valid': got 50\.0 s .* in 1 stimuli, expected .*2\.88 s"):
        plan_split("stimulus-time", {"x": 50.0}, [], (0.7, 0.1, 0.2))


@pytest.mark.parametrize("fractions", [(0.7, 0.3, 0.0), (0.7, 0.2, 0.2)])
def test_shares_that_are_no_shares_are_refused(fractions):
    with pytest.raises(UsageError, match=r"'data\.fractions' is wrong"):
        plan_split("stimulus-time", STORIES, [], fractions)


@pytest.mark.parametrize(
    ("lengths_s", "advice"),
    [
        ([1.4, 1.7, 2.0, 2.6] * 15, r"Use --set data\.window_s=1\.28"),
        ([2.7, 2.8, 2.85], r"Use --set data\.window_s=2\.56"),
        ([0.2, *[2.0] * 19], r"Use --set data\.window_s=1\.92"),
        ([0.2, 0.25], r"Join them to longer files; the shortest window is 0\.32 s"),
    ],
)
def test_sounds_that_are_shorter_than_a_window_are_refused_with_one_that_fits(lengths_s, advice):
    durations_s = {f"sentence{k}": seconds for k, seconds in enumerate(lengths_s)}
    with pytest.raises(DataError, match=rf"No sound is as long as a window: .*data\.window_s = 2\.88 s.*{advice}"):
        plan_split("stimulus-time", durations_s, [])


def test_the_window_that_is_advised_fits():
    durations_s = {f"sentence{k}": 1.4 + 0.02 * k for k in range(60)}
    split = plan_split("stimulus-time", durations_s, [], window_s=1.28)
    assert min(split.evidence.n_windows_apart.values()) >= 5

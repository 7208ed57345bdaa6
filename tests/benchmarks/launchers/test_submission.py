"""What is sent: cells that are missing or failed, that no job has, and that have tries left."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from eeg2speech_bench.benchmarks.launchers.cell_states import read_states
from eeg2speech_bench.benchmarks.launchers.submission import choose_cells, shared_stages


def chosen(room, queue=frozenset(), tries=3):
    return choose_cells(room.plan, read_states(room.results), queue, tries)


def test_a_new_plan_is_sent_whole(room):
    choice = choose_cells(room.plan, [], set(), 3)
    assert choice.send == {0: "new", 1: "new", 2: "new"}
    assert choice.summary == "0 done, 0 waiting or running, 0 out of tries, 3 to send (3 new)"


def test_only_what_is_missing_or_failed_is_sent(room):
    room.record(0, "done")
    room.start(1, "12_0", "failed")
    room.record(1, "failed")
    assert chosen(room).send == {1: "failed", 2: "new"}
    assert chosen(room).done == 1


def test_what_is_in_the_queue_is_not_sent_again(room):
    room.send("12", 0, 1)
    choice = chosen(room, {"12_0"})
    assert [state.seed for state in choice.busy] == [0]
    assert choice.send == {1: "waiting", 2: "new"}


def test_a_stopped_job_that_was_queued_again_is_not_sent_again(room):
    room.send("12", 0)
    room.start(0, "12_0", "requeued")
    room.record(0, "interrupted")
    assert 0 not in chosen(room, {"12_0"}).send


def test_a_job_that_the_cluster_lost_is_sent_again_though_its_sign_is_fresh(room):
    room.send("12", 0)
    room.start(0, "12_0", "")
    room.sign(0)
    assert chosen(room, set()).send[0] == "running"


def test_a_cell_that_somebody_runs_elsewhere_is_not_sent(room):
    room.sign(0, "laptop")
    assert 0 not in chosen(room, set()).send


def test_signs_of_life_decide_where_the_cluster_does_not_answer(room):
    room.send("12", 0, 1)
    room.start(1, "12_1", "", seconds_ago=4000)
    choice = chosen(room, None)
    assert [state.state for state in choice.busy] == ["waiting"]
    assert choice.send == {1: "lost", 2: "new"}


@pytest.mark.parametrize(("tries", "is_sent"), [(2, False), (3, True)])
def test_a_cell_is_sent_while_it_has_tries_left(room, tries, is_sent):
    room.send("12", 0, seconds_ago=900)
    room.send("13", 0, seconds_ago=800)
    room.start(0, "13_0", "failed", seconds_ago=700)
    room.record(0, "failed")
    choice = chosen(room, set(), tries)
    assert (0 in choice.send) == is_sent
    assert [state.seed for state in choice.used_up] == ([] if is_sent else [0])


@dataclass(frozen=True)
class Stage:
    name: str
    key: str


@dataclass
class Pipeline:
    stages: list[Stage]
    there: set[str] = field(default_factory=set)

    def known_stages(self):
        return self.stages

    @property
    def store(self):
        return SimpleNamespace(find=lambda stage: "found" if stage.key in self.there else None)


def pipeline(*keys, there=()):
    return Pipeline([Stage(key.partition("-")[0], key) for key in keys], set(there))


def test_stages_that_several_cells_need_run_first_once():
    cells = {3: pipeline("prepare-a", "align-1"), 4: pipeline("prepare-a", "align-2")}
    assert shared_stages(cells) == {3: ["prepare"]}


def test_shared_stages_that_are_there_do_not_run_first():
    cells = {0: pipeline("prepare-a", "x", there={"prepare-a"}), 1: pipeline("prepare-a", "y", there={"prepare-a"})}
    assert shared_stages(cells) == {}


def test_a_single_cell_runs_all_of_its_stages_itself():
    assert shared_stages({0: pipeline("prepare-a", "align-1")}) == {}

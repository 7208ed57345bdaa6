"""How a cell stands is read from files alone."""

from __future__ import annotations

import os
import platform
import time

from eeg2speech_bench.benchmarks.launchers.cell_states import read_states
from eeg2speech_bench.core.records.running import ALIVE_S, RunningCell


def test_a_cell_of_a_plan_that_nobody_sent_waits_in_no_job(room):
    assert (room.state().state, room.state().detail, room.state().tries) == ("waiting", "in no job yet", 0)


def test_a_cell_that_was_sent_waits_in_its_job(room):
    room.send("12", 1, 0)
    assert room.state().state == "waiting"
    assert room.state().detail.startswith("in job 12_1, sent ")
    assert (room.state().job, room.state().is_sent, room.state().tries) == ("12_1", True, 1)


def test_a_cell_with_a_fresh_sign_of_another_host_runs_there(room):
    room.send("12", 0)
    room.start(0, "12_0", "")
    room.sign(0)
    assert room.state().state == "running"
    assert room.state().detail.startswith("on node7 since ")
    assert room.state().detail.endswith(", in embed")


def test_a_cell_whose_sign_has_grown_old_is_lost(room):
    room.send("12", 0, seconds_ago=4000)
    room.start(0, "12_0", "", seconds_ago=3900)
    path = room.sign(0)
    old = time.time() - ALIVE_S - 10
    os.utime(path, (old, old))
    assert room.state().state == "lost"
    assert room.state().detail.startswith("job 12_0 on node7, begun ")


def test_a_process_of_this_machine_that_is_gone_gives_no_sign(room):
    room.start(0, "local-1", "", host=platform.node(), seconds_ago=1)
    room.sign(0, platform.node())
    assert room.state().state == "lost"


def test_a_process_of_this_machine_that_is_there_gives_a_sign(room):
    sign = RunningCell.here()
    sign.write(room.results / "running" / f"{room.plan.cells[0].id}.{sign.host}.{sign.pid}.json")
    assert room.state().state == "running"


def test_a_start_is_given_time_before_its_first_sign(room):
    room.start(0, "12_0", "", seconds_ago=20)
    assert (room.state().state, room.state().detail[-9:]) == ("running", "it begins")


def test_a_cell_with_a_finished_record_is_done_whatever_else_is_there(room):
    room.send("12", 0)
    room.start(0, "12_0", "")
    room.sign(0)
    room.record(0, "done")
    assert (room.state().state, room.state().detail) == ("done", "")


def test_a_failed_cell_says_phase_and_message(room):
    room.start(0, "12_0", "failed")
    room.record(0, "failed")
    assert (room.state().state, room.state().detail) == ("failed", "align: it rains")


def test_an_interrupted_cell_that_nobody_queued_again_is_interrupted(room):
    room.start(0, "12_0", "interrupted")
    room.record(0, "interrupted", message="stopped by the user")
    assert (room.state().state, room.state().detail) == ("interrupted", "align: stopped by the user")
    assert room.state().job == ""


def test_an_interrupted_cell_that_was_queued_again_waits(room):
    room.send("12", 0)
    room.start(0, "12_0", "requeued")
    room.record(0, "interrupted", message="stopped by the user")
    assert room.state().state == "waiting"
    assert room.state().detail == "in job 12_0, stopped on node7 and queued again"
    assert room.state().tries == 1


def test_a_cell_that_is_sent_again_waits_for_the_new_job(room):
    room.send("12", 0, seconds_ago=300)
    room.start(0, "12_0", "failed", seconds_ago=290)
    room.record(0, "failed")
    room.send("31", 0, seconds_ago=10)
    assert (room.state().state, room.state().job) == ("waiting", "31_0")


def test_every_start_and_every_job_that_never_started_is_a_try(room):
    room.send("12", 0, seconds_ago=900)
    room.send("13", 0, seconds_ago=800)
    room.start(0, "13_0", "requeued", seconds_ago=700)
    room.start(0, "13_0", "failed", seconds_ago=600)
    assert room.state().tries == 3


def test_a_cell_of_two_plans_is_listed_once(room):
    smaller = room.plan.model_copy(update={"cells": room.plan.cells[:2]})
    room.jobs.keep_plan(smaller)
    assert [state.seed for state in read_states(room.results)] == [0, 1, 2]


def test_a_plan_of_another_version_is_left_out(room):
    (room.results / "plans" / "other.json").write_text('{"version": 7}')
    assert len(read_states(room.results)) == 3

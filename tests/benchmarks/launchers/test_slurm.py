"""What is asked of Slurm, and what is made of its answers."""

from __future__ import annotations

import shutil
import subprocess
from types import SimpleNamespace

import pytest

from eeg2speech_bench.benchmarks.launchers import slurm, slurm_job
from eeg2speech_bench.benchmarks.launchers.slurm import SlurmOptions, queued_jobs, send_jobs
from eeg2speech_bench.core.errors import UsageError


def test_what_nobody_asked_for_is_left_to_the_cluster():
    parameters = SlurmOptions().parameters()
    assert parameters["time"] is None
    assert not {"partition", "account", "mem", "gpus_per_node", "cpus_per_task"} & set(parameters)


def test_options_reach_slurm_under_its_names():
    options = SlurmOptions("long", "lab", gpus=1, cpus=4, memory_gb=7.5, time_min=600, at_once=5)
    expected = {
        "partition": "long",
        "account": "lab",
        "gpus_per_node": 1,
        "cpus_per_task": 4,
        "mem": "7500MB",
        "time": 600,
        "array_parallelism": 5,
        "srun_args": ["--cpus-per-task=4"],
    }
    assert expected.items() <= options.parameters().items()


def test_lines_of_shell_come_before_the_number_of_threads():
    setup = SlurmOptions(setup=("module load cuda",)).parameters()["setup"]
    assert setup == ["module load cuda", "export OMP_NUM_THREADS=${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}}"]


@pytest.mark.parametrize(("time_min", "notice_s"), [(None, 120), (2, 30), (600, 120)])
def test_a_job_is_told_in_time_before_its_limit(time_min, notice_s):
    assert SlurmOptions(time_min=time_min).parameters()["signal_delay_s"] == notice_s


def test_a_machine_without_slurm_is_told_what_to_type(room, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match=r"There is no Slurm here.*--local N"):
        send_jobs(room.results / "plan.json", room.plan, [0], {}, SlurmOptions(), 3)


def test_what_slurm_refuses_is_told_in_its_words(room, monkeypatch, tmp_path):
    pytest.importorskip("submitit")
    for name in ("sbatch", "srun"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: long' >&2; exit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(UsageError, match=r"Slurm refused the jobs: got sbatch: error: invalid partition .*'sinfo'"):
        send_jobs(room.results / "plan.json", room.plan, [0], {}, SlurmOptions(), 3)


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    """A Slurm that takes arrays of three, and writes down what it is asked for."""
    pytest.importorskip("submitit")
    asked = tmp_path / "asked.txt"
    asked.touch()
    programs = {
        "sbatch": f'grep -hE "#SBATCH --(array|dependency)" "$1" | tr "\\n" " " >> {asked}; echo >> {asked}\n'
        f"echo Submitted batch job $(wc -l < {asked})",
        "srun": "exit 0",
        "scontrol": "echo 'MaxArraySize            = 3'",
    }
    for name, lines in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{lines}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return lambda: [line.replace("#SBATCH ", "").split() for line in asked.read_text().splitlines()]


def test_more_cells_than_an_array_may_have_are_sent_as_several(room, cluster):
    sent = send_jobs(room.results / "plan.json", room.plan, range(5), {0: ["prepare"]}, SlurmOptions(), 3)
    arrays = ["--array=0-2%3", "--array=0-1%2"]  # submitit lets as many run at once, up to 256
    assert cluster() == [[], *([array, "--dependency=afterany:1"] for array in arrays)]
    assert sent.cells == {0: "2_0", 1: "2_1", 2: "2_2", 3: "3_0", 4: "3_1"}


def test_where_few_may_run_at_once_an_array_waits_for_the_one_before(room, cluster):
    send_jobs(room.results / "plan.json", room.plan, range(5), {}, SlurmOptions(at_once=2), 3)
    assert cluster() == [["--array=0-2%2"], ["--array=0-1%2", "--dependency=afterany:1"]]


def test_a_package_that_is_not_installed_is_named(room, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "submitit", None)
    with pytest.raises(UsageError, match=r"pip install 'eeg2speech-bench\[slurm\]'"):
        send_jobs(room.results / "plan.json", room.plan, [0], {}, SlurmOptions(), 3)


def test_nobody_is_asked_where_nothing_was_sent(monkeypatch):
    monkeypatch.setattr(slurm.subprocess, "run", lambda *_, **__: pytest.fail("it asked"))
    assert queued_jobs(set()) == set()


def test_a_queue_that_cannot_be_asked_is_none(monkeypatch):
    def run(*_, **__):
        raise FileNotFoundError("squeue")

    monkeypatch.setattr(slurm.subprocess, "run", run)
    assert queued_jobs({"ada"}) is None


def test_a_queue_gives_the_tasks_of_arrays(monkeypatch):
    monkeypatch.setattr(slurm.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout="12_0\n12_3\n14\n"))
    assert queued_jobs({"ada"}) == {"12_0", "12_3", "14"}


@pytest.mark.parametrize(
    ("state", "restarts", "asks", "goes_on"),
    [
        ("RUNNING", 1, True, True),
        ("PREEMPTED", 1, True, True),
        ("COMPLETING", 2, False, True),
        ("PENDING", 2, False, True),
        ("COMPLETING", 1, False, False),
        ("CANCELLED", 1, False, False),
    ],
)
def test_a_job_is_queued_again_unless_it_was_cancelled_or_slurm_has_done_so(
    monkeypatch, state, restarts, asks, goes_on
):
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    asked = []

    def run(command, **_):
        asked.append(command[1])
        return subprocess.CompletedProcess(command, 0, f"JobId=12 JobState={state} Requeue=1 Restarts={restarts}", "")

    monkeypatch.setattr(slurm_job.subprocess, "run", run)
    assert slurm_job.queue_again("12") == goes_on
    assert ("requeue" in asked) == asks


def test_a_job_that_slurm_refuses_to_queue_again_does_not_go_on(monkeypatch):
    refused = subprocess.CompletedProcess([], 1, "", "Requested operation is presently disabled")
    monkeypatch.setattr(slurm_job.subprocess, "run", lambda *_, **__: refused)
    assert not slurm_job.queue_again("12")


def test_the_id_of_a_task_of_an_array_names_both(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "15")
    monkeypatch.delenv("SLURM_ARRAY_JOB_ID", raising=False)
    assert slurm_job.job_id() == "15"
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert slurm_job.job_id() == "12_3"

"""Sends cells to Slurm through submitit, and asks it which jobs it has."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eeg2speech_bench.benchmarks.launchers.job_store import JobStore
from eeg2speech_bench.benchmarks.launchers.plan_file import PlanFile
from eeg2speech_bench.core.errors import UsageError

#: seconds that Slurm has to say which jobs it has
QUEUE_S = 30
#: seconds before its time limit when a job is told, long enough to write a record and a checkpoint
NOTICE_S = 120
#: jobs of an array where a cluster has changed nothing: indices are below its MaxArraySize
DEFAULT_ARRAY = 1001


@dataclass(frozen=True)
class SlurmOptions:
    """What is asked of Slurm for every job; None for what the cluster gives by itself.

    Attributes
    ----------
    partition, account : str, optional
    gpus, cpus : int, optional
    memory_gb, time_min : float, optional
    setup : tuple of str
        Lines of shell that run before Python starts.
    at_once : int, optional
        How many cells may run at the same time.
    """

    partition: str | None = None
    account: str | None = None
    gpus: int | None = None
    cpus: int | None = None
    memory_gb: float | None = None
    time_min: int | None = None
    setup: tuple[str, ...] = ()
    at_once: int | None = None

    def parameters(self) -> dict[str, Any]:
        """Return the options as submitit calls them."""
        # threads of libraries that see all cores of a node would wait for each other on those that the job has
        threads = "export OMP_NUM_THREADS=${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}}"
        asked = {
            "partition": self.partition,
            "account": self.account,
            "gpus_per_node": self.gpus,
            "cpus_per_task": self.cpus,
            "mem": None if self.memory_gb is None else f"{round(1000 * self.memory_gb)}MB",
            "time": self.time_min,
            "array_parallelism": self.at_once,
            # since Slurm 22.05 a step does not inherit this from its job
            "srun_args": None if self.cpus is None else [f"--cpus-per-task={self.cpus}"],
        }
        notice_s = NOTICE_S if self.time_min is None else min(NOTICE_S, 15 * self.time_min)
        fixed = {"job_name": "eeg2speech", "signal_delay_s": notice_s, "additional_parameters": {"requeue": True}}
        given = {name: value for name, value in asked.items() if value is not None}
        return {"time": None, **fixed, **given, "setup": [*self.setup, threads]}


@dataclass(frozen=True)
class SentJobs:
    """The jobs of cells by their place in the plan, and those of shared stages that run before them."""

    cells: dict[int, str]
    shared: list[str]


def send_jobs(
    path: Path,
    plan: PlanFile,
    numbers: Iterable[int],
    shared: Mapping[int, list[str]],
    options: SlurmOptions,
    tries: int,
) -> SentJobs:
    """Send cells, after the stages that they share, in as few arrays as Slurm takes.

    Parameters
    ----------
    path : Path
        Of the plan.
    plan : PlanFile
    numbers : iterable of int
        Places in the plan of the cells to send.
    shared : mapping of int to list of str
        Names of stages to run first, by the place of a cell that needs them.
    options : SlurmOptions
    tries : int
        How often a cell may be tried in all.

    Raises
    ------
    UsageError
        If submitit or Slurm is not there, or Slurm refuses what is asked of it.
    """
    from eeg2speech_bench.benchmarks.launchers.slurm_job import CellJob, SharedStagesJob

    logs = JobStore(plan.results).log_folder
    logs.mkdir(parents=True, exist_ok=True)
    chosen = list(numbers)
    first = [SharedStagesJob(path, number, tuple(stages), tries) for number, stages in shared.items()]
    parameters = options.parameters()
    before = _send_arrays(first, logs, parameters, [])
    sent = _send_arrays([CellJob(path, number, tries) for number in chosen], logs, parameters, before)
    return SentJobs(dict(zip(chosen, sent, strict=True)), before)


def _send_arrays(jobs: list[Any], logs: Path, parameters: Mapping[str, Any], after: list[str]) -> list[str]:
    """Send jobs that begin when others have ended, and return their ids.

    They wait whether the others succeed or not: a cell runs what is missing itself. Where few may run at once, which
    Slurm counts array by array, one array waits for the one before it.
    """
    sent: list[str] = []
    size = _largest_array() if jobs else 1
    for first in range(0, len(jobs), size):
        arrays = dict.fromkeys(job.partition("_")[0] for job in after)
        waits = {"dependency": f"afterany:{':'.join(arrays)}"} if arrays else {}
        ids = _send(jobs[first : first + size], logs, {**parameters, **waits})
        sent += ids
        after = ids if "array_parallelism" in parameters else after
    return sent


def _largest_array() -> int:
    """Return how many jobs an array of this cluster may have; Slurm's default where it does not say."""
    try:
        command = ["scontrol", "show", "config"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=QUEUE_S, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        said = ""
    found = re.search(r"^MaxArraySize\s*=\s*([1-9]\d*)\s*$", said, re.MULTILINE)
    return int(found[1]) if found else DEFAULT_ARRAY


def _send(jobs: list[Any], logs: Path, parameters: Mapping[str, Any]) -> list[str]:
    submitit = _submitit()
    try:
        # -P: the folder where it was typed may hold modules of any name
        executor = submitit.SlurmExecutor(logs, python=f"{shlex.quote(sys.executable)} -P")
        executor.update_parameters(**parameters)
        with executor.batch():
            sent = [executor.submit(job) for job in jobs]
        return [str(job.job_id) for job in sent]
    except (submitit.core.utils.FailedJobError, submitit.core.utils.FailedSubmissionError) as error:
        lines = [line.strip() for line in str(error).splitlines() if "error:" in line]
        got = lines[0] if lines else str(error).strip()
        then = "'sinfo' and 'sacctmgr show associations' list what there is."
        raise UsageError("Slurm refused the jobs", got=got, then=then) from error
    except RuntimeError as error:
        then = "Type it on a machine that can send jobs, or use --local N."
        raise UsageError("There is no Slurm here", got=str(error), then=then) from error


def _submitit() -> Any:
    try:
        import submitit
    except ModuleNotFoundError as error:
        then = "Type pip install 'eeg2speech-bench[slurm]', or use --local N."
        raise UsageError(
            "Jobs are sent through a package that is not installed", got="no submitit", then=then
        ) from error
    return submitit


def queued_jobs(users: set[str]) -> set[str] | None:
    """Return the jobs of some users that wait or run; None if Slurm does not say."""
    if not users:
        return set()
    command = ["squeue", "--noheader", "--array", "--format=%i", f"--user={','.join(sorted(users))}"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=QUEUE_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return set(asked.stdout.split())

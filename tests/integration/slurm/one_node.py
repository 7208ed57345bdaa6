"""A Slurm of one node on this machine: everything of it lies in one folder, and it ends without a trace."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

DAEMONS = ("munged", "slurmctld", "slurmd")
#: seconds that a daemon has to come up, and to end
UP_S, DOWN_S = 30.0, 10.0

#: two processors, and arrays that are too short for the cells of a test; jobs on `urgent` take the place of those on
#: `main`, which are told by SIGTERM alone, as on many clusters, and then queued again. cred_expire: a job that is
#: queued again waits for its credential to expire.
CONF = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge.sock,cred_expire=5
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
MinJobAge=3600
MaxArraySize=12
KillWait=20
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=8000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES PriorityTier=1 GraceTime=40 State=UP
PartitionName=urgent Nodes=ALL PriorityTier=10 PreemptMode=OFF State=UP
"""


def missing_programs() -> list[str]:
    """Programs of Slurm that are not installed."""
    return [name for name in (*DAEMONS, "sbatch") if shutil.which(name) is None]


@dataclass(frozen=True)
class OneNode:
    """The commands of a running Slurm."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What commands and jobs need to find it."""
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def ask(self, *command: str) -> str:
        """Return what a command says."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=20, check=False)
        return done.stdout.strip()

    def jobs(self) -> dict[str, str]:
        """State of each job that is not over."""
        lines = self.ask("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)


@contextmanager
def one_node_slurm(folder: Path) -> Iterator[OneNode]:
    """Start a Slurm in a folder, and end it and all of its jobs."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(1024))
    facts = {"host": socket.gethostname().split(".")[0], "user": getpass.getuser(), "ports": _free_ports(2)}
    (folder / "slurm.conf").write_text(CONF.format(folder=folder, **facts))
    if _slurm_version() >= (23, 11):  # which looks for cgroups at its start; older ones do not know the word
        (folder / "cgroup.conf").write_text("CgroupPlugin=disabled\n")
    node = OneNode(folder)
    paths = ("key-file=munge.key", "socket=munge.sock", "pid-file=munged.pid", "log-file=munged.log", "seed-file=seed")
    munged = ["munged", "--foreground", *(f"--{name}={folder}/{file}" for name, file in (p.split("=") for p in paths))]
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        for command in (munged, ["slurmctld", "-D"], ["slurmd", "-D"]):
            with (folder / f"{command[0]}.out").open("wb") as out:
                start = {"env": node.environment, "stdout": out, "stderr": out, "start_new_session": True}
                daemons.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, **start))
            if command is munged:
                wait_until((folder / "munge.sock").exists, UP_S)
        wait_until(lambda: node.ask("sinfo", "-h", "-p", "main", "-o", "%T") == "idle", UP_S)
        yield node
    finally:
        _end(node, daemons)


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition; fail if it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.1)


def _slurm_version() -> tuple[int, int]:
    said = subprocess.run(["slurmd", "-V"], capture_output=True, text=True, check=True).stdout
    year, month = said.split()[-1].split(".")[:2]
    return int(year), int(month)


def _free_ports(n: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _end(node: OneNode, daemons: list[subprocess.Popen[bytes]]) -> None:
    if len(daemons) == len(DAEMONS):  # else nobody is there to cancel jobs
        with suppress(subprocess.TimeoutExpired, AssertionError):
            user = getpass.getuser()
            node.ask("scancel", "--full", "--signal=KILL", f"--user={user}")
            node.ask("scancel", f"--user={user}")
            wait_until(lambda: not node.jobs(), DOWN_S)
    for daemon in reversed(daemons):
        daemon.terminate()
        try:
            daemon.wait(DOWN_S)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
    for process in psutil.process_iter():  # of a job that outlived its daemon
        with suppress(psutil.Error):
            environment = process.environ()
            if environment.get("SLURM_CONF") == node.environment["SLURM_CONF"] and "SLURM_JOB_ID" in environment:
                process.kill()

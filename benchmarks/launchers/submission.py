"""Chooses which cells of a plan are sent: those that are missing or failed, and that no job has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from eeg2speech_bench.benchmarks.launchers.cell_states import CellState
from eeg2speech_bench.benchmarks.launchers.plan_file import PlanFile
from eeg2speech_bench.benchmarks.pipeline import Pipeline

#: what cells are called that have never been tried
NEW = "new"


@dataclass(frozen=True)
class Choice:
    """Which cells of a plan are sent, and which are not.

    Attributes
    ----------
    send : dict of int to str
        Places in the plan, with how each stood.
    done : int
    busy : tuple of CellState
        Those that a job has, waiting or running.
    used_up : tuple of CellState
        Those that were tried as often as is allowed.
    """

    send: dict[int, str]
    done: int
    busy: tuple[CellState, ...]
    used_up: tuple[CellState, ...]

    @property
    def summary(self) -> str:
        """The choice in one line."""
        kinds = ", ".join(f"{n} {kind}" for kind, n in Counter(self.send.values()).items())
        sent = f"{len(self.send)} to send ({kinds})" if self.send else "none to send"
        return f"{self.done} done, {len(self.busy)} waiting or running, {len(self.used_up)} out of tries, {sent}"


def choose_cells(plan: PlanFile, states: Iterable[CellState], queue: set[str] | None, tries: int) -> Choice:
    """Choose the cells to send.

    Parameters
    ----------
    plan : PlanFile
    states : iterable of CellState
        How cells stand, of this plan and others.
    queue : set of str, optional
        Jobs that wait or run on the cluster; None if it could not be asked, and signs of life decide.
    tries : int
        How often a cell may be tried in all.
    """
    known = {state.cell: state for state in states}
    send: dict[int, str] = {}
    done, busy, used_up = 0, [], []
    for number, run in enumerate(plan.cells):
        state = known.get(run.id)
        if state is None:
            send[number] = NEW
        elif state.state == "done":
            done += 1
        elif is_busy(state, queue):
            busy.append(state)
        elif state.tries >= tries:
            used_up.append(state)
        else:
            send[number] = NEW if state.state == "waiting" and not state.job else state.state
    return Choice(send, done, tuple(busy), tuple(used_up))


def is_busy(state: CellState, queue: set[str] | None) -> bool:
    """Whether a job has a cell; the cluster knows of its own jobs, signs of life tell of all others."""
    if state.is_sent and queue is not None:
        return state.job in queue
    return state.state == "running" or (state.state == "waiting" and bool(state.job))


def shared_stages(pipelines: Mapping[int, Pipeline]) -> dict[int, list[str]]:
    """Return the stages that several cells need and that are not there, each by the first cell that needs it.

    Parameters
    ----------
    pipelines : mapping of int to Pipeline
        Of the cells that are sent, by their place in the plan.

    Returns
    -------
    dict of int to list of str
        Names of stages in the order in which they run, by place in the plan.
    """
    needed = {number: {stage.key: stage for stage in one.known_stages()} for number, one in pipelines.items()}
    counts = Counter(key for stages in needed.values() for key in stages)
    shared: dict[int, list[str]] = {}
    seen: set[str] = set()
    for number, stages in needed.items():
        for key, stage in stages.items():
            if counts[key] > 1 and key not in seen and pipelines[number].store.find(stage) is None:
                shared.setdefault(number, []).append(stage.name)
            seen.add(key)
    return shared

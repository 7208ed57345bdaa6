"""Says how many cores there are, and how threads of numeric libraries wait, before those libraries are loaded."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

#: what says how OpenMP's threads wait; each of them is the user's to set
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def share_cores(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let threads sleep while they wait for each other, and be as many as the cores that this process may use.

    By default OpenMP's threads spin: beside any other program, a step of training on two cores then takes several
    times as long (benchmarks/speed has what was measured). What the user has set stays as it is. It has to be called
    before torch is imported, since the runtime of OpenMP reads these variables when it is loaded.

    Parameters
    ----------
    environment : mapping of str to str
        Environment variables, of this process by default.
    """
    from joblib import cpu_count

    if not any(name in environment for name in WAITING):
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
    if "OMP_NUM_THREADS" not in environment and cpu_count() < (os.cpu_count() or 1):
        environment["OMP_NUM_THREADS"] = str(cpu_count())  # the runtime sees a mask of cores, but no container's quota


def count_cores() -> int:
    """Return how many cores this process may use: fewer where the user, a container or cells beside it ask for it."""
    from joblib import cpu_count

    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(cpu_count(), int(asked)) if asked.isdecimal() and int(asked) else cpu_count()

"""How threads of numeric libraries wait, and how many they are."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from eeg2speech_bench.core.machine import threads
from eeg2speech_bench.core.machine.threads import share_cores

COUNT = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from eeg2speech_bench.core.machine.threads import share_cores
share_cores()
import torch
print(torch.get_num_threads())
"""


def test_threads_sleep_while_they_wait():
    environment: dict[str, str] = {}
    share_cores(environment)
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"])
def test_how_threads_wait_is_left_to_a_user_who_has_set_it(name):
    environment = {name: "7"}
    share_cores(environment)
    assert {key: environment.get(key) for key in threads.WAITING if key != name} == dict.fromkeys(
        key for key in threads.WAITING if key != name
    )
    assert environment[name] == "7"


def test_threads_are_as_many_as_a_container_allows(monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    environment: dict[str, str] = {}
    share_cores(environment)
    assert environment["OMP_NUM_THREADS"] == "1"


def test_a_number_of_threads_that_the_user_has_set_stays(monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)
    environment = {"OMP_NUM_THREADS": "3"}
    share_cores(environment)
    assert environment["OMP_NUM_THREADS"] == "3"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to a core")
def test_a_process_bound_to_one_core_computes_with_one_thread():
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", COUNT], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"]

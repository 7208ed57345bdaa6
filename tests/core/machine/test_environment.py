"""Which devices and which precision are chosen, with and without a GPU's driver."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.core.machine import environment
from eeg2speech_bench.core.machine.environment import choose_device, choose_precision, require_devices

CHOOSE = """
import sys
from eeg2speech_bench.core.machine.environment import choose_device, choose_precision
choose_precision("auto", choose_device("cpu"))
print("torch" in sys.modules)
"""


@pytest.fixture
def gpus(monkeypatch):
    """Pretend that there are some GPUs."""
    return lambda count: monkeypatch.setattr(environment, "_count_gpus", lambda: count)


@pytest.mark.parametrize(("count", "device"), [(0, "cpu"), (2, "cuda")])
def test_a_gpu_is_taken_where_there_is_one(gpus, count, device):
    gpus(count)
    assert choose_device("auto") == device


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:1"])
def test_what_is_no_device_is_refused(name):
    with pytest.raises(UsageError, match="Unknown device"):
        choose_device(name)


def test_a_gpu_that_is_not_there_is_refused(gpus):
    gpus(2)
    assert choose_device("cuda:1") == "cuda:1"
    with pytest.raises(UsageError, match="'cuda:2' is not available: got 2 CUDA devices"):
        choose_device("cuda:2")


def test_torch_is_not_imported_for_a_choice_that_does_not_need_it():
    done = subprocess.run([sys.executable, "-c", CHOOSE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


@pytest.mark.parametrize(
    ("flags", "precision"), [("fma avx2", "float32"), ("avx512_bf16", "bfloat16"), ("amx_tile", "bfloat16")]
)
def test_the_cpu_computes_in_what_it_has_instructions_for(monkeypatch, flags, precision):
    monkeypatch.setattr(environment, "_cpu_flags", lambda: set(flags.split()))
    assert choose_precision("auto", "cpu") == precision


def test_this_cpu_is_read_as_torch_reads_it():
    import torch

    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    assert (choose_precision("auto", "cpu") == "bfloat16") is native


def test_more_devices_than_there_are_are_refused(gpus, monkeypatch):
    gpus(2)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    require_devices("cuda", 2)
    require_devices("cpu", 4)
    with pytest.raises(UsageError, match=r"3 devices cannot .*: got 2 cuda devices\. Use --devices 2"):
        require_devices("cuda", 3)
    with pytest.raises(UsageError, match=r"got --devices 2 with --device cuda:1\. Use --device cuda,"):
        require_devices("cuda:1", 2)

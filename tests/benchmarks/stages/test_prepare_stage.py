"""The stage that prepares a data set."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from eeg2speech_bench.benchmarks.stage_inputs import PrepareInputs
from eeg2speech_bench.benchmarks.stage_runs import run_stage
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.stages.checkpoints import StageCheckpoints


@pytest.mark.parametrize("resumes", [True, False])
def test_a_preparation_is_given_checkpoints_if_it_goes_on_from_them(resumes, tmp_path):
    calls = []
    spec = SimpleNamespace(resumes=resumes, load=lambda: lambda *arguments: calls.append(arguments))
    dataset, settings, progress = object(), DataConfig(), lambda note, share: None
    checkpoints = StageCheckpoints(tmp_path / "kept", {}, lambda line: None)
    run_stage(PrepareInputs(dataset, spec, settings), tmp_path, progress, checkpoints)
    kept = (checkpoints,) if resumes else ()
    assert calls == [(dataset, settings, tmp_path, progress, *kept)]

"""Step checkpoints: every half minute, and less often where they take long."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from eeg2speech_bench.core.training import step_checkpoints
from eeg2speech_bench.core.training.step_checkpoints import StepCheckpoints


@pytest.mark.parametrize(("write_s", "expected"), [(0.1, [30.0, 60.5, 91.0]), (1.5, [30.0, 81.5]), (9.0, [30.0, 99.0])])
def test_a_state_that_takes_long_is_written_less_often(monkeypatch, write_s, expected):
    clock = SimpleNamespace(now_s=0.0)
    written = []

    def save_checkpoint(path):
        written.append(clock.now_s)
        clock.now_s += write_s

    monkeypatch.setattr(step_checkpoints, "time", SimpleNamespace(monotonic=lambda: clock.now_s))
    alone = SimpleNamespace(broadcast=lambda value: value)
    trainer = SimpleNamespace(current_epoch=0, global_step=0, save_checkpoint=save_checkpoint, strategy=alone)
    callback = StepCheckpoints(SimpleNamespace(path="net.pt"))
    while clock.now_s < 100:
        callback.on_train_batch_start(trainer, None, None, 0)
        clock.now_s = int(clock.now_s * 2) / 2 + 0.5  # a step ends at every half second
    assert written == expected

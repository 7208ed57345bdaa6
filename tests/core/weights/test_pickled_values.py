"""Settings beside the weights do no harm, and what would run code is refused by its type."""

from __future__ import annotations

import argparse
import collections
import datetime
import pickle
import re
from pathlib import Path, PureWindowsPath

import lightning as L
import numpy as np
import pytest
import torch

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.weights.checkpoint_file import read_checkpoint

FIXTURES = Path(__file__).parent / "fixtures"

VALUES = {
    "a path": Path("a/b.wav"),
    "a path of another system": PureWindowsPath("c:/a.wav"),
    "a number of NumPy": np.float64(0.9),
    "a yes of NumPy": np.bool_(True),
    "an array": np.arange(5.0),
    "a type of NumPy": np.float32,
    "a type of PyTorch": torch.float16,
    "parsed arguments": argparse.Namespace(folder=Path("a"), rate=np.float64(1.0)),
    "a date": datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC),
    "lists by name": collections.defaultdict(list, loss=[1.0]),
    "a queue": collections.deque([1, 2]),
    "a range": range(3),
    "a set": frozenset({1}),
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_a_setting_beside_the_weights_does_no_harm(tmp_path: Path, value: object, zipped: bool) -> None:
    content = {"hyper_parameters": {"it": value}, "state_dict": {"a": torch.ones(2)}}
    torch.save(content, tmp_path / "x.ckpt", _use_new_zipfile_serialization=zipped)
    assert list(read_checkpoint(tmp_path / "x.ckpt")) == ["a"]


def test_settings_of_omegaconf_are_passed_over_without_that_library() -> None:
    assert read_checkpoint(FIXTURES / "omegaconf_2_4.ckpt")["a"].tolist() == [1.0, 1.0]


class Trained(L.LightningModule):
    """Remembers its settings as Lightning does."""

    def __init__(self, folder: Path, rate: np.float64, arguments: argparse.Namespace) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return self.layer(batch).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters())


def test_a_checkpoint_of_lightning_is_read_whatever_its_settings_are(tmp_path: Path) -> None:
    module = Trained(Path("a"), np.float64(0.1), argparse.Namespace(names=["b"]))
    options = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = L.Trainer(accelerator="cpu", max_steps=1, default_root_dir=tmp_path, **options)
    trainer.fit(module, torch.utils.data.DataLoader(torch.ones(2, 2)))
    trainer.save_checkpoint(tmp_path / "x.ckpt")
    state = read_checkpoint(tmp_path / "x.ckpt")
    assert state.keys() == {"layer.weight", "layer.bias"}
    assert torch.equal(state["layer.weight"], module.layer.weight)


class Foreign:
    """Anything but a value: unpickling it would run code."""


def refusal(path: Path) -> str:
    with pytest.raises(DataError, match=f"Checkpoint {path} cannot be read") as caught:
        read_checkpoint(path)
    return str(caught.value)


@pytest.mark.parametrize("zipped", [True, False])
def test_an_object_of_another_type_is_refused_by_that_type(tmp_path: Path, zipped: bool) -> None:
    torch.save({"a": Foreign()}, tmp_path / "x.ckpt", _use_new_zipfile_serialization=zipped)
    said = refusal(tmp_path / "x.ckpt")
    assert re.search(r"got values of type \S+\.Foreign, expected tensors only", said)
    assert "\x1b" not in said


def test_the_lines_that_a_refusal_says_make_a_file_that_is_read(tmp_path: Path) -> None:
    torch.save({"it": Foreign(), "state_dict": {"a": torch.ones(2)}}, tmp_path / "x.ckpt")
    lines = [line.strip() for line in refusal(tmp_path / "x.ckpt").splitlines() if line.startswith("  ")]
    assert len(lines) == 2
    exec("\n".join(lines), {})
    assert list(read_checkpoint(tmp_path / "x-weights.pt")) == ["a"]


class Command:
    """Would run a command when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return Path.write_text, (self.proof, "run")


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(pickle.dumps({"state_dict": Command(tmp_path / "proof")}, protocol=2))
    torch.save({"state_dict": Command(tmp_path / "proof")}, tmp_path / "y.pt")
    assert "cannot be read" in refusal(tmp_path / "x.pt")
    assert "cannot be read" in refusal(tmp_path / "y.pt")
    assert not (tmp_path / "proof").exists()

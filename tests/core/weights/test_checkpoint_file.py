"""Weights of every kind of file are read the same way, and a file without them is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.weights.checkpoint_file import OUTER_KEYS, read_checkpoint


@pytest.mark.parametrize("outer", [*OUTER_KEYS, None])
def test_weights_are_read_from_wherever_trainers_store_them(tmp_path: Path, outer: str | None) -> None:
    state = {"_orig_mod.a.weight": torch.ones(2)}
    torch.save({outer: state, "epoch": 3} if outer else state, tmp_path / "x.ckpt")
    assert torch.equal(read_checkpoint(tmp_path / "x.ckpt")["a.weight"], torch.ones(2))


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "x.safetensors")
    assert torch.equal(read_checkpoint(tmp_path / "x.safetensors")["a"], torch.ones(2))


def test_weights_two_entries_deep_are_found(tmp_path: Path) -> None:
    torch.save({"state_dict": {"model": {"a": torch.ones(2)}}, "epoch": 3}, tmp_path / "x.pth")
    assert list(read_checkpoint(tmp_path / "x.pth")) == ["a"]


@pytest.mark.parametrize("average", ["ema", "ema_state_dict", "current_model_state", "averaging_state"])
def test_an_average_beside_the_weights_is_not_taken_for_them(tmp_path: Path, average: str) -> None:
    torch.save({average: {"a": torch.zeros(2)}, "state_dict": {"a": torch.ones(2)}}, tmp_path / "x.pt")
    assert torch.equal(read_checkpoint(tmp_path / "x.pt")["a"], torch.ones(2))


def test_a_file_with_an_average_alone_is_refused_by_its_entries(tmp_path: Path) -> None:
    torch.save({"ema": {"a": torch.zeros(2)}, "epoch": 3}, tmp_path / "x.pt")
    with pytest.raises(DataError, match="no tensors in it: ema, epoch"):
        read_checkpoint(tmp_path / "x.pt")


def test_weights_under_two_entries_are_refused_by_both(tmp_path: Path) -> None:
    torch.save({"model": {"a": torch.ones(2)}, "generator": {"a": torch.zeros(2)}}, tmp_path / "x.pt")
    with pytest.raises(DataError, match="weights in model and in generator"):
        read_checkpoint(tmp_path / "x.pt")


@pytest.mark.parametrize("name", ["x.pt", "x.safetensors"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32(tmp_path: Path, name: str, dtype: torch.dtype) -> None:
    save = save_file if name.endswith(".safetensors") else torch.save
    save({"a": torch.tensor([0.5, 2.0], dtype=dtype), "n": torch.tensor([3])}, tmp_path / name)
    state = read_checkpoint(tmp_path / name)
    assert state["a"].dtype == torch.float32
    assert state["a"].tolist() == [0.5, 2.0]
    assert state["n"].dtype == torch.int64


def test_a_pointer_of_git_is_named_with_what_to_type(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(DataError, match=r"got a pointer of Git LFS.*Type: git lfs pull"):
        read_checkpoint(tmp_path / "x.safetensors")


@pytest.mark.parametrize("name", ["x.ckpt", "x.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off", b"\x80\x02}q\x00(X"])
def test_a_corrupt_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"Checkpoint .*{name} cannot be read: got .+"):
        read_checkpoint(tmp_path / name)


def test_a_cut_file_is_named(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(5000)}, tmp_path / "x.ckpt")
    content = (tmp_path / "x.ckpt").read_bytes()
    (tmp_path / "x.ckpt").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"Checkpoint .*x\.ckpt cannot be read"):
        read_checkpoint(tmp_path / "x.ckpt")


@pytest.mark.parametrize("content", [{"epoch": 3}, [torch.ones(1)]])
def test_a_file_without_named_tensors_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "x.ckpt")
    with pytest.raises(DataError, match="no tensors in it"):
        read_checkpoint(tmp_path / "x.ckpt")

"""Weights of every kind are read the same way, and what is not weights is refused without being run."""

from __future__ import annotations

import json
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from safetensors.torch import save_file

from eeg2speech_bench.core.errors import BenchError, DataError, UsageError
from eeg2speech_bench.core.weights.checkpoint_file import read_checkpoint
from eeg2speech_bench.core.weights.location import read_config
from eeg2speech_bench.core.weights.pretrained import load_pretrained


@pytest.mark.parametrize("outer", ["state_dict", "generator", None])
def test_weights_are_read_from_wherever_trainers_store_them(tmp_path: Path, outer: str | None) -> None:
    state = {"_orig_mod.a.weight": torch.ones(2)}
    torch.save({outer: state, "epoch": 3} if outer else state, tmp_path / "x.ckpt")
    assert torch.equal(read_checkpoint(tmp_path / "x.ckpt")["a.weight"], torch.ones(2))


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "x.safetensors")
    assert torch.equal(read_checkpoint(tmp_path / "x.safetensors")["a"], torch.ones(2))


class Foreign:
    """Anything but a tensor: unpickling it would run code."""


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


def test_a_pickle_of_other_objects_is_refused_without_being_run(tmp_path: Path) -> None:
    torch.save({"a": Foreign()}, tmp_path / "x.ckpt")
    with pytest.raises(DataError, match=r"Checkpoint .*x\.ckpt cannot be read.*tensors only"):
        read_checkpoint(tmp_path / "x.ckpt")


@pytest.mark.parametrize("content", [{"epoch": 3}, [torch.ones(1)]])
def test_a_file_without_named_tensors_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "x.ckpt")
    with pytest.raises(DataError, match="no tensors in it"):
        read_checkpoint(tmp_path / "x.ckpt")


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_folder_is_read_by_the_names_that_the_hub_uses(tmp_path: Path, name: str) -> None:
    save = save_file if name.endswith(".safetensors") else torch.save
    save({"a": torch.ones(2)}, tmp_path / name)
    assert torch.equal(read_checkpoint(tmp_path)["a"], torch.ones(2))


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no weights: expected model\.safetensors or pytorch_model\.bin"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("source", ["no/such/folder/at/all", "weights/missing.pt", "missing", "/gone.ckpt"])
def test_weights_that_are_nowhere_are_refused(source: str) -> None:
    with pytest.raises(UsageError, match=f"Weights were not found: got '{source}'"):
        read_checkpoint(source)


def test_a_number_of_numpy_beside_the_weights_does_no_harm(tmp_path: Path) -> None:
    import numpy as np

    torch.save({"best": np.float64(0.9), "state_dict": {"a": torch.ones(2)}}, tmp_path / "x.pt")
    assert list(read_checkpoint(tmp_path / "x.pt")) == ["a"]


def test_the_configuration_is_the_one_beside_the_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"sfreq": 200}')
    assert read_config(tmp_path) == {"sfreq": 200}


def test_a_bare_file_has_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "x.pt").touch()
    assert read_config(tmp_path / "x.pt") == {}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, str, str | None]]:
    """Stand in for a repository that holds ``pytorch_model.bin`` alone; return what was asked for."""
    asked: list[tuple[str, str, str | None]] = []
    torch.save({"a": torch.ones(2)}, tmp_path / "pytorch_model.bin")

    def download(repository: str, file: str, revision: str | None = None, subfolder: str | None = None) -> str:
        asked.append((repository, file, revision))
        if not (tmp_path / file).is_file():
            raise EntryNotFoundError(f"no {file}")
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return asked


def test_a_repository_is_asked_for_one_name_after_the_other(hub: list[tuple[str, str, str | None]]) -> None:
    assert list(read_checkpoint("owner/name")) == ["a"]
    names = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
    assert hub == [("owner/name", name, None) for name in names]


def test_a_file_of_a_pinned_repository_is_asked_for_alone(hub: list[tuple[str, str, str | None]]) -> None:
    read_checkpoint("owner/name:pytorch_model.bin@v1")
    assert hub == [("owner/name", "pytorch_model.bin", "v1")]


def test_a_repository_without_weights_is_refused(hub: list[tuple[str, str, str | None]]) -> None:
    with pytest.raises(DataError, match=r"owner/name lacks a file: expected other\.pt"):
        read_checkpoint("owner/name:other.pt")


def test_a_repository_without_a_configuration_has_none(hub: list[tuple[str, str, str | None]]) -> None:
    assert read_config("owner/name") == {}


def test_a_repository_out_of_reach_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*arguments: object, **options: object) -> str:
        raise LocalEntryNotFoundError("no network")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(DataError, match=r"could not be fetched from the hub: got no network.*give its folder"):
        read_checkpoint("owner/name")


def test_a_network_of_transformers_that_is_nowhere_says_which_setting_to_mend(tmp_path: Path) -> None:
    from transformers import AutoConfig

    source = str(tmp_path / "absent")
    with pytest.raises(BenchError, match=r"The net cannot be loaded: got '.*absent'.*set some\.option to that folder"):
        load_pretrained(AutoConfig, source, what="The net", option="some.option")


def test_a_folder_of_transformers_is_loaded(tmp_path: Path) -> None:
    from transformers import AutoConfig

    (tmp_path / "config.json").write_text(json.dumps({"model_type": "wav2vec2", "hidden_size": 16}))
    assert load_pretrained(AutoConfig, str(tmp_path), what="The net", option="some.option").hidden_size == 16

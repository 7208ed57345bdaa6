"""Weights are found in files, folders and repositories, and what is not there is named."""

from __future__ import annotations

import json
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from safetensors.torch import save_file

from eeg2speech_bench.core.errors import DataError, UsageError
from eeg2speech_bench.core.weights.checkpoint_file import read_checkpoint
from eeg2speech_bench.core.weights.location import WEIGHT_FILES, read_config


@pytest.mark.parametrize("name", WEIGHT_FILES)
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


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Folder of weights that were split into two files."""
    for k, key in enumerate("ab", 1):
        save_file({key: torch.full((2,), float(k))}, tmp_path / f"model-0000{k}-of-00002.safetensors")
    listed = {key: f"model-0000{k}-of-00002.safetensors" for k, key in enumerate("ab", 1)}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": listed}))
    return tmp_path


def test_all_parts_of_split_weights_are_read(parts: Path) -> None:
    assert {key: value.tolist() for key, value in read_checkpoint(parts).items()} == {"a": [1, 1], "b": [2, 2]}


def test_a_missing_part_is_named(parts: Path) -> None:
    (parts / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(DataError, match=r"lack a part: got no model-00002-of-00002\.safetensors"):
        read_checkpoint(parts)


def test_parts_without_their_list_are_refused(parts: Path) -> None:
    (parts / "model.safetensors.index.json").unlink()
    with pytest.raises(DataError, match=r"several files of weights: got model-00001.*model\.safetensors\.index\.json"):
        read_checkpoint(parts)


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"weight_map": {"a": "../a.bin"}}', '{"weight_map": {}}'])
def test_a_list_that_names_no_files_beside_it_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "pytorch_model.bin.index.json").write_text(content)
    with pytest.raises(DataError, match=r"index\.json does not list the parts"):
        read_checkpoint(tmp_path)


def test_the_list_of_the_parts_is_refused_with_its_folder(parts: Path) -> None:
    with pytest.raises(UsageError, match=f"Give {parts}"):
        read_checkpoint(parts / "model.safetensors.index.json")


def test_the_only_file_of_weights_in_a_folder_may_have_any_name(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "last.ckpt")
    torch.save({"state": {}}, tmp_path / "optimizer.pt")
    assert list(read_checkpoint(tmp_path)) == ["a"]


def test_a_folder_of_a_whole_pipeline_is_refused_with_its_networks(tmp_path: Path) -> None:
    for name in ("vae", "unet"):
        (tmp_path / name).mkdir()
        save_file({"a": torch.ones(2)}, tmp_path / name / "diffusion_pytorch_model.safetensors")
    with pytest.raises(DataError, match=r"holds no weights.*Give one of its folders: unet, vae\."):
        read_checkpoint(tmp_path)


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


def test_a_file_in_the_cache_is_found_without_a_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "pytorch_model.bin")

    def download(repository: str, file: str, **where: object) -> str:
        if file != "pytorch_model.bin":
            raise LocalEntryNotFoundError("no network")
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert list(read_checkpoint("owner/name")) == ["a"]

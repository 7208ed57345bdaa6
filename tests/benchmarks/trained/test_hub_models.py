"""Models go to the hub and come back as they were; what is not one of ours is refused, and never run."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hub_server import Hub
from huggingface_hub import ModelCard, constants, file_download

from eeg2speech_bench.benchmarks import load_cell
from eeg2speech_bench.benchmarks.model_command import configure, run
from eeg2speech_bench.benchmarks.trained.trained_cell import TrainedCell
from eeg2speech_bench.core.errors import BenchError, StorageError, UsageError

pytestmark = pytest.mark.filterwarnings("ignore")

REPO = "lab/mean"
FILES = {"model.json", "pair.safetensors", "record.json", "README.md"}


@pytest.fixture
def hub(serve_hub: Callable[..., Hub]) -> Hub:
    """A hub on which the repository is not there yet."""
    return serve_hub(REPO, exists=False)


@pytest.fixture
def model(installed_plugins) -> Callable[..., int]:
    """Type an action of the verb."""

    def type_model(*typed: object) -> int:
        parser = argparse.ArgumentParser()
        configure(parser)
        return run(parser.parse_args([str(word) for word in typed]), installed_plugins)

    return type_model


@pytest.fixture
def pushed(hub, kept, model) -> Hub:
    """The hub with the model on it."""
    assert model("push", kept.path, REPO, "--licence", "cc-by-4.0") == 0
    return hub


def change_description(hub: Hub, **values: object) -> None:
    """Put another description into the repository."""
    hub.files["model.json"] = json.dumps(json.loads(hub.files["model.json"]) | values).encode()


def test_a_model_is_sent_with_its_record_and_a_card(hub, kept, model, capsys):
    model("push", kept.path, REPO, "--licence", "cc-by-4.0")
    assert set(hub.files) == {".gitattributes", *FILES}
    for name in ("model.json", "pair.safetensors"):
        assert hub.files[name] == (kept.folder / name).read_bytes()
    assert hub.files["record.json"] == kept.path.read_bytes()
    card = ModelCard(hub.files["README.md"].decode())
    assert (card.data.license, len(card.data.eval_results)) == ("cc-by-4.0", 2)
    said = capsys.readouterr().out
    assert said.index("Verdict on its test set, top-1: signal") < said.index("sending: pair.safetensors")
    assert f"Sent: {hub.url}/{REPO}/commit/" in said


def test_what_was_sent_comes_back_as_it_was_and_is_used_without_a_record_beside_it(pushed, kept, model, tmp_path):
    assert model("pull", REPO, "--out", tmp_path / "model") == 0
    assert {path.name for path in (tmp_path / "model").iterdir()} == FILES
    assert not any(path.is_symlink() for path in (tmp_path / "model").iterdir())
    shutil.rmtree(kept.results)
    shutil.rmtree(tmp_path / "cache")
    assert_encodes(load_cell(tmp_path / "model", device="cpu"), kept)


def assert_encodes(cell: TrainedCell, kept) -> None:
    signal = kept.description.signal
    eeg = np.random.default_rng(0).normal(0, 1e-5, (signal.n_chans, 4 * signal.n_times))
    condition = cell.encode(eeg, listener=kept.description.listeners[0])
    assert torch.isfinite(condition.embeddings).all()
    assert len(condition.embeddings) >= 1


def test_a_model_is_sent_and_loaded_from_python(hub, kept):
    load_cell(kept.path, device="cpu").push_to_hub(REPO)
    cell = TrainedCell.from_hub(REPO, device="cpu")
    assert cell.verdict == kept.record.verdict
    assert_encodes(cell, kept)


def test_a_model_that_was_fetched_or_saved_can_be_sent_again(pushed, kept, model, tmp_path):
    load_cell(kept.path, device="cpu").save(tmp_path / "saved")
    model("pull", REPO, "--out", tmp_path / "pulled")
    before = dict(pushed.files)
    for folder in ("saved", "pulled"):
        model("push", tmp_path / folder, REPO, "--licence", "cc-by-4.0")
        assert pushed.files == before


def test_a_private_repository_is_made_private(hub, kept, model):
    model("push", kept.path, REPO, "--private")
    assert hub.private


def test_a_dry_run_shows_the_card_and_sends_nothing(hub, kept, model, capsys):
    model("push", kept.path, REPO, "--dry-run")
    said = capsys.readouterr().out
    assert "would send: pair.safetensors" in said
    assert "## Scores beside controls" in said
    assert hub.log == []


def test_files_of_an_earlier_model_go_with_it(pushed, kept, model):
    pushed.files |= {"generator.safetensors": b"old", "notes.txt": b"mine"}
    model("push", kept.path, REPO)
    assert set(pushed.files) == {".gitattributes", "notes.txt", *FILES}


class TestWhatIsNeverFetched:
    """A repository may hold anything; only what the format has is asked for, and nothing is run."""

    def test_code_and_pickles_beside_a_model(self, pushed, model, tmp_path):
        evil = ("evil.pkl", "setup.py", "modeling.py", "pytorch_model.bin", "sub/model.json", "generator.safetensors")
        pushed.files |= dict.fromkeys(evil, b"boom")
        model("pull", REPO, "--out", tmp_path / "model")
        assert pushed.fetched() == FILES
        assert {path.name for path in (tmp_path / "model").iterdir()} == FILES

    def test_a_description_that_names_a_file_elsewhere(self, pushed, model, tmp_path):
        change_description(pushed, files={"../../evil.pkl": "0" * 64})
        with pytest.raises(StorageError, match=r"hf://lab/mean cannot be used: got files: .*no model has a file"):
            model("pull", REPO, "--out", tmp_path / "model")
        assert pushed.fetched() == {"model.json"}
        assert not (tmp_path / "model").exists()


class TestDamage:
    """What does not arrive whole leaves nothing behind, and says what to type."""

    @pytest.fixture(autouse=True)
    def no_waiting(self, monkeypatch):
        monkeypatch.setattr(file_download.time, "sleep", lambda seconds: None)

    def test_a_connection_that_drops_is_taken_up_again(self, pushed, model, tmp_path):
        pushed.drops = {"pair.safetensors": 1}
        model("pull", REPO, "--out", tmp_path / "model")
        assert (tmp_path / "model" / "pair.safetensors").read_bytes() == pushed.files["pair.safetensors"]

    def test_a_connection_that_drops_for_good_leaves_nothing(self, pushed, model, tmp_path):
        pushed.drops = {"pair.safetensors": 100}
        with pytest.raises(StorageError, match=r"could not be reached: got .*type the same command again"):
            model("pull", REPO, "--out", tmp_path / "model")
        assert not [path for path in tmp_path.iterdir() if "model" in path.name]
        pushed.drops = {}
        assert model("pull", REPO, "--out", tmp_path / "model") == 0

    def test_wrong_bytes_are_refused(self, pushed, model, tmp_path):
        content = pushed.files["pair.safetensors"]
        pushed.files["pair.safetensors"] = content[:-1] + bytes([content[-1] ^ 1])
        with pytest.raises(StorageError, match=r"got pair.safetensors is not what was written.*hf cache rm model/lab"):
            model("pull", REPO, "--out", tmp_path / "model")
        assert not [path for path in tmp_path.iterdir() if "model" in path.name]

    def test_weights_that_are_missing_are_named(self, pushed, model, tmp_path):
        del pushed.files["pair.safetensors"]
        with pytest.raises(StorageError, match=r"hf://lab/mean cannot be used: got no pair.safetensors"):
            model("pull", REPO, "--out", tmp_path / "model")

    def test_a_record_of_another_run_is_refused(self, pushed, model, tmp_path):
        record = json.loads(pushed.files["record.json"])
        pushed.files["record.json"] = json.dumps(record | {"verdict": {}}).encode()
        with pytest.raises(StorageError, match=r"record.json is not the record of this model"):
            model("pull", REPO, "--out", tmp_path / "model")
        assert not (tmp_path / "model").exists()

    def test_a_damaged_model_is_not_sent(self, hub, kept, model):
        (kept.folder / "pair.safetensors").write_bytes(b"half")
        with pytest.raises(StorageError, match=r"is damaged: got pair\.safetensors"):
            model("push", kept.path, REPO)
        assert hub.log == []


class TestRefusals:
    """What cannot be done says what to type next."""

    def test_a_repository_that_is_not_there(self, hub, model, tmp_path):
        with pytest.raises(StorageError, match=r"hf://lab/mean was not found, or is private\. .*'hf auth login'"):
            model("pull", REPO, "--out", tmp_path / "model")

    def test_a_private_repository_without_a_login(self, pushed, model, tmp_path, monkeypatch):
        pushed.private = True
        monkeypatch.delenv("HF_TOKEN")
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
        with pytest.raises(StorageError, match=r"was not found, or is private\. .*'hf auth login'"):
            model("pull", REPO, "--out", tmp_path / "model")

    def test_sending_without_a_login(self, hub, kept, model, tmp_path, monkeypatch):
        monkeypatch.delenv("HF_TOKEN")
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
        with pytest.raises(StorageError, match=r"does not let you in.*Type 'hf auth login'"):
            model("push", kept.path, REPO)

    def test_sending_to_a_name_of_others(self, hub, kept, model):
        with pytest.raises(StorageError, match=r"hf://other/mean does not let you in"):
            model("push", kept.path, "other/mean")

    def test_a_repository_of_something_else(self, pushed, model, tmp_path):
        del pushed.files["model.json"]
        with pytest.raises(StorageError, match=r"is no model of the suite: got no model.json.*model push"):
            model("pull", REPO, "--out", tmp_path / "model")

    def test_something_else_is_not_written_over(self, hub, kept, model):
        hub.exists = True
        hub.files |= {"config.json": b"{}", "README.md": b"mine"}
        with pytest.raises(StorageError, match=r"holds something else: got config.json\. Choose another name"):
            model("push", kept.path, REPO)
        assert hub.files["README.md"] == b"mine"

    def test_a_model_of_a_newer_version(self, pushed, model, tmp_path):
        change_description(pushed, version=2)
        with pytest.raises(StorageError, match=r"cannot be used: got version: .*Update eeg2speech-bench"):
            model("pull", REPO, "--out", tmp_path / "model")

    def test_a_model_whose_plugin_is_not_here_is_refused_before_its_weights_are_fetched(self, pushed, model, tmp_path):
        encoder = json.loads(pushed.files["model.json"])["encoder"]
        change_description(pushed, encoder=encoder | {"name": "x", "distribution": "stranger-net", "version": "2.1"})
        with pytest.raises(BenchError, match=r"needs encoder 'x', which is not here: .*Install stranger-net 2.1"):
            model("pull", REPO, "--out", tmp_path / "model")
        assert pushed.fetched() == {"model.json"}

    def test_a_plugin_that_changed_is_refused_unless_it_is_taken_anyway(self, pushed, model, tmp_path):
        encoder = json.loads(pushed.files["model.json"])["encoder"]
        change_description(pushed, encoder=encoder | {"source_hash": "0" * 16})
        with pytest.raises(BenchError, match=r"not the code that was trained: .*--anyway"):
            model("pull", REPO, "--out", tmp_path / "model")
        assert model("pull", REPO, "--out", tmp_path / "model", "--anyway") == 0

    def test_a_revision_that_is_not_there(self, pushed, model, tmp_path):
        with pytest.raises(StorageError, match="has no such revision"):
            model("pull", f"{REPO}@v7", "--out", tmp_path / "model")

    def test_a_folder_with_something_in_it(self, pushed, model, tmp_path):
        pushed.log.clear()
        (tmp_path / "mine.txt").write_text("mine")
        with pytest.raises(UsageError, match="is there already"):
            model("pull", REPO, "--out", tmp_path)
        assert pushed.log == []

    @pytest.mark.parametrize("name", ["mean", "lab/..", "https://example.org/lab/mean", "lab/mean@", "lab/mean@../x"])
    def test_a_name_that_is_none(self, hub, model, tmp_path, name):
        with pytest.raises(UsageError, match="does not name a model of the hub"):
            model("pull", name, "--out", tmp_path / "model")

    def test_a_licence_that_is_none(self, hub, kept, model):
        with pytest.raises(UsageError, match="Licence was not understood"):
            model("push", kept.path, REPO, "--licence", "mine\nevil: true")

    def test_a_model_without_its_record(self, hub, kept, model, tmp_path):
        shutil.copytree(kept.folder, tmp_path / "alone")
        with pytest.raises(StorageError, match=r"The record of model .* is not here.*Give results/records"):
            model("push", tmp_path / "alone", REPO)

    def test_a_record_that_is_not_of_the_model(self, hub, kept, keep_model, model):
        cell = kept.record.cell.model_dump() | {"seed": 1}
        (kept.folder / "record.json").write_bytes(keep_model("other", cell=cell).path.read_bytes())
        with pytest.raises(StorageError, match="is not the record of this model"):
            model("push", kept.path, REPO)


class TestRevisionsAndTheCache:
    """A revision is what it was, and without a network the cache is all there is."""

    def test_a_tag_is_fetched_as_it_was(self, pushed, model, tmp_path):
        pushed.tags["v1"] = dict(pushed.files)
        del pushed.files["model.json"]
        assert model("pull", f"{REPO}@v1", "--out", tmp_path / "model") == 0

    def test_offline_the_model_comes_from_the_cache(self, pushed, model, tmp_path, monkeypatch):
        model("pull", REPO, "--out", tmp_path / "model")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        pushed.log.clear()
        assert model("pull", REPO, "--out", tmp_path / "again") == 0
        assert pushed.log == []
        names = {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
        assert names == {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}

    def test_offline_what_is_not_in_the_cache_says_which_variable_does_it(self, pushed, model, tmp_path, monkeypatch):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(StorageError, match=r"is not asked while offline\. Unset HF_HUB_OFFLINE"):
            model("pull", REPO, "--out", tmp_path / "model")

    def test_what_is_there_already_is_not_fetched_again(self, pushed, model, tmp_path):
        model("pull", REPO, "--out", tmp_path / "model")
        pushed.log.clear()
        model("pull", REPO, "--out", tmp_path / "again")
        assert pushed.fetched() == set()

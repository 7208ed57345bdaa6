"""What all tests share: one thread, no network, and the folder of real recordings where there is one."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub_server import Hub

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["LSLAPICFG"] = str(Path(__file__).with_name("lsl_api.cfg"))


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Folder of real recordings, speech and weights, which the project does not ship."""
    named = os.environ.get("EEG2SPEECH_BENCH_REALDATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "realdata"
    if not folder.is_dir():
        pytest.skip("real recordings are not here; set EEG2SPEECH_BENCH_REALDATA to their folder")
    return folder


@pytest.fixture(scope="session")
def tiny_wav2vec2(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder with a wav2vec 2.0 of four small layers and random weights, as it comes from the hub."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    torch.manual_seed(0)
    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm="layer",
    )
    folder = tmp_path_factory.mktemp("wav2vec2")
    Wav2Vec2Model(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def write_audioeeg(tmp_path: Path) -> Callable[..., Path]:
    """Write the data set of the prototype: sounds of 3 s, embeddings, and two levels of JSON with its own paths."""
    import numpy as np
    import soundfile
    import torch

    def write(train: int = 4, val: int = 8, test: int = 8, dim: int = 16, n_frames: int = 343) -> Path:
        home = tmp_path / "audioeeg" / "dataset"
        for folder in ("sounds", "embeddings", "metadata/lists"):
            (home / folder).mkdir(parents=True)
        rng = np.random.default_rng(0)
        number = 0
        for part, count in {"train": train, "val": val, "test": test}.items():
            rows = []
            for _ in range(count):
                name = f"item{number:03}"
                soundfile.write(home / "sounds" / f"{name}.wav", 0.1 * rng.standard_normal(48_000), 16_000)
                embedding = torch.randn(1, dim, n_frames, generator=torch.Generator().manual_seed(number))
                torch.save(embedding, home / "embeddings" / f"{name}.pt")
                rows.append({"wav": f"{name}.wav", "embedding": f"data/dataset/embeddings/{name}.pt", "labels": ""})
                number += 1
            (home / "metadata" / "lists" / f"{part}.json").write_text(json.dumps({"data": rows}))
        lists = {part: f"/of/the/authors/data/dataset/metadata/lists/{part}.json" for part in ("train", "val", "test")}
        root = {"audioeeg": "./data/dataset/sounds", "metadata": {"path": {"audioeeg": lists}}}
        (home / "metadata" / "dataset_root.json").write_text(json.dumps(root))
        return tmp_path / "audioeeg"

    return write


@pytest.fixture
def serve_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Hub]]:
    """Serve a repository, and point the hub's library at it as its environment variables would."""
    from huggingface_hub import constants

    servers: list[Hub] = []

    def serve(repo: str, *, exists: bool = True) -> Hub:
        server = Hub(repo, exists=exists)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        values = {
            "ENDPOINT": server.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_XET": True,
        }
        for name, value in values.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setenv("HF_TOKEN", server.token)
        return server

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that connects to anything but this machine, unless it is marked ``network``."""
    if request.node.get_closest_marker("network") is None:
        connect = socket.socket.connect

        def refuse(self: socket.socket, address: object) -> None:
            if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
                raise AssertionError(f"a test tried to connect to {address}")
            connect(self, address)  # type: ignore[arg-type]

        monkeypatch.setattr(socket.socket, "connect", refuse)
    yield

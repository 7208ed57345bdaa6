"""Loads the autoencoder and the vocoder that are shipped, trained on free speech (see README.md beside this file)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TypeVar

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.generator.mel import AMPLITUDE_FLOOR, HOP, N_FFT, N_MELS, SAMPLE_RATE_HZ
from eeg2speech_bench.core.generator.mel_codec import MelCodec
from eeg2speech_bench.core.generator.spectrum_vocoder import SpectrumVocoder

FOLDER = Path(__file__).parent
AUTOENCODER, VOCODER = FOLDER / "autoencoder.safetensors", FOLDER / "vocoder.safetensors"
#: what spectrograms the weights were made for; files carry the same and are refused where it differs
FRONT_END = {
    "amplitude_floor": AMPLITUDE_FLOOR,
    "hop": HOP,
    "n_fft": N_FFT,
    "n_mels": N_MELS,
    "sample_rate_hz": SAMPLE_RATE_HZ,
}
Network = TypeVar("Network", bound=nn.Module)


def load_pretrained_autoencoder(path: Path = AUTOENCODER) -> MelCodec:
    """Load the shipped mel autoencoder, which compresses as the preset ``quick`` does: latents of 8 x n_frames / 8 x 8.

    Parameters
    ----------
    path : Path
        Another file of the same network, such as one that was tuned further.

    Raises
    ------
    BenchError
        If the file is damaged, has weights of other names or shapes, or was made for other spectrograms.
    """
    return _filled(MelCodec(), path)


def load_pretrained_vocoder(path: Path = VOCODER, n_iter: int | None = None) -> SpectrumVocoder:
    """Load the shipped vocoder, which turns log-mel (batch, n_frames, 64) into waveforms (batch, 160 * n_frames).

    Parameters
    ----------
    path : Path
        Another file of the same network.
    n_iter : int, optional
        Iterations of Griffin-Lim after the network; the vocoder's own choice where not given.

    Raises
    ------
    BenchError
        As `load_pretrained_autoencoder`.
    """
    vocoder = SpectrumVocoder() if n_iter is None else SpectrumVocoder(n_iter)
    _filled(vocoder.network, path)
    return vocoder.eval()


def weights_hash(path: Path) -> str:
    """Return the SHA-256 of a file of weights, by which records name it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _filled(network: Network, path: Path) -> Network:
    weights = _read(path)
    own = network.state_dict()
    other = sorted(k for k in own.keys() ^ weights.keys())
    other += [k for k in own.keys() & weights.keys() if own[k].shape != weights[k].shape]
    if other:
        raise BenchError(
            f"{path.name} holds weights of another network",
            got=f"other names or shapes of {', '.join(other[:3])}",
            expected=f"the {len(own)} weights of {type(network).__name__}",
            then="Install eeg2speech-bench again, or name a file that this version wrote.",
        )
    network.load_state_dict({name: value.float() for name, value in weights.items()})
    return network.eval()


def _read(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, "pt") as file:
            told = json.loads((file.metadata() or {}).get("front_end", "{}"))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
    except Exception as error:  # safetensors raises an exception of its own, and OSError
        raise BenchError(
            f"Weights {path.name} cannot be read", got=str(error)[:200], then="Install eeg2speech-bench again."
        ) from error
    for name, value in FRONT_END.items():
        if told.get(name) != value:
            raise BenchError(
                f"{path.name} was made for other spectrograms",
                got=f"{name} {told.get(name)}",
                expected=f"{name} {value}",
                then="Name a file that this version wrote.",
            )
    return weights


def save_pretrained(network: nn.Module, path: Path, facts: dict[str, str]) -> None:
    """Write a network's weights in half precision, with what its spectrograms are.

    Parameters
    ----------
    network : nn.Module
        A `MelCodec`, or the network of a `SpectrumVocoder`.
    path : Path
    facts : dict of str to str
        More to say: the hash of the training manifest, the steps.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    # Scalars, which standardise, stay exact.
    weights = {name: value.half() if value.ndim else value for name, value in state.items()}
    save_file(weights, path, metadata={"front_end": json.dumps(FRONT_END, sort_keys=True), **facts})
    path.chmod(0o644)  # safetensors writes for the owner alone

"""Measures divergence and inception score with a tagger of sounds, as AudioLDM's evaluation does."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from eeg2speech_bench.benchmarks.metrics.availability import why_unavailable
from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.segments.clips import CLIP_RATE_HZ, Clips

#: parts of the clips whose scores are averaged, as in audioldm_eval
N_SPLITS = 10
#: guards the division by a class that the generated clip never gets, as in audioldm_eval
_EPSILON = 1e-6
_BATCH_SIZE = 8
OPTION = "scores.models.tagger"


def divergence(generated: Clips, reference: Clips, model: str) -> np.ndarray:
    """Return the divergence of each generated clip's tags from its reference's, in nats.

    ``sum of p_reference * log(p_reference / (p_generated + 1e-6))`` over softmax probabilities. Nearly all speech
    gets the same tag, so this tells speech from noise and little more.

    Parameters
    ----------
    generated, reference : Clips
        n clips of the same segments.
    model : str
        Folder or hub id of an audio classifier of transformers, such as
        ``MIT/ast-finetuned-audioset-10-10-0.4593``. AudioLDM's published values are of PANNs' Cnn14: compare
        values of one tagger only.

    Returns
    -------
    array of float, shape (n,)
        0 is best; lower is better.

    Raises
    ------
    ContractError
        If the clips differ in number or length.
    """
    generated.check_matches(reference)
    ours, theirs = tags(generated, model), tags(reference, model)
    return np.sum(theirs * (np.log(np.maximum(theirs, 1e-30)) - np.log(ours + _EPSILON)), axis=1)


def mean_divergence(generated: Clips, reference: Clips, model: str) -> float:
    """Return the mean `divergence` of all clips, as AudioLDM reports it.

    Parameters and errors as there.
    """
    return float(divergence(generated, reference, model).mean())


def inception_score(generated: Clips, reference: Clips, model: str) -> float:
    """Return the inception score of the generated clips' tags.

    It is high for clips that are clearly tagged, and not all alike.

    Parameters, source as `divergence`; ``reference`` is not read. See `inception_score_of`.
    """
    return inception_score_of(tags(generated, model))


def inception_score_of(probabilities: np.ndarray, n_splits: int = N_SPLITS) -> float:
    """Return the mean over parts of ``exp(mean over clips of KL(p(tag | clip) || p(tag)))``.

    Parameters
    ----------
    probabilities : array of float, shape (n, n_classes)
    n_splits : int
        Parts of equal size after a fixed shuffle.

    Returns
    -------
    float
        From 1 (all clips tagged alike, as speech is) to the smaller of n_classes and the clips per part. NaN for
        fewer than two clips per part.

    Notes
    -----
    Source: Salimans et al. (2016), NeurIPS (arXiv 1606.03498); parts as in Liu et al. (2023), arXiv 2301.12503.
    """
    if len(probabilities) < 2 * n_splits:
        return np.nan
    shuffled = probabilities[np.random.default_rng(0).permutation(len(probabilities))].astype(np.float64)
    parts = np.array_split(shuffled, n_splits)
    return float(np.mean([np.exp(_mean_divergence_from_mean(part)) for part in parts]))


def available(model: str | None = None) -> str | None:
    """Say why the metrics of this module cannot run, and what to type; None if they can.

    Parameters
    ----------
    model : str, optional
        Folder, or hub id, which is downloaded if it is not in the cache.
    """
    if model is None:
        return "no tagger is named; type: --set scores.models.tagger=MIT/ast-finetuned-audioset-10-10-0.4593"
    reason = why_unavailable(("transformers",), "pip install transformers")
    if reason:
        return reason
    path = Path(model).expanduser()
    if path.is_dir() and not (path / "config.json").is_file():
        return f"tagger {model} is not there (no config.json in that folder)"
    try:
        _tagger(model)
    except BenchError as error:
        return f"tagger {model} cannot be used: {error}"
    except Exception as error:  # transformers and the hub's client raise of many kinds
        return f"tagger {model} is not there ({type(error).__name__}: {str(error).strip().splitlines()[0]})"
    return None


@lru_cache(maxsize=2)
def tags(clips: Clips, model: str) -> np.ndarray:
    """Return the probabilities of a tagger's classes, (n, n_classes)."""
    import torch

    extractor, network = _tagger(model)
    parts = []
    for first in range(0, len(clips), _BATCH_SIZE):
        waveforms = list(clips.waveform[first : first + _BATCH_SIZE])
        inputs = extractor(waveforms, sampling_rate=CLIP_RATE_HZ, return_tensors="pt")
        with torch.no_grad():
            parts.append(network(**inputs).logits.softmax(dim=-1).double().numpy())
    return np.concatenate(parts)


@lru_cache(maxsize=1)
def _tagger(model: str) -> tuple[Any, Any]:
    from transformers import AutoConfig, AutoFeatureExtractor, AutoModelForAudioClassification

    from eeg2speech_bench.core.weights.filling import Origin
    from eeg2speech_bench.core.weights.pretrained import load_config, load_network, load_pretrained

    origin = Origin(f"Tagger {model}", OPTION, "audio classifier")
    network = load_network(AutoModelForAudioClassification, load_config(AutoConfig, model, origin), model, origin)
    return load_pretrained(AutoFeatureExtractor, model, what=origin.source, option=OPTION), network


def _mean_divergence_from_mean(probabilities: np.ndarray) -> float:
    mean = probabilities.mean(axis=0, keepdims=True)
    logs = np.log(np.maximum(probabilities, 1e-30)) - np.log(np.maximum(mean, 1e-30))
    return float(np.sum(probabilities * logs, axis=1).mean())

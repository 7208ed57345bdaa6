"""Lists what can be fetched: where it is from, its licence, and what is known of it before it is here."""

from __future__ import annotations

from dataclasses import dataclass

from eeg2speech_bench.core.errors import UnknownNameError


@dataclass(frozen=True)
class Source:
    """Something that can be fetched.

    Attributes
    ----------
    name : str
        What users type.
    repository : str
        Data set repository of the Hugging Face Hub.
    summary, licence : str
    next_step : str
        What to type once it is here; ``{folder}`` stands for its folder.
    """

    name: str
    repository: str
    summary: str
    licence: str
    next_step: str

    @property
    def address(self) -> str:
        """The repository as a URL of fsspec."""
        return f"hf://datasets/{self.repository}"


SOURCES = (
    Source(
        "audioeeg",
        "inogii/audioeeg",
        "EEG embeddings and sounds that the eeg2speech prototype was trained on",
        "not stated",
        "eeg2speech-bench run --dataset audioeeg --encoder precomputed --preset eeg2speech",
    ),
    Source(
        "audioldm-checkpoints",
        "inogii/audioldm_checkpoints",
        "weights of AudioLDM: autoencoder, vocoder, denoiser, CLAP",
        "CC-BY-NC-SA-4.0",
        "ls {folder}",
    ),
)


def find_source(name: str) -> Source:
    """Return what a name stands for; an `UnknownNameError` if nothing can be fetched under it."""
    by_name = {source.name: source for source in SOURCES}
    if name not in by_name:
        then = "Other data sets are downloaded by hand: docs/fetch.md says how."
        raise UnknownNameError("name of something to fetch", name, by_name, then)
    return by_name[name]

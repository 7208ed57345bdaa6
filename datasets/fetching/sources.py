"""Lists what can be fetched: where it is from, its licence, and what is known of it before it is here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from eeg2speech_bench.core.errors import UnknownNameError
from eeg2speech_bench.datasets.fetching.hub import open_hub
from eeg2speech_bench.datasets.fetching.nemar import open_nemar
from eeg2speech_bench.datasets.fetching.remote_files import Snapshot

_RUN = "eeg2speech-bench datasets check {folder}"


@dataclass(frozen=True)
class Source:
    """Something that can be fetched.

    Attributes
    ----------
    name : str
        What users type.
    repository : str
        Data set repository of the Hugging Face Hub, or data set of NEMAR.
    summary, licence : str
    next_step : str
        What to type once it is here; ``{folder}`` stands for its folder.
    host : str
        ``"hub"``, whose archives are unpacked, or ``"nemar"``, which holds BIDS folders.
    hours : float, optional
        Of recordings, where its authors or catalogues say.
    """

    name: str
    repository: str
    summary: str
    licence: str
    next_step: str = _RUN
    host: Literal["hub", "nemar"] = "hub"
    hours: float | None = None

    def open(self, revision: str) -> Snapshot:
        """Ask for what there is at a revision, empty for the latest; errors as in `open_hub` and `open_nemar`."""
        return open_hub(self.repository, revision) if self.host == "hub" else open_nemar(self.repository, revision)


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
        "weights that AudioLDM is trained with: mel autoencoder, HiFi-GAN vocoders, CLAP, AudioMAE",
        "CC-BY-NC-SA-4.0",
        "find {folder} -name '*.ckpt'",
    ),
    Source("nm000180", "nm000180", "Alice in Wonderland, English, 45 listeners", "CC-BY-4.0", host="nemar", hours=9.2),
    Source("ds004408", "on004408", "The Old Man and the Sea, English, 19 listeners", "CC0", host="nemar", hours=20.6),
    Source("nm000238", "nm000238", "SparrKULee: stories, Dutch", "CC-BY-NC-4.0", host="nemar", hours=168.0),
)


def find_source(name: str) -> Source:
    """Return what a name stands for; an `UnknownNameError` if nothing can be fetched under it."""
    by_name = {source.name: source for source in SOURCES}
    if name not in by_name:
        then = "Other data sets are downloaded by hand: docs/fetch.md says how."
        raise UnknownNameError("name of something to fetch", name, by_name, then)
    return by_name[name]

"""Registers the data sets, the preparation of segments, and the verb ``datasets``."""

from __future__ import annotations

from eeg2speech_bench.core.hookspecs import hookimpl
from eeg2speech_bench.core.specs import CommandSpec, DatasetSpec, PreparationSpec

_ROOM = "eeg2speech_bench.datasets"


#: data sets that ship with the suite
DATASETS = [
    DatasetSpec(
        "simulated",
        f"{_ROOM}.opening:open_simulated",
        "simulated listeners to the suite's own speech; made on first use",
        argument="[null]",
        licence="CC0",
    ),
    DatasetSpec(
        "bids",
        f"{_ROOM}.opening:open_bids_folder",
        "any BIDS folder of EEG or MEG whose events place stim_file by onset",
        argument="FOLDER",
        licence="its own",
    ),
    DatasetSpec(
        "dtu",
        f"{_ROOM}.opening:open_dtu_folder",
        "one or two Danish talkers, EEG of 64 channels (Fuglsang et al.): MATLAB files and audio, or npz files",
        argument="FOLDER",
        licence="CC-BY-4.0",
    ),
    DatasetSpec(
        "brennan2019",
        f"{_ROOM}.opening:open_brennan_folder",
        "Alice in Wonderland, EEG of 60 channels and its audio: either release of Brennan and Hale, or nm000180",
        argument="FOLDER",
        licence="CC-BY-4.0",
    ),
    DatasetSpec(
        "gwilliams2022",
        f"{_ROOM}.opening:open_gwilliams_folder",
        "MEG-MASC: MEG of 208 axial gradiometers (--picks mag), 27 listeners to four stories",
        argument="FOLDER",
        licence="CC0",
    ),
    DatasetSpec(
        "schoffelen2019",
        f"{_ROOM}.opening:open_schoffelen_folder",
        "MOUS: MEG of 273 axial gradiometers (--picks mag), 96 listeners to Dutch sentences and word lists",
        argument="FOLDER",
        licence="by agreement with the Donders Institute",
    ),
    DatasetSpec(
        "libribrain",
        f"{_ROOM}.opening:open_libribrain_folder",
        "MEG of 306 sensors (--picks mag, grad or meg), one listener to 50 hours of Sherlock Holmes",
        argument="FOLDER",
        licence="CC-BY-NC-4.0",
    ),
    DatasetSpec(
        "kul",
        f"{_ROOM}.opening:open_kul_folder",
        "one of two Dutch talkers, EEG of 64 channels and audio: the attention corpus of KU Leuven",
        argument="FOLDER",
        licence="CC-BY-NC-4.0",
    ),
    DatasetSpec(
        "sparrkulee",
        f"{_ROOM}.opening:open_sparrkulee_folder",
        "Dutch stories, EEG of 64 channels and audio, placed by trigger pulses; or its authors' EEG and envelopes",
        argument="FOLDER",
        licence="CC-BY-NC-4.0",
    ),
    DatasetSpec(
        "broderick2019",
        f"{_ROOM}.opening:open_broderick_folder",
        "The Old Man and the Sea, EEG of 128 channels: ds004408 with its audio, or Dryad's envelopes",
        argument="FOLDER",
        licence="CC0",
    ),
    DatasetSpec(
        "cnd",
        f"{_ROOM}.opening:open_cnd_folder",
        "trials and envelopes in the CNSP workshop's format CND (dataSub1.mat, dataStim.mat), no audio",
        argument="FOLDER",
        licence="its own",
    ),
    DatasetSpec(
        "audioeeg",
        f"{_ROOM}.opening:open_audioeeg_folder",
        "sounds and EEG embeddings of the eeg2speech prototype, for the encoder precomputed",
        argument="[FOLDER]",
        licence="not stated",
    ),
]


@hookimpl
def register_datasets() -> list[DatasetSpec]:
    """Return the data sets that ship with the suite."""
    return list(DATASETS)


@hookimpl
def register_preparations() -> list[PreparationSpec]:
    """Return the ways from a data set to segments; the first is that of all recordings of EEG."""
    return [
        PreparationSpec(
            "windows",
            f"{_ROOM}.preparation.prepare:prepare",
            "fixed windows, split by stimulus time",
            resumes=True,
            continuous=f"{_ROOM}.preparation.continuous_recording:open_continuous",
        ),
        PreparationSpec(
            "embeddings",
            f"{_ROOM}.audioeeg.preparation:prepare_embeddings",
            "embeddings that the data set brings, one per sound",
        ),
    ]


@hookimpl
def register_commands() -> list[CommandSpec]:
    """Return the verb ``datasets``."""
    return [
        CommandSpec(
            "datasets",
            f"{_ROOM}.commands:datasets",
            "list data sets, check or fetch one, or write a simulated one",
            configure=f"{_ROOM}.commands:configure",
        )
    ]

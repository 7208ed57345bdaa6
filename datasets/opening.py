"""Opens the data set that ``--dataset NAME:ARGUMENT`` names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.core.segments.recordings import Recording, SpeechDataset, Stimulus
from eeg2speech_bench.core.stages.file_hashes import FileHashes

if TYPE_CHECKING:
    from eeg2speech_bench.datasets.opened_dataset import OpenedDataset
    from eeg2speech_bench.datasets.simulation.settings import SimulationSettings

Report = Callable[[str], None]


@dataclass
class SimulatedDataset:
    """Holds the simulated data set, which is written when its recordings are first asked for.

    Its revision follows from its settings, so a plan can be made before anything is simulated.
    """

    name: str
    cache: Path
    settings: SimulationSettings
    report: Report = field(repr=False)
    sound_kind: str = "waveform"
    split_fractions: tuple[float, float, float] | None = None

    @property
    def about(self) -> str:
        """That nobody was recorded."""
        return self.settings.about

    @property
    def is_null(self) -> bool:
        """Whether the simulated EEG is independent of the speech."""
        return self.settings.null

    @property
    def revision(self) -> str:
        """Name of its folder, which is made of the settings and of the speech."""
        from eeg2speech_bench.datasets.simulation.settings import folder_name

        return folder_name(self.settings)

    @cached_property
    def _bids(self) -> OpenedDataset:
        from eeg2speech_bench.datasets.bids.bids_dataset import open_bids
        from eeg2speech_bench.datasets.simulation.dataset import open_simulated_root

        root = open_simulated_root(self.cache / "simulated", self.settings, self.report)
        return open_bids(root, FileHashes(self.cache), self.report)

    @cached_property
    def stimuli(self) -> tuple[Stimulus, ...]:
        """The stories, with whose voice tells each."""
        from eeg2speech_bench.datasets.speech import voice_of

        return tuple(replace(one, speaker=voice_of(Path(one.name).stem)) for one in self._bids.stimuli)

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """One recording per simulated listener."""
        return self._bids.recordings


def open_simulated(argument: str | None, cache: Path, report: Report) -> SpeechDataset:
    """Open ``simulated``, or its null twin ``simulated:null`` in which EEG and speech are independent."""
    from eeg2speech_bench.datasets.simulation.settings import SimulationSettings

    if argument not in (None, "null"):
        then = "For other settings run 'eeg2speech-bench datasets simulate --help' and give --dataset the folder."
        raise UsageError("Data set 'simulated' has no such variant", got=repr(argument), expected="null", then=then)
    name = "simulated-null" if argument else "simulated"
    return SimulatedDataset(name, cache, SimulationSettings(null=bool(argument)), report)


def open_bids_folder(argument: str | None, cache: Path, report: Report) -> SpeechDataset:
    """Open a BIDS folder."""
    from eeg2speech_bench.datasets.bids.bids_dataset import open_bids

    return open_bids(_folder("bids", argument), FileHashes(cache), report)


def open_dtu_folder(argument: str | None, cache: Path, report: Report) -> SpeechDataset:
    """Open the folder of the DTU npz files, or of a release in MATLAB files."""
    from eeg2speech_bench.datasets.dtu import open_dtu
    from eeg2speech_bench.datasets.dtu_release.dataset import holds_release, open_release

    folder = _folder("dtu", argument)
    return open_release(folder, FileHashes(cache), report) if holds_release(folder) else open_dtu(folder)


def open_kul_folder(argument: str | None, cache: Path, report: Report) -> SpeechDataset:
    """Open the folder of the attention corpus of KU Leuven."""
    from eeg2speech_bench.datasets.kul import open_kul

    return open_kul(_folder("kul", argument), FileHashes(cache), report)


def open_brennan_folder(argument: str | None, cache: Path, report: Report) -> SpeechDataset:
    """Open a folder of Brennan and Hale; options follow it: ``FOLDER,listeners=clean``."""
    from eeg2speech_bench.datasets.brennan2019.dataset import open_brennan2019
    from eeg2speech_bench.datasets.brennan2019.options import read_argument

    root, options = read_argument(argument or "")
    return open_brennan2019(root, options, FileHashes(cache), report)


def open_gwilliams_folder(argument: str | None, cache: Path, report: Report) -> SpeechDataset:
    """Open the folder of MEG-MASC."""
    from eeg2speech_bench.datasets.gwilliams2022 import open_gwilliams2022

    return open_gwilliams2022(_folder("gwilliams2022", argument), FileHashes(cache), report)


def open_schoffelen_folder(argument: str | None, cache: Path, report: Report) -> SpeechDataset:
    """Open the folder of MOUS, whose listeners to speech are read."""
    from eeg2speech_bench.datasets.schoffelen2019 import open_schoffelen2019

    return open_schoffelen2019(_folder("schoffelen2019", argument), FileHashes(cache), report)


def open_libribrain_folder(argument: str | None, cache: Path, report: Report) -> SpeechDataset:
    """Open the folder of LibriBrain."""
    from eeg2speech_bench.datasets.libribrain.dataset import open_libribrain

    return open_libribrain(_folder("libribrain", argument), FileHashes(cache), report)


def open_cnd_folder(argument: str | None, cache: Path, report: Report) -> SpeechDataset:
    """Open a folder in CND; the envelope may be named behind it: ``FOLDER,feature=NAME``."""
    from eeg2speech_bench.datasets.cnd.dataset import open_cnd
    from eeg2speech_bench.datasets.options import split_argument

    root, options = split_argument("cnd", argument, {"feature": ()})
    return open_cnd(root, options.get("feature", ""), FileHashes(cache), report)


def open_sparrkulee_folder(argument: str | None, cache: Path, report: Report) -> SpeechDataset:
    """Open a folder of SparrKULee; ``FOLDER,eeg=preprocessed`` takes its authors' EEG and envelopes."""
    from eeg2speech_bench.datasets.options import split_argument
    from eeg2speech_bench.datasets.sparrkulee.dataset import EEG, open_sparrkulee

    root, options = split_argument("sparrkulee", argument, {"eeg": EEG})
    return open_sparrkulee(root, options.get("eeg", ""), FileHashes(cache), report)


def open_broderick_folder(argument: str | None, cache: Path, report: Report) -> SpeechDataset:
    """Open ds004408, or the folder of the same listeners from Dryad."""
    from eeg2speech_bench.datasets.broderick2019 import open_broderick2019

    return open_broderick2019(_folder("broderick2019", argument), FileHashes(cache), report)


def open_audioeeg_folder(argument: str | None, cache: Path, report: Report) -> SpeechDataset:
    """Open the data set of the prototype, where ``datasets fetch`` put it or in a folder that is named."""
    from eeg2speech_bench.datasets.audioeeg.audioeeg_dataset import open_audioeeg
    from eeg2speech_bench.datasets.fetching.fetch import default_folder

    folder = _folder("audioeeg", argument) if argument else default_folder(cache, "audioeeg")
    return open_audioeeg(folder, FileHashes(cache), report)


def _folder(name: str, argument: str | None) -> Path:
    if not argument:
        raise UsageError(f"Data set '{name}' needs a folder", then=f"Type --dataset {name}:FOLDER.")
    return Path(argument).expanduser()

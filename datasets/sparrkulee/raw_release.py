"""Opens the recordings of SparrKULee as they were made: BioSemi files, placed by their pulses, and the sounds."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.recordings import Presentation, Recording, Stimulus
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.datasets.bids.recordings import read_file
from eeg2speech_bench.datasets.bids.tables import is_missing, numbers, read_table
from eeg2speech_bench.datasets.caps import BIOSEMI, biosemi_names
from eeg2speech_bench.datasets.remembered_facts import remembered
from eeg2speech_bench.datasets.sounds.sound_files import is_pointer
from eeg2speech_bench.datasets.sparrkulee.alignment import place_by_pulses
from eeg2speech_bench.datasets.sparrkulee.bdf_status import opened, status_facts
from eeg2speech_bench.datasets.sparrkulee.sounds import load_sound, pulse_facts, sound_facts

if TYPE_CHECKING:
    import mne

#: endings of recordings
ENDINGS = ("_eeg.bdf.gz", "_eeg.bdf")
#: recordings whose sound was not the one that is named (SparrKULee's own code leaves them out)
MISALIGNED = (
    "sub-006_ses-shortstories01_task-listeningActive_run-06",
    "sub-017_ses-shortstories01_task-listeningActive_run-03",
    "sub-048_ses-varyingStories05_task-listeningActive_run-04",
)
#: columns of events.tsv that place a sound
COLUMNS = ("onset", "stim_file", "trigger_file")
AGAIN = "Download it again."
#: rate below which EEG is thinned while it is read, whole samples apart; channels read at a time
KEPT_HZ, CHANNELS_AT_ONCE = 512.0, 8


@dataclass
class RawRelease:
    """What is opened so far.

    Attributes
    ----------
    root : Path
    hashes : FileHashes
    stimuli : dict of str to Stimulus
        By id.
    files : set of Path
        Files that were read, beside the recordings.
    """

    root: Path
    hashes: FileHashes
    stimuli: dict[str, Stimulus] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)

    def recordings(self) -> dict[str, Path]:
        """Return the recordings by name, in a stable order; of one that is there twice, the unpacked one."""
        found = {}
        for ending in ENDINGS:
            for folder in ("sub-*/ses-*/eeg", "sub-*/eeg"):
                for path in self.root.glob(f"{folder}/*{ending}"):
                    found[path.name.removesuffix(ending)] = path
        return {name: found[name] for name in sorted(found)}

    def reason_to_skip(self, name: str, path: Path) -> str:
        """Return why a recording cannot be used, empty if it can."""
        if name in MISALIGNED:
            return "its sound is not the one that is named, as the authors found"
        if is_pointer(path):
            return f"{path.name} was not downloaded"
        if not self._events(path).is_file():
            return f"no {self._events(path).name}"
        return "" if self._rows(path) else "its events name no sound (rest)"

    def open(self, name: str, path: Path) -> Recording:
        """Open a recording whose sound is known.

        Raises
        ------
        DataError
            If it names several sounds or one that is missing, or its pulses do not place it.
        """
        rows = self._rows(path)
        if len(rows) != 1:
            raise DataError(f"{self._events(path)} names {len(rows)} sounds", expected="one for a run", then=AGAIN)
        ((sound, trigger, coarse_s, condition),) = rows
        stimulus = self._stimulus(sound, path)
        status = remembered("bdf-status-1", path, self.hashes, status_facts)
        played = remembered("npz-pulses-1", self._need(trigger, path), self.hashes, pulse_facts)
        recorded_s = [pulse / status["sfreq"] for pulse in status["pulses"]]
        start_s, ratio = place_by_pulses(recorded_s, played["pulses_s"], coarse_s, str(path))
        left_s = (status["n_samples"] / status["sfreq"] - start_s) / ratio
        heard = Presentation(stimulus.stimulus_id, start_s, min(left_s, stimulus.duration_s), clock_ratio=ratio)
        labels = _electrodes(status["labels"])
        names = tuple(biosemi_names(labels, len(labels), str(path)))
        notes = (
            f"placed by {len(recorded_s)} pulses, {1e3 * (start_s - coarse_s):+.0f} ms from events.tsv",
            f"the recording's clock runs {1e6 * (ratio - 1):+.0f} ppm against the sound's",
            *([f"heard {condition}"] if condition else []),
        )
        load = partial(load_recording, path, self.hashes.cache)
        subject = name.partition("_")[0].removeprefix("sub-")
        return Recording(name, subject, str(path), (heard,), load, notes, names)

    def _events(self, path: Path) -> Path:
        name = next(path.name.removesuffix(ending) for ending in ENDINGS if path.name.endswith(ending))
        return path.with_name(f"{name}_events.tsv")

    def _rows(self, path: Path) -> list[tuple[str, str, float, str]]:
        """Return sound, trigger file, onset and condition of the rows that name a sound."""
        events = self._events(path)
        table = read_table(events)
        lacking = [name for name in COLUMNS if name not in table]
        if lacking:
            expected = ", ".join(COLUMNS)
            raise DataError(f"{events} lacks {lacking[0]}", got=", ".join(table.columns), expected=expected, then=AGAIN)
        self.files.add(events)
        table = table[~table["stim_file"].map(is_missing)]
        onsets = numbers(table, "onset", events)
        conditions = table["condition"] if "condition" in table else [""] * len(table)
        snrs = table["snr"] if "snr" in table else ["n/a"] * len(table)
        return [
            (sound, trigger, float(onset), self._condition(condition, snr))
            for sound, trigger, onset, condition, snr in zip(
                table["stim_file"], table["trigger_file"], onsets, conditions, snrs, strict=True
            )
        ]

    @staticmethod
    def _condition(condition: str, snr: str) -> str:
        if not condition or is_missing(condition):
            return ""
        return condition if is_missing(snr) else f"{condition} at {snr} dB"

    def _need(self, name: str, path: Path) -> Path:
        file = self.root / "stimuli" / name
        if not file.is_file() or is_pointer(file):
            raise DataError(
                f"A file that {self._events(path)} names is not there",
                got=repr(name),
                expected=f"the file {file}",
                then="Download the folder stimuli of the same release.",
            )
        self.files.add(file)
        return file

    def _stimulus(self, name: str, recording: Path) -> Stimulus:
        path = self._need(name, recording)
        facts = remembered("npz-sound-1", path, self.hashes, sound_facts)
        key, duration_s = facts["sound_id"], facts["n_frames"] / facts["rate_hz"]
        return self.stimuli.setdefault(key, Stimulus(key, name, duration_s, partial(load_sound, path)))


def load_recording(path: Path, cache: Path | None = None) -> mne.io.RawArray:
    """Read the electrodes of a BioSemi file in volts, thinned to about 512 Hz by a filter without delay.

    It is unpacked into a temporary folder, and 8 channels are in memory at a time at the full rate.
    """
    import mne
    from scipy.signal import resample_poly

    if cache:
        cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="sparrkulee-") as folder:
        unpacked = path
        if path.suffix == ".gz":
            unpacked = Path(folder) / path.name.removesuffix(".gz")
            with opened(path) as packed, unpacked.open("wb") as file:
                shutil.copyfileobj(packed, file)
        raw = read_file(unpacked)
        labels = _electrodes(raw.ch_names)
        sfreq = float(raw.info["sfreq"])
        step = max(1, int(sfreq // KEPT_HZ))
        samples = np.empty((len(labels), -(-raw.n_times // step)))
        for first in range(0, len(labels), CHANNELS_AT_ONCE):
            part = raw.get_data(picks=labels[first : first + CHANNELS_AT_ONCE])
            samples[first : first + len(part)] = (
                resample_poly(part, 1, step, axis=1, padtype="line") if step > 1 else part
            )
        raw.close()
    names = biosemi_names(labels, len(labels), str(path))
    info = mne.create_info(names, sfreq / step, "eeg", verbose="ERROR")
    thinned = mne.io.RawArray(samples, info, copy=None, verbose="ERROR")
    return thinned.set_montage(BIOSEMI[len(names)], on_missing="ignore", verbose="ERROR")


def _electrodes(labels: list[str]) -> list[str]:
    """Return the channels of the cap: all before the external ones, sensors and the status."""
    return [label for label in labels if not label.startswith(("EXG", "GSR", "Erg", "Resp", "Plet", "Temp", "Status"))]

"""Opens a recording as a model needs it, and cuts it into windows as the encoder was trained on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eeg2speech_bench.benchmarks.plugin_source import hash_of_code
from eeg2speech_bench.benchmarks.trained.model_folder import ModelDescription
from eeg2speech_bench.benchmarks.trained.montage_matching import ChannelMap, match_channels
from eeg2speech_bench.core.errors import BenchError, DataError
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.segments.channel_types import CHANNEL_TYPES, type_of
from eeg2speech_bench.core.segments.continuous_eeg import ContinuousEeg
from eeg2speech_bench.core.segments.recordings import Recording
from eeg2speech_bench.core.segments.scaling import scale_windows
from eeg2speech_bench.core.segments.segment_store import MISC_KIND
from eeg2speech_bench.core.specs import PreparationSpec

if TYPE_CHECKING:
    import mne

#: what says whose scale a recording is given: its own windows, its listener's training recordings
OF_FILE, OF_LISTENER = "file", "listener"
#: windows that are read in one piece may lie so many times their own length apart
SPARSE = 4
#: relative difference that two sampling rates may have and still be one
SAME_RATE = 1e-4


@dataclass(frozen=True)
class ReadingChoice:
    """What the user said about a recording that is not like those of the training.

    Attributes
    ----------
    channels : ChannelMap
    resample : bool
        Whether a rate that the model has not seen is resampled to its own.
    scale : str
        Whose scale the EEG is divided by: ``"file"`` (its own windows), ``"listener"`` (the median of the listener's
        training recordings), or the name of a training recording.
    """

    channels: ChannelMap = field(default_factory=ChannelMap)
    resample: bool = False
    scale: str = OF_FILE


class RecordingWindows:
    """The windows of one recording, prepared as training prepared them.

    Parameters
    ----------
    eeg : ContinuousEeg
    description : ModelDescription
    scale : array, shape (n_chans,)
    notes : tuple of str
        What was decided on the way.
    files : tuple of Path
        What the recording is read from; empty for one in memory.
    """

    def __init__(
        self,
        eeg: ContinuousEeg,
        description: ModelDescription,
        scale: np.ndarray,
        notes: tuple[str, ...],
        files: tuple[Path, ...],
    ) -> None:
        self.eeg, self.scale, self.notes, self.files = eeg, scale, notes, files
        self.settings, self.n_times = description.config.data, description.signal.n_times
        self.n_baseline = round(self.settings.baseline_s * self.settings.sfreq)

    @property
    def last_start_s(self) -> float:
        """The latest time of sound, in seconds from the first sample, at which a window starts."""
        return (self.eeg.n_rows - self.n_times) / self.settings.sfreq - self.settings.shift_s

    def rows(self, starts_s: np.ndarray) -> np.ndarray:
        """Return the first rows of the EEG that goes with the sound from some times on.

        Raises
        ------
        DataError
            If a window leaves the recording.
        """
        rows = np.round((np.asarray(starts_s) + self.settings.shift_s) * self.settings.sfreq).astype(np.int64)
        if len(rows) and (rows.min() < 0 or rows.max() + self.n_times > self.eeg.n_rows):
            got = f"{np.min(starts_s):g} to {np.max(starts_s):g} s"
            expected = f"starts from 0 to {self.last_start_s:.3f} s"
            raise DataError("Windows leave the recording", got=got, expected=expected)
        return rows

    def side_by_side(self) -> np.ndarray:
        """Return the starts of windows that follow each other without overlap, in seconds."""
        n = int((self.last_start_s + 1e-9) // self.settings.window_s) + 1
        return self.settings.window_s * np.arange(max(0, n))

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Return windows, float32 (n, n_chans, n_times), in inter-quartile ranges, clamped."""
        first, stop = int(rows.min()), int(rows.max()) + self.n_times
        if stop - first <= SPARSE * len(rows) * self.n_times:
            eeg = self.eeg.read(first, stop)[(rows - first)[:, None] + np.arange(self.n_times)]
        else:
            eeg = np.stack([self.eeg.read(row, row + self.n_times) for row in rows.tolist()])
        return scale_windows(eeg, self.scale[None], self.n_baseline, self.settings.clamp_iqr)

    def meets_cut(self, rows: np.ndarray) -> np.ndarray:
        """Return which windows span a place where the recording was paused or edited, bool (n,)."""
        cuts = np.asarray(self.eeg.cuts_s)[None] * self.settings.sfreq
        met = (rows[:, None] < cuts) & (cuts < rows[:, None] + self.n_times)
        return np.asarray(np.any(met, axis=1))

    @cached_property
    def recorded_s(self) -> float:
        """Length of the recording in seconds."""
        return self.eeg.n_rows / self.settings.sfreq


def open_windows(
    source: Path | mne.io.BaseRaw | np.ndarray,
    description: ModelDescription,
    scales: np.ndarray,
    registry: Registry,
    choice: ReadingChoice,
    listener: str | None,
) -> RecordingWindows:
    """Open a recording, check that the model can read it, and find the scale of its channels.

    Parameters
    ----------
    source : Path, mne.io.BaseRaw or array
        A file that MNE reads, a recording, or volts (n_chans, n_samples) in the channels and at the rate of the model.
    description : ModelDescription
    scales : array, shape (n_recordings, n_chans)
        Of the training recordings.
    registry : Registry
        Brings the preparation.
    choice : ReadingChoice
    listener : str, optional

    Raises
    ------
    DataError
        If it has other channels, another rate, NaN or a wrong unit, or is shorter than a window.
    """
    refuse_other_modality(description)
    raw, name = _raw_of(source, description)
    files = _files_of(source, raw)
    eeg, notes = open_eeg(raw, name, description, registry, choice)
    n_times, settings = description.signal.n_times, description.config.data
    if eeg.n_rows < n_times + round(settings.shift_s * settings.sfreq):
        raise DataError(
            f"{name} is shorter than a window",
            got=f"{eeg.n_rows / settings.sfreq:.2f} s",
            expected=f"at least {settings.window_s + settings.shift_s:.2f} s",
        )
    scale, said = scale_of(eeg, description, scales, choice.scale, listener)
    return RecordingWindows(eeg, description, scale, (*notes, said), files)


def open_eeg(
    raw: mne.io.BaseRaw, name: str, description: ModelDescription, registry: Registry, choice: ReadingChoice
) -> tuple[ContinuousEeg, tuple[str, ...]]:
    """Return the EEG of a recording in the channels and at the rate of the model, and what was decided on the way.

    Parameters
    ----------
    raw : mne.io.BaseRaw
    name : str
        The recording's, for messages.
    description, registry, choice
        As in `open_windows`; errors too.
    """
    raw, notes = match_channels(raw, description.signal.chs_info, choice.channels, name)
    notes += _check_rate(raw, description, choice, name)
    preparation: PreparationSpec = registry.get("preparation", "windows")
    notes += _check_preparation(preparation, description)
    recording = Recording(name, "", name, (), lambda: raw)
    eeg: ContinuousEeg = preparation.load_continuous()(recording, description.config.data)
    return eeg, (*eeg.notes, *notes)


def _files_of(source: Path | mne.io.BaseRaw | np.ndarray, raw: mne.io.BaseRaw) -> tuple[Path, ...]:
    named = [source] if isinstance(source, Path) else []
    paths = [Path(name).absolute() for name in (*named, *raw.filenames) if name]
    return tuple(path for path in dict.fromkeys(paths) if path.is_file())


def refuse_other_modality(description: ModelDescription) -> None:
    """Refuse a model whose encoder reads no EEG (`DataError`)."""
    if description.modality != "eeg":
        then = "Choose the model of an encoder that reads the EEG."
        got = f"encoder '{description.encoder.name}', which reads the {description.modality} of the stimulus"
        raise DataError("This model reads no recordings", got=got, then=then)
    if any(channel.get("kind") == MISC_KIND for channel in description.signal.chs_info):
        got = f"one that was trained on embeddings of '{description.dataset.name}'"
        raise DataError("This model reads no recordings", got=got, then="Choose one that was trained on EEG.")


def _raw_of(source: Path | mne.io.BaseRaw | np.ndarray, description: ModelDescription) -> tuple[mne.io.BaseRaw, str]:
    import mne

    if isinstance(source, np.ndarray):
        return _raw_of_array(source, description), "the array"
    if isinstance(source, mne.io.BaseRaw):
        named = [Path(name).name for name in source.filenames if name]
        return source, named[0] if named else "the recording"
    return read_recording(Path(source)), str(source)


def _raw_of_array(eeg: np.ndarray, description: ModelDescription) -> mne.io.BaseRaw:
    import mne

    signal = description.signal
    if eeg.ndim != 2 or eeg.shape[0] != signal.n_chans:
        units = " and ".join(dict.fromkeys(CHANNEL_TYPES[type_of(c)].si_unit for c in signal.chs_info))
        expected = f"{units} of shape ({signal.n_chans}, n_samples) at {signal.sfreq:g} Hz"
        raise DataError("The array is not what the model reads", got=f"shape {eeg.shape}", expected=expected)
    names, types = [str(c["ch_name"]) for c in signal.chs_info], [type_of(c) for c in signal.chs_info]
    info = mne.create_info(names, signal.sfreq, types)
    for channel, known in zip(info["chs"], signal.chs_info, strict=True):
        channel["loc"] = np.asarray(known["loc"], dtype=float)
    return mne.io.RawArray(eeg, info, verbose="ERROR")


def read_recording(path: Path) -> mne.io.BaseRaw:
    """Open a file that MNE reads; in a BIDS folder, with what its tables say of channels and electrodes.

    Raises
    ------
    DataError
        If it is not there or cannot be read.
    """
    import mne

    if not path.exists():
        raise DataError(f"Recording {path} does not exist", then="Give a file that MNE reads, such as a .vhdr or .edf.")
    try:
        if any((folder / "dataset_description.json").is_file() for folder in path.absolute().parents):
            return _read_bids(path)
        return mne.io.read_raw(path, preload=False, verbose="ERROR")
    except BenchError:
        raise
    except Exception as error:  # MNE's readers raise whatever a broken file leads them to
        got = f"{type(error).__name__}: {' '.join(str(error).split()):.300}"
        then = "Give a file that MNE reads (mne.io.read_raw), such as a .vhdr, .edf, .bdf, .set or .fif."
        raise DataError(f"Recording {path} cannot be read", got=got, then=then) from error


def _read_bids(path: Path) -> mne.io.BaseRaw:
    import warnings

    import mne_bids

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a sidecar lacks is no matter here
        return mne_bids.read_raw_bids(mne_bids.get_bids_path_from_fname(path, verbose="ERROR"), verbose="ERROR")


def _check_rate(
    raw: mne.io.BaseRaw, description: ModelDescription, choice: ReadingChoice, name: str
) -> tuple[str, ...]:
    """Refuse a rate that no training recording had, unless told to resample; the model's own rate is fine."""
    own, model = float(raw.info["sfreq"]), description.signal.sfreq
    known = {r.recorded_sfreq for r in description.recordings if r.recorded_sfreq} | {model}
    if any(abs(own - rate) <= SAME_RATE * rate for rate in known):
        return ()
    if not choice.resample:
        raise DataError(
            f"{name} has another sampling rate than the recordings of the training",
            got=f"{own:g} Hz",
            expected=" or ".join(f"{rate:g} Hz" for rate in sorted(known)),
            then="Add --resample (resample=True) to resample it to the model's own rate.",
        )
    lost = f"; it holds nothing above {own / 2:g} Hz" if own < model else ""
    return (f"resampled from {own:g} Hz, a rate that the model was not trained on{lost}",)


def _check_preparation(preparation: PreparationSpec, description: ModelDescription) -> tuple[str, ...]:
    """Return a note if recordings are read by other code than in training; none of a model that does not say."""
    known = description.preparation_hash
    if not known or hash_of_code((preparation.continuous,)) == known:
        return ()
    return (f"read by other code than in training, which was that of version {description.suite}",)


def scale_of(
    eeg: ContinuousEeg, description: ModelDescription, scales: np.ndarray, whose: str, listener: str | None
) -> tuple[np.ndarray, str]:
    """Return the scale of each channel, (n_chans,), and a line on whose it is; parameters and errors as above."""
    settings, n_times = description.config.data, description.signal.n_times
    if whose == OF_FILE:
        starts = np.arange(0, eeg.n_rows - n_times + 1, n_times)
        scale = eeg.scale(starts, n_times, round(settings.baseline_s * settings.sfreq))
        return scale, "scale of the channels: fitted on this file itself"
    recordings = description.recordings
    if whose == OF_LISTENER:
        own = [k for k, r in enumerate(recordings) if r.listener == listener and r.scale_from == "recording"]
        if not own:
            raise _no_such_scale(f"none of listener '{listener}'", sorted({r.listener for r in recordings}))
        return np.median(scales[own], axis=0), f"scale of the channels: that of listener '{listener}' in the training"
    names = [r.recording_id for r in recordings]
    if whose not in names:
        raise _no_such_scale(f"'{whose}'", [OF_FILE, OF_LISTENER, *names])
    return scales[names.index(whose)], f"scale of the channels: that of recording '{whose}' in the training"


def _no_such_scale(got: str, known: list[str]) -> DataError:
    shown: Any = ", ".join(known[:20])
    return DataError("The model keeps no such scale", got=got, expected=shown, then="Leave it out, or name another.")

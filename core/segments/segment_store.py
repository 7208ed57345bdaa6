"""Holds segments: windows of EEG with the audio of the same moment, and the store that gathers them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.held_out import HeldOut
from eeg2speech_bench.core.segments.prepared import Prepared
from eeg2speech_bench.core.segments.scaling import scale_windows

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

#: what the column ``split`` of the segment table holds
SPLITS = ("train", "valid", "test")

#: MNE's kind of a channel that is no EEG: a dimension of an embedding that the data set brings
MISC_KIND = 502


def has_position(channel: Mapping[str, Any]) -> bool:
    """Whether an MNE channel dictionary holds the place of its electrode: a finite one that is not the origin."""
    place = channel["loc"][:3]
    return bool(np.isfinite(place).all() and np.any(place))


@dataclass(frozen=True)
class SignalInfo:
    """Describes the EEG to an encoder, in MNE's and braindecode's words.

    Attributes
    ----------
    n_chans, n_times : int
        Channels and samples of one window.
    sfreq : float
        Sampling rate in Hz.
    chs_info : tuple of dict
        One MNE channel dictionary per channel (``ch_name``, ``loc`` with the position in metres at ``loc[:3]``).
    n_subjects : int
        Listeners that encoders are trained on; ``Batch.subject`` holds indices below it, and higher ones for
        listeners that are held out.
    sound_rate_hz : float, optional
        Samples per second of ``Batch.sound``; None where the data set publishes no audio.
    """

    n_chans: int
    n_times: int
    sfreq: float
    chs_info: tuple[dict[str, Any], ...] = field(repr=False)
    n_subjects: int
    sound_rate_hz: float | None = None

    @property
    def has_positions(self) -> bool:
        """Whether every channel has a finite, non-zero electrode position."""
        return all(map(has_position, self.chs_info))


@dataclass(frozen=True)
class TargetInfo:
    """The embedding space of an audio target: width, tokens per window and tokens per second."""

    dim: int
    n_tokens: int
    token_rate_hz: float


def copies_ahead(device: Any) -> bool:
    """Whether a copy to ``device`` need not be waited for; one to the CPU would be read before it is there."""
    return str(device).startswith("cuda")


@dataclass
class Batch:
    """Holds the segments that an encoder's ``forward`` receives.

    Attributes
    ----------
    eeg : Tensor, shape (batch, n_chans, n_times)
        Scaled EEG in inter-quartile-range units.
    subject : LongTensor, shape (batch,)
        Index of the listener.
    window : LongTensor, shape (batch,)
        Index of the stimulus window; equal for all listeners who heard the same audio.
    text : tuple of str, optional
        Words spoken in each window, where the data set has a transcript.
    sound : Tensor, shape (batch, n_samples), optional
        Waveform of each window; only encoders of modality ``"audio"`` are given it.
    elapsed_s : Tensor, shape (batch,), optional
        Seconds from the start of the recording.
    """

    eeg: Tensor
    subject: Tensor
    window: Tensor
    text: tuple[str, ...] | None = None
    sound: Tensor | None = None
    elapsed_s: Tensor | None = None

    def __len__(self) -> int:
        return len(self.subject)

    def to(self, device: Any) -> Batch:
        """Copy the tensors to ``device``."""
        ahead = copies_ahead(device)
        return self._with_each(lambda tensor: tensor.to(device, non_blocking=ahead))

    def pin_memory(self) -> Batch:
        """Copy the tensors to memory from which a GPU reads while it computes."""
        return self._with_each(lambda tensor: tensor.pin_memory())

    def _with_each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        held = {f.name: getattr(self, f.name) for f in fields(self)}
        changed: dict[str, Any] = {n: change(value) if hasattr(value, "to") else value for n, value in held.items()}
        return Batch(**changed)


class SegmentStore:
    """Reads a prepared data set from disk, a whole batch at a time.

    Folder layout (written by the datasets room)::

        meta.json          a `Prepared`: settings, signal, subjects, stimuli, split hash and proof
        eeg.npy            float32 (n_samples, n_chans): all recordings end to end, at meta sfreq, in microvolts
                           or what `channel_types` says of MEG
        scale.npy          float32 (n_recordings, n_chans): inter-quartile range over training windows
        sound.npy          float32 (n_samples,): all stimuli end to end, at meta sound rate (waveform or envelope)
        segments.parquet   one row per segment: recording, subject, window, eeg_start (row of eeg.npy), split
        windows.parquet    one row per stimulus window: stimulus, start_s, sound_start (row of sound.npy),
                           split, text
        zones.parquet      one row per uninterrupted stretch of stimulus inside one split: stimulus, start_s,
                           stop_s, sound_start, sound_stop, split
        words.parquet      one row per word inside one zone: stimulus, start_s, stop_s, text, sentence (-1: not
                           known), split; no rows without transcripts
        phones.parquet     one row per phoneme inside one zone: stimulus, start_s, stop_s, symbol, split; not there
                           where transcripts have none

    Parameters
    ----------
    path : Path
        Folder of a finished ``prepare`` stage.
    held_out : int, str or sequence of str
        Listeners whose EEG is tested and never trained on, see `core.segments.held_out.held_out_listeners`. Their
        numbers are the highest, so that encoders have a place for those alone that they are trained on.

    Raises
    ------
    DataError
        If a file is missing or has another size than the tables ask for.
    UsageError
        If listeners cannot be held out.
    """

    def __init__(self, path: Path, held_out: HeldOut = 0) -> None:
        self.path = Path(path)
        written = Prepared.read(self.path)
        self.meta = written.holding_out(held_out)
        #: what the tables call each listener, by the number that the files have
        self._numbers = np.asarray([self.meta.subjects.index(name) for name in written.subjects], dtype=np.int64)
        #: whose place each listener takes before an encoder, by number
        self._told = np.arange(len(written.subjects))
        self.eeg = np.load(self._file("eeg.npy"), mmap_mode="r")
        self.scale = np.load(self._file("scale.npy"))
        self.sound = np.load(self._file("sound.npy"), mmap_mode="r")

    def _file(self, name: str) -> Path:
        path = self.path / name
        if not path.is_file():
            raise DataError(
                f"Prepared data set {self.path} is incomplete",
                got=f"no {name}",
                expected="all files of a finished stage",
                then="Delete that folder and run again; it is rebuilt.",
            )
        return path

    @cached_property
    def segments(self) -> pd.DataFrame:
        """One row per segment (listener x stimulus window x presentation)."""
        return self._table("segments")

    @cached_property
    def windows(self) -> pd.DataFrame:
        """One row per stimulus window."""
        return self._table("windows")

    @cached_property
    def zones(self) -> pd.DataFrame:
        """One row per uninterrupted stretch of stimulus inside one split."""
        return self._table("zones")

    @cached_property
    def words(self) -> pd.DataFrame:
        """One row per spoken word that lies inside one split."""
        return self._table("words")

    @cached_property
    def phones(self) -> pd.DataFrame:
        """One row per phoneme that lies inside one split; no rows where the transcripts have none."""
        import pandas as pd

        if (self.path / "phones.parquet").is_file():
            return self._table("phones")
        return pd.DataFrame({name: [] for name in ("stimulus", "start_s", "stop_s", "symbol", "split")})

    def _table(self, name: str) -> pd.DataFrame:
        import pandas as pd

        table = pd.read_parquet(self._file(f"{name}.parquet"))
        if name == "segments":
            table["subject"] = self._numbers[table["subject"].to_numpy()]
        return table

    @property
    def has_audio(self) -> bool:
        """Whether the stimuli are waveforms (False: envelopes only, nothing to generate)."""
        return self.meta.sound.kind == "waveform"

    @property
    def window_s(self) -> float:
        """Length of a segment in seconds."""
        return self.meta.window_s

    @property
    def sound_rate_hz(self) -> float:
        """Samples per second of ``sound``."""
        return self.meta.sound.rate_hz

    @property
    def n_baseline(self) -> int:
        """Samples at the start of a segment whose mean is subtracted."""
        return round(self.meta.baseline_s * self.signal.sfreq)

    @cached_property
    def signal(self) -> SignalInfo:
        """The EEG of a window, as encoders are told of it."""
        signal = self.meta.signal
        chs_info = tuple({**c, "loc": np.asarray(c["loc"], dtype=float)} for c in signal.chs_info)
        sound_rate_hz = self.sound_rate_hz if self.has_audio else None
        return SignalInfo(
            signal.n_chans, signal.n_times, signal.sfreq, chs_info, self.n_known, sound_rate_hz=sound_rate_hz
        )

    @property
    def n_known(self) -> int:
        """Listeners that encoders are trained on; higher numbers are those of new ones."""
        return len(self.meta.subjects) - len(self.meta.split.held_out)

    def indices(self, split: str, group: str = "") -> np.ndarray:
        """Return the row numbers of ``segments`` that belong to a part of the split.

        Parameters
        ----------
        split : str
            ``"train"``, ``"valid"`` or ``"test"``.
        group : str
            ``"known"`` or ``"new"`` listeners. By default those that the part is made of where listeners are held out:
            known ones train and validate, new ones are tested.

        Raises
        ------
        DataError
            If listeners are held out and there is no such segment.
        """
        of_split = (self.segments["split"] == split).to_numpy()
        if not self.meta.split.held_out:
            return np.flatnonzero(of_split)
        wanted = group or ("known" if split in ("train", "valid") else "new")
        is_new = self.segments["subject"].to_numpy() >= self.n_known
        rows = np.flatnonzero(of_split & (is_new == (wanted == "new")))
        if not len(rows) and split in SPLITS:
            raise DataError(
                f"Part '{split}' has no segment of {wanted} listeners",
                got=f"{', '.join(self.meta.split.held_out)} held out of {len(self.meta.subjects)}",
                expected="listeners who heard sounds of every part",
                then="Hold out others, or split by --set data.split=stimulus-time.",
            )
        return rows

    def standing_in(self, stand_ins: Mapping[int, int]) -> Self:
        """Return the same segments, gathered as if some listeners were others.

        Parameters
        ----------
        stand_ins : mapping of int to int
            From a listener to the one whose number encoders are told.
        """
        other = copy.copy(self)
        other._told = self._told.copy()
        for listener, told in stand_ins.items():
            other._told[listener] = told
        return other

    @cached_property
    def _rows(self) -> np.ndarray:
        """The EEG as a plain array, of which parts are taken quicker than of a memory map."""
        return np.asarray(self.eeg)

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        names = ("recording", "subject", "window", "eeg_start")
        return {name: self.segments[name].to_numpy(dtype=np.int64) for name in names}

    def gather_eeg(self, rows: np.ndarray, starts: np.ndarray | None = None) -> np.ndarray:
        """Gather, baseline-correct, scale and clamp the EEG of segments in one indexed read.

        Parameters
        ----------
        rows : array of int, shape (batch,)
            Rows of ``segments``.
        starts : array of int, shape (batch,), optional
            First rows of ``eeg`` to read instead of the segments' own (used by the wrong-time control).

        Returns
        -------
        array of float32, shape (batch, n_chans, n_times)
            In inter-quartile-range units, clamped as brainmagick does (reference: Defossez et al. 2023).
        """
        first = self._columns["eeg_start"][rows] if starts is None else starts
        n_times = self.signal.n_times
        if not len(first):
            return np.empty((0, self.signal.n_chans, n_times), dtype=np.float32)
        if not 0 <= first.min() <= first.max() <= len(self._rows) - n_times:
            raise IndexError(f"Windows of {n_times} rows from {first.min()} to {first.max()} leave the EEG")
        eeg = [self._rows[start : start + n_times] for start in first.tolist()]
        scale = self.scale[self._columns["recording"][rows]]
        return scale_windows(eeg, scale, self.n_baseline, self.meta.clamp_iqr)

    def gather(self, rows: np.ndarray, *, with_sound: bool = False) -> Batch:
        """Gather the segments ``rows`` as a `Batch` on the CPU, with the waveforms if an encoder reads them."""
        import torch

        columns = self._columns
        window = columns["window"][rows]
        first = self._recording_starts[columns["recording"][rows]]
        return Batch(
            torch.from_numpy(self.gather_eeg(rows)),
            torch.from_numpy(self.told(rows)),
            torch.from_numpy(window),
            self.text(window),
            torch.from_numpy(self.gather_sound(window)) if with_sound else None,
            torch.from_numpy((columns["eeg_start"][rows] - first) / self.signal.sfreq).float(),
        )

    def told(self, rows: np.ndarray) -> np.ndarray:
        """Return the numbers of listeners, shape (batch,), that encoders are told of segments."""
        return self._told[self._columns["subject"][rows]]

    @cached_property
    def _recording_starts(self) -> np.ndarray:
        return np.asarray([recording.start for recording in self.meta.recordings], dtype=np.int64)

    def text(self, windows: np.ndarray) -> tuple[str, ...]:
        """Return the words spoken in stimulus windows, empty where there is no transcript."""
        return tuple(self.windows["text"].to_numpy()[windows])

    def gather_sound(self, windows: np.ndarray) -> np.ndarray:
        """Gather the sound of stimulus windows, float32 (batch, n_samples)."""
        first = self.windows["sound_start"].to_numpy(dtype=np.int64)[windows]
        n_samples = round(self.window_s * self.sound_rate_hz)
        return np.ascontiguousarray(self.sound[first[:, None] + np.arange(n_samples)], dtype=np.float32)

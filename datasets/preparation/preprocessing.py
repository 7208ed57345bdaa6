"""Cleans and resamples a recording, and measures the scale of its channels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from eeg2speech_bench.core.errors import BenchError, DataError
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.channel_types import CHANNEL_TYPES, PICKED, ChannelType, Picks, signal_name
from eeg2speech_bench.core.segments.recordings import Presentation, Recording, Sound
from eeg2speech_bench.core.segments.segment_store import has_position
from eeg2speech_bench.core.statistics.spacing import evenly_spaced
from eeg2speech_bench.datasets.preparation.cut_markers import find_cuts
from eeg2speech_bench.datasets.preparation.cuts import cut_presentations
from eeg2speech_bench.datasets.preparation.recorded_sound.check import check_no_sound
from eeg2speech_bench.datasets.preparation.recording_parts import FILTER_ORDER, Part, RecordingParts, in_memory
from eeg2speech_bench.datasets.preparation.resampling import resample

if TYPE_CHECKING:
    import mne

#: training windows of a recording that its scale is read from, as in brainmagick (reference: brainmagick, 4.3)
SCALE_WINDOWS = 200

#: samples of a recording that its unit is judged by
SCALE_SAMPLES = 10_000

#: values of a recording, of all channels together, that are in memory at a time: ten minutes of 64 channels at 500 Hz
PART_VALUES = 20_000_000


@dataclass(frozen=True)
class LoadedEeg:
    """A recording as segments are cut from it.

    Attributes
    ----------
    eeg : array of float32, shape (n_samples, n_chans)
        In the units of `CHANNEL_TYPES` at ``settings.sfreq``; row k is the time k / sfreq after the recording's first
        sample.
    chs_info : list of dict
        One MNE channel dictionary per channel, of plain numbers; positions that are not known are zeros.
    presentations : tuple of Presentation
        What was heard, without what a gap in the recording took.
    notes : tuple of str
        What was decided while reading, for the record.
    recorded_sfreq : float
        Rate of the recording itself, Hz.
    """

    eeg: np.ndarray
    chs_info: list[dict[str, Any]]
    presentations: tuple[Presentation, ...]
    notes: tuple[str, ...]
    recorded_sfreq: float


class StreamedEeg:
    """A recording that is checked, interpolated, filtered and resampled part by part.

    No re-reference, no notch and no high-pass unless ``settings`` asks for one (reference: brainmagick, 4.2).

    Parameters
    ----------
    recording : Recording
    settings : DataConfig
    sound : callable, optional
        Returns the samples of a stimulus by its id; without it nobody checks that they were not recorded too.

    Attributes
    ----------
    n_rows : int
        Samples at ``settings.sfreq``.
    chs_info, presentations, notes, recorded_sfreq
        As in `LoadedEeg`.

    Raises
    ------
    DataError
        If the file cannot be read or has no EEG channel.
    """

    def __init__(self, recording: Recording, settings: DataConfig, sound: Callable[[str], Sound] | None = None) -> None:
        self._recording, self._settings, self._sound = recording, settings, sound
        self._raw = open_eeg(recording, settings.picks)
        cuts = find_cuts(self._raw)
        self._parts = RecordingParts(self._raw, cuts, settings)
        self.recorded_sfreq, self.n_rows = self._parts.sfreq, self._parts.n_rows
        duration_s = self._raw.n_times / self.recorded_sfreq
        self.presentations, notes = cut_presentations(
            recording.presentations, cuts, duration_s, recording.source, settings.shift_s, settings.sfreq
        )
        self.notes = (*recording.notes, *notes)
        self.chs_info = [_channel(c) for c in self._raw.info["chs"]]

    def rows(self) -> Iterator[np.ndarray]:
        """Yield the EEG in blocks that follow each other, float32 (n_rows, n_chans), in microvolts.

        Memory does not grow with the length of the recording. What is wrong with a long one may be found behind its
        last block, so that nothing may be used before the end.

        Raises
        ------
        DataError
            If the recording holds NaN, infinite values, no signal or an impossible scale in a channel that is not
            marked bad, a bad channel that cannot be interpolated, or the sound itself.
        """
        few: list[np.ndarray] = []
        is_whole = False
        for part in self._parts_read():
            few.append(self._checked(part))
            is_whole = part.own.stop - part.own.start == self._raw.n_times
            if is_whole:  # nothing has to be read again
                self._check_signal(part.raw, few)
            yield clean(self._recording, part.raw, part.stretches, self._settings)[part.rows]
            del part
        if not is_whole:
            self._check_signal(self._raw, few)

    def _parts_read(self) -> Iterator[Part]:
        try:
            yield from self._parts.in_order(PART_VALUES)
        except BenchError:
            raise
        except Exception as error:
            raise _unreadable(self._recording, error) from error

    def _checked(self, part: Part) -> np.ndarray:
        """Return some samples of a part, evenly spaced in the recording, all of which are finite."""
        data = part.data[:, part.own]
        if not np.isfinite(data.sum(axis=1)).all():  # a sum is as quick as it gets
            check_finite(self._recording, part.raw, part.first / self.recorded_sfreq)
        step = max(1, self._raw.n_times // SCALE_SAMPLES)
        return data[:, -(part.first + part.own.start) % step :: step].copy()

    def _check_signal(self, raw: mne.io.BaseRaw, few: list[np.ndarray]) -> None:
        thinned = in_memory(np.concatenate(few, axis=1), self._raw.info)
        check_not_flat(self._recording, thinned)
        check_unit(self._recording, thinned)
        if self._sound is not None:
            check_no_sound(replace(self._recording, presentations=self.presentations), raw, self._sound)


def load_eeg(recording: Recording, settings: DataConfig, sound: Callable[[str], Sound] | None = None) -> LoadedEeg:
    """Load all of a recording's EEG channels, checked, interpolated, filtered and resampled.

    Parameters and errors are those of `StreamedEeg` and its `rows`.
    """
    streamed = StreamedEeg(recording, settings, sound)
    eeg, n = np.empty((streamed.n_rows, len(streamed.chs_info)), dtype=np.float32), 0
    for rows in streamed.rows():
        eeg[n : n + len(rows)] = rows
        n += len(rows)
    return LoadedEeg(eeg, streamed.chs_info, streamed.presentations, streamed.notes, streamed.recorded_sfreq)


def clean(
    recording: Recording, raw: mne.io.BaseRaw, stretches: Sequence[tuple[int, int]], settings: DataConfig
) -> np.ndarray:
    """Interpolate bad channels, filter and resample EEG in memory, which is changed.

    Parameters
    ----------
    recording : Recording
        For messages.
    raw : mne.io.BaseRaw
        Its EEG, or a part of it, with its cuts marked.
    stretches : sequence of (int, int)
        First sample of each stretch without a cut, and the one behind its last.
    settings : DataConfig

    Returns
    -------
    array of float32, shape (n_rows, n_chans)
        In the units of `CHANNEL_TYPES`; row k is the time k / sfreq after the first sample of ``raw``.
    """
    _interpolate(recording, raw)
    _filter(recording, raw, settings)
    # all else that gives MNE's samples copies them
    eeg = resample(raw._data, float(raw.info["sfreq"]), settings.sfreq, stretches)
    eeg *= np.array([CHANNEL_TYPES[kind].per_si for kind in raw.get_channel_types()], dtype=eeg.dtype)
    return eeg


def robust_scale(eeg: np.ndarray, starts: np.ndarray, n_times: int, n_baseline: int) -> np.ndarray:
    """Return the inter-quartile range of each channel over training windows, after subtracting their baseline.

    Parameters
    ----------
    eeg : array, shape (n_samples, n_chans)
    starts : array of int, shape (n_windows,)
        First rows of the training windows; at most 200, evenly spaced, are read.
    n_times, n_baseline : int
        Samples of a window, and of the baseline at its start.

    Returns
    -------
    array of float32, shape (n_chans,)
        Not divided by 1.349: brainmagick's unit.
    """
    chosen = evenly_spaced(len(starts), SCALE_WINDOWS)
    windows = eeg[starts[chosen][:, None] + np.arange(n_times)]
    if n_baseline:
        windows = windows - windows[:, :n_baseline].mean(1, keepdims=True)
    # scikit-learn's RobustScaler gives the same numbers in the same time (0.15 s for 200 windows of 64 channels): it
    # would only add its import to a stage that needs nothing else of it
    channels = np.ascontiguousarray(windows.reshape(-1, eeg.shape[1]).T)  # four times as quick
    low, high = np.percentile(channels, [25, 75], axis=1, overwrite_input=True)
    return (high - low).astype(np.float32)


def check_scale(recording: Recording, scale: np.ndarray, names: list[str]) -> np.ndarray:
    """Return ``scale`` unless a channel does not vary in the training windows (`DataError`)."""
    if not np.all(scale > 0):
        name = names[int(np.argmin(scale))]
        raise DataError(
            f"Channel '{name}' of {recording.source} does not vary in the training windows",
            got="an inter-quartile range of 0",
            expected="a recorded signal",
            then=f"Set the status of '{name}' to bad in channels.tsv; it is then interpolated.",
        )
    return scale


def open_eeg(recording: Recording, picks: Picks = "eeg") -> mne.io.BaseRaw:
    """Open a recording with its EEG channels alone, or those of another type, bad ones included.

    Samples may stay on the disk.

    Raises
    ------
    DataError
        If it cannot be read, or has no channel of that type.
    """
    try:
        raw = recording.load()
        there = raw.get_channel_types()
        if not set(PICKED[picks]) & set(there):
            raise no_such_channels(recording.source, picks, there)
        return raw.pick([kind for kind in PICKED[picks] if kind in there], exclude=(), verbose="ERROR")
    except BenchError:
        raise
    except Exception as error:  # MNE's readers raise whatever a broken file leads them to
        raise _unreadable(recording, error) from error


def _unreadable(recording: Recording, error: Exception) -> DataError:
    return DataError(
        f"Recording {recording.source} cannot be read",
        got=f"{type(error).__name__}: {error}",
        expected="a complete file",
        then="Download it again if it is shorter than the original; Recording.load, called by itself, shows more.",
    )


def no_such_channels(source: str, picks: Picks, there: Sequence[str]) -> DataError:
    """Return the error that a recording or data set has no channel of the type that is asked for."""
    counted = Counter(there)
    fitting = [name for name, kinds in PICKED.items() if all(kind in counted for kind in kinds)]
    return DataError(
        f"{source} has no channel of type {' or '.join(PICKED[picks])}",
        got=", ".join(f"{n} of type {kind}" for kind, n in counted.items()) or "no channel",
        expected="channels of the type that --picks (data.picks) names",
        then=f"Type --picks {' or '.join(fitting)} (--set data.picks={fitting[0]})." if fitting else "",
    )


def check_finite(recording: Recording, raw: mne.io.BaseRaw, start_s: float = 0.0) -> None:
    """Refuse NaN and infinity in channels that are not marked bad (`DataError`); the others are interpolated.

    ``raw`` may be a part of the recording that begins after ``start_s`` seconds.
    """
    good = np.array([name not in raw.info["bads"] for name in raw.ch_names])
    bad = ~np.isfinite(raw.get_data()) & good[:, None]
    if bad.any():
        channel = int(np.argmax(bad.any(1)))
        time = start_s + int(np.argmax(bad[channel])) / raw.info["sfreq"]
        raise DataError(
            f"{recording.source} holds samples that are not finite",
            got=f"{int(bad.sum())} of them, first in channel '{raw.ch_names[channel]}' at {time:.3f} s",
            expected="finite values in every channel that is not marked bad",
            then="Set the channel's status to bad in channels.tsv, and it is interpolated; or repair the file.",
        )


def check_not_flat(recording: Recording, raw: mne.io.BaseRaw) -> None:
    """Refuse channels that never change and are not marked bad (`DataError`)."""
    flat = [
        n for n, x in zip(raw.ch_names, raw.get_data(), strict=True) if n not in raw.info["bads"] and np.ptp(x) == 0
    ]
    if flat:
        raise DataError(
            f"{recording.source} has flat channels that are not marked bad",
            got=", ".join(flat),
            expected="a signal that varies",
            then="Set their status to bad in channels.tsv; they are then interpolated.",
        )


def check_unit(recording: Recording, raw: mne.io.BaseRaw) -> None:
    """Refuse a scale that no recording has (`DataError`): the unit in the file's header is missing or wrong."""
    kinds = raw.get_channel_types()
    for kind in (CHANNEL_TYPES[name] for name in dict.fromkeys(kinds)):
        picks = [k for k, name in enumerate(raw.ch_names) if kinds[k] == kind.name and name not in raw.info["bads"]]
        step = max(1, raw.n_times // SCALE_SAMPLES)
        spreads = np.subtract(*np.percentile(raw.get_data(picks=picks)[:, ::step], [75, 25], axis=1)) if picks else []
        spread_of = {raw.ch_names[k]: float(s) for k, s in zip(picks, spreads, strict=True) if s}
        wrong = {name: s for name, s in spread_of.items() if not kind.least <= s <= kind.most}
        if wrong:
            raise _wrong_unit(recording, kind, wrong)


def _wrong_unit(recording: Recording, kind: ChannelType, wrong: dict[str, float]) -> DataError:
    thousands = round(np.log10(np.median(list(wrong.values())) / kind.typical) / 3)
    prefix = {1: "milli", 2: "micro", 3: "nano", 4: "pico", 5: "femto"}.get(thousands)
    likely = f"were {prefix}{kind.si_unit}" if prefix else f"had been multiplied by 1e{3 * thousands}"
    shown = ", ".join(f"{name} {spread:.3g} {kind.si_sign}" for name, spread in list(wrong.items())[:5])
    label = signal_name(kind.name)
    return DataError(
        f"{recording.source} has channels on a scale that {label} cannot have",
        got=f"{shown}{' and others' if len(wrong) > 5 else ''} between the quartiles",
        expected=f"{kind.least:g} to {kind.most:g} {kind.si_sign}",
        then=f"They look as if their values {likely}: correct the unit in the file's header (the column units of "
        f"channels.tsv does not change it), or give channels that are no {label} the type MISC.",
    )


def _interpolate(recording: Recording, raw: mne.io.BaseRaw) -> None:
    bads = raw.info["bads"]
    if not bads:
        return
    unlocated = [c["ch_name"] for c in raw.info["chs"] if not has_position(c)]
    if unlocated or len(bads) == len(raw.ch_names):
        reason = f"electrodes without positions: {', '.join(unlocated)}" if unlocated else "no good channel"
        raise DataError(
            f"Bad channels of {recording.source} cannot be interpolated",
            got=f"bad: {', '.join(bads)}; {reason}",
            expected="good channels with positions around them",
            then="Add electrodes.tsv and coordsystem.json, or give the bad channels the type MISC in every recording.",
        )
    raw.interpolate_bads(reset_bads=True, origin=_sphere(raw), verbose="ERROR")


def _sphere(raw: mne.io.BaseRaw) -> str | tuple[float, float, float]:
    """Return the middle of the sphere that interpolation takes for the head; of MEG it is the same for all recordings.

    MNE would fit it to digitised points of the head, which many MEG files lack.
    """
    if "eeg" in raw:
        return "auto"
    to_head = raw.info["dev_head_t"]
    is_placed = to_head is not None and not np.allclose(to_head["trans"], np.eye(4))
    return (0.0, 0.0, 0.04) if is_placed else (0.0, 0.0, 0.0)


def _filter(recording: Recording, raw: mne.io.BaseRaw, settings: DataConfig) -> None:
    """Filter by a zero-phase second-order Butterworth, which rings shorter than a linear-phase filter of that edge."""
    edges = [e for e in (settings.highpass_hz, settings.lowpass_hz) if e is not None]
    if not edges:
        return
    if max(edges) >= raw.info["sfreq"] / 2:
        raise DataError(
            f"A filter edge lies above what {recording.source} holds",
            got=f"{max(edges):g} Hz",
            expected=f"below {raw.info['sfreq'] / 2:g} Hz",
            then="Lower data.lowpass_hz or data.highpass_hz, or set it to null.",
        )
    design = {"order": FILTER_ORDER, "ftype": "butter"}
    raw.filter(settings.highpass_hz, settings.lowpass_hz, method="iir", iir_params=design, verbose="ERROR")


def _channel(channel: dict[str, Any]) -> dict[str, Any]:
    """Reduce MNE's channel dictionary to plain numbers."""
    numbers = {key: int(channel[key]) for key in ("kind", "coil_type", "unit", "coord_frame")}
    loc = np.nan_to_num(np.asarray(channel["loc"], dtype=float))
    return {"ch_name": str(channel["ch_name"]), "loc": loc.tolist(), **numbers}

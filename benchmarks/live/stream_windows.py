"""Prepares windows of a stream as training prepared them, each as soon as what it depends on is there."""

from __future__ import annotations

import math

import numpy as np

from eeg2speech_bench.benchmarks.live.stream_buffer import StreamBuffer
from eeg2speech_bench.benchmarks.trained.recording_windows import (
    OF_FILE,
    ReadingChoice,
    RecordingWindows,
    open_eeg,
    refuse_other_modality,
    scale_of,
)
from eeg2speech_bench.benchmarks.trained.trained_cell import TrainedCell
from eeg2speech_bench.core.errors import DataError, UsageError
from eeg2speech_bench.core.segments.continuous_eeg import ContinuousEeg

#: share of a window that is waited at most for samples behind its end, which resampling and filters look at
MOST_AHEAD = 0.75
#: seconds of samples that are kept although no window that is planned needs them: markers come late
KEPT_S = 10.0


class StreamWindows:
    """The windows of a stream.

    A window is read from the samples on which the same window of a whole recording depends, by the same code. What
    lies further ahead than `MOST_AHEAD` of a window is not waited for: then the window is read as if the recording
    ended there, which is said in ``notes``.

    Parameters
    ----------
    buffer : StreamBuffer
    cell : TrainedCell
    choice : ReadingChoice
        Its scale ``"file"`` means here: the scale that is fitted on the first seconds of the stream.
    listener : str, optional
    calibrate_s : float
        Those seconds.
    name : str
        The stream's, for messages.

    Attributes
    ----------
    notes : tuple of str
        What was decided on the way.

    Raises
    ------
    DataError
        If the stream has other channels or another rate than the model.
    UsageError
        If the calibration is shorter than a window.
    """

    def __init__(
        self,
        buffer: StreamBuffer,
        cell: TrainedCell,
        choice: ReadingChoice,
        listener: str | None,
        calibrate_s: float,
        name: str,
    ) -> None:
        self.buffer, self.cell, self.choice, self.listener, self.name = buffer, cell, choice, listener, name
        self.settings, self.n_times = cell.description.config.data, cell.signal.n_times
        self._rate = buffer.sfreq / self.settings.sfreq
        refuse_other_modality(cell.description)
        self._plan, self.notes = self._rehearse()
        # the hash of the code that reads was looked at once
        self._description = cell.description.model_copy(update={"preparation_hash": ""})
        self.calibrated_s = calibrate_s if choice.scale == OF_FILE else 0.0
        if choice.scale == OF_FILE and calibrate_s < self.settings.window_s:
            expected = f"at least a window, {self.settings.window_s:g} s"
            raise UsageError("The calibration is too short", got=f"{calibrate_s:g} s", expected=expected)
        self._scale: np.ndarray | None = None
        self.notes += tuple(self._said_of_reach())

    def _rehearse(self) -> tuple[ContinuousEeg, tuple[str, ...]]:
        """Read noise as the stream will be read, so that what is wrong with its channels and rate is said at once."""
        import mne

        n_samples = math.ceil((self.settings.window_s + 1) * self.buffer.sfreq)
        noise = 1e-5 * np.random.default_rng(0).standard_normal((len(self.buffer.info.ch_names), n_samples))
        raw = mne.io.RawArray(noise, self.buffer.info.copy(), verbose="ERROR")
        eeg, notes = open_eeg(raw, self.name, self.cell.description, self.cell.registry, self.choice)
        eeg.read(0, self.n_times)
        return eeg, notes

    def _said_of_reach(self) -> list[str]:
        """Say how long a window waits for what comes behind it, and what it is not given."""
        waits_s, reaches_s = self.ahead_s
        said = [
            f"a window is read {waits_s:.2f} s after its end, when all is there that resampling and filters look at"
        ]
        if reaches_s > waits_s + 1 / self.buffer.sfreq:
            said = [
                f"a window is read {waits_s:.2f} s after its end, though filters look {reaches_s:.1f} s ahead: it is "
                "read as if the recording ended there, and its values are not those of the whole recording"
            ]
        return said

    @property
    def ahead_s(self) -> tuple[float, float]:
        """Seconds behind the end of a window that are waited for, and those that it would be read with offline."""
        row = math.ceil(600 * self.settings.sfreq)  # far from the start of the stream
        newest = self.newest_sample(row)
        reach = self._plan.span(row, row + self.n_times)[2]
        return (self.needed(row) - 1 - newest) / self.buffer.sfreq, (reach - 1 - newest) / self.buffer.sfreq

    def first_row(self, start_s: float) -> int:
        """Return the first row of the EEG that goes with the sound from a second of the stream on."""
        return round((start_s + self.settings.shift_s) * self.settings.sfreq)

    def newest_sample(self, row: int) -> int:
        """Return the last sample of the stream that lies within the window from a row on."""
        return math.floor((row + self.n_times - 1) * self._rate + 1e-6)

    def needed(self, row: int) -> int:
        """Return how many samples must be there before the window from a row on is read."""
        within = self.newest_sample(row) + 1 + math.floor(MOST_AHEAD * self.settings.window_s * self.buffer.sfreq)
        return min(self._plan.span(row, row + self.n_times)[2], within)

    def is_calibrated(self) -> bool:
        """Return whether the scale is known; it is fitted as soon as the seconds for it are there.

        Raises
        ------
        DataError
            If they hold NaN, a flat channel or a wrong unit.
        """
        fitted_s = self.calibrated_s or self.settings.window_s
        n_samples = math.ceil(fitted_s * self.buffer.sfreq)
        if self._scale is None and self.buffer.n_samples >= n_samples:
            description, cell = self._description, self.cell
            raw = self.buffer.recording(0, n_samples)
            eeg, _ = open_eeg(raw, self.name, description, cell.registry, self.choice)
            self._scale, said = scale_of(eeg, description, cell.pair.scales, self.choice.scale, self.listener)
            n_lost = sum(min(gap.stop, n_samples) - gap.first for gap in self.buffer.gaps if gap.first < n_samples)
            if self.calibrated_s:
                said = f"scale of the channels: fitted on the first {self.calibrated_s:g} s of the stream"
                said += f", in which {n_lost} samples were lost" if n_lost else ""
            self.notes += (said,)
        return self._scale is not None

    def read(self, row: int) -> np.ndarray:
        """Return the window from a row on, float32 (1, n_chans, n_times), scaled and clamped.

        Raises
        ------
        DataError
            If samples of it were lost, or hold NaN, a flat channel or a wrong unit.
        """
        assert self._scale is not None
        from_row, first, _ = self._plan.span(row, row + self.n_times)
        self._refuse_gaps(math.floor(row * self._rate), self.newest_sample(row) + 1)
        raw = self.buffer.recording(first, self.needed(row))
        eeg, _ = open_eeg(raw, self.name, self._description, self.cell.registry, self.choice)
        windows = RecordingWindows(eeg, self._description, self._scale, (), ())
        return windows.gather(np.array([row - from_row]))

    def _refuse_gaps(self, first: int, stop: int) -> None:
        met = [gap for gap in self.buffer.gaps if gap.first < stop and gap.stop > first]
        if met:
            n_lost = sum(min(gap.stop, stop) - max(gap.first, first) for gap in met)
            raise DataError("Samples of the window were lost", got=n_lost, expected="none")

    def forget_before(self, row: int | None) -> None:
        """Give away samples that no window from a row on needs; None while it is not known which is the next."""
        kept = self.buffer.n_samples - math.ceil(KEPT_S * self.buffer.sfreq)
        now = math.floor(kept / self._rate)
        first = self._plan.span(max(0, now if row is None else min(row, now)), self.n_times)[1]
        self.buffer.forget(first)

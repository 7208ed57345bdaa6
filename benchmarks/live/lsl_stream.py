"""Reads EEG and markers from streams of the Lab Streaming Layer (LSL)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from eeg2speech_bench.core.errors import BenchError, DataError, UnknownNameError

if TYPE_CHECKING:
    import mne

#: seconds in which a stream must be found and opened
FOUND_IN_S = 10.0
#: seconds after which a silent stream has ended: liblsl 1.17 needs 1.5 or 31 s to find one that comes back at once
ENDED_AFTER_S = 40.0
#: seconds between two looks at what came, and samples that are taken at once
POLL_S, CHUNK_SAMPLES = 0.01, 4096
#: volts by the names of units that may be typed
UNITS = {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "nV": 1e-9}


def require_lsl() -> None:
    """Import mne-lsl.

    Raises
    ------
    BenchError
        If it is not installed.
    """
    try:
        from mne_lsl import set_log_level
    except ImportError as error:
        raise BenchError(
            "Streams are read by mne-lsl, which is not here",
            got=str(error),
            then="Type: pip install 'eeg2speech-bench[live]', or pip install 'mne-lsl>=1.14'.",
        ) from None
    set_log_level("ERROR")


def _find(name: str) -> Any:
    """Return what is known of the one stream of a name, before it is opened."""
    from mne_lsl.lsl import resolve_streams

    found = resolve_streams(FOUND_IN_S, name=name)
    if not found:
        known = sorted({stream.name for stream in resolve_streams(2.0)})
        then = "Start it, or name another with --stream."
        if known:
            raise UnknownNameError("LSL stream", name, known, then)
        also = "Streams of other machines need multicast, or KnownPeers in lsl_api.cfg."
        raise DataError(f"LSL stream '{name}' is not there", got="no stream at all", then=f"{then} {also}")
    if len(found) > 1:
        got = ", ".join(f"source '{stream.source_id}' on {stream.hostname}" for stream in found)
        then = "Stop the others, or give the stream a name of its own."
        raise DataError(f"Several LSL streams are called '{name}'", got=got, expected="one", then=then)
    return found[0]


class _Inlet:
    """An open stream; its stamps are those of the machine that sends it."""

    def __init__(self, name: str) -> None:
        require_lsl()
        from mne_lsl.lsl import StreamInlet

        found = _find(name)
        self.name = name
        self.inlet = StreamInlet(found, max_buffered=360, recover=True)
        try:
            self.inlet.open_stream(timeout=FOUND_IN_S)
            self.about = self.inlet.get_sinfo(timeout=FOUND_IN_S)
            self._correction_s = self.inlet.time_correction(timeout=FOUND_IN_S)
        except (TimeoutError, RuntimeError) as error:
            then = "See whether the program that sends it still runs, and whether a firewall lets it through."
            raise DataError(f"LSL stream '{name}' cannot be opened", got=str(error), then=then) from None

    @property
    def correction_s(self) -> float:
        """Seconds to add to a stamp to have it on the clock of this machine."""
        with suppress(TimeoutError, RuntimeError):  # while it is lost, the last one holds
            self._correction_s = self.inlet.time_correction(timeout=0.01)
        return self._correction_s

    def close(self) -> None:
        """Leave the stream."""
        self.inlet._del()


class LslStream(_Inlet):
    """A stream of EEG.

    Parameters
    ----------
    name : str
    unit : str, optional
        One of `UNITS`, for a stream that says nothing of its unit or the wrong thing.

    Attributes
    ----------
    ended_after_s : float
        Seconds without a sample after which it has ended; a stream that comes back before goes on.
    info : mne.Info
        Its channels, with positions where it knows them, and its rate.

    Raises
    ------
    DataError
        If it is not there, cannot be opened, or is no regular stream of EEG.
    BenchError
        If mne-lsl is not installed.
    """

    def __init__(self, name: str, unit: str | None = None) -> None:
        super().__init__(name)
        self.ended_after_s = ENDED_AFTER_S
        self._ahead_s = 0.0
        self._refuse_other_kinds()
        described = self.about.get_channel_info()
        self.info = _plain_info(described)
        powers = np.array([float(channel["unit_mul"]) for channel in described["chs"]])
        self._volts = 10.0**powers if unit is None else np.full(len(powers), UNITS[unit])

    def _refuse_other_kinds(self) -> None:
        about, what = self.about, f"LSL stream '{self.name}'"
        if about.dtype == "string" or about.sfreq == 0:
            got = "a stream of texts" if about.dtype == "string" else "a stream without a rate"
            raise DataError(f"{what} is no EEG", got=got, then="Name the stream of the amplifier with --stream.")
        types = about.get_channel_types() or [about.stype] * about.n_channels
        if not any(str(kind).strip().lower() == "eeg" for kind in [*types, about.stype]):
            got = ", ".join(sorted({str(kind) for kind in types}))
            raise DataError(f"{what} has no EEG channel", got=f"channels of type {got}", expected="type EEG")

    def chunks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield samples in volts, (n_samples, n_chans), and their stamps in seconds, as they come; none is repeated.

        Nothing came where they are empty. It ends when nothing has come for ``ended_after_s`` seconds.
        """
        last = time.monotonic()
        while time.monotonic() - last < self.ended_after_s:
            try:
                samples, stamps = self.inlet.pull_chunk(timeout=0.0, max_samples=CHUNK_SAMPLES)
            except RuntimeError:  # it is lost, and has no source id by which it could be found again
                return
            if len(stamps):
                last = time.monotonic()
                self._ahead_s = max(self._ahead_s, -self._age_s(float(stamps[-1])))
            # the inlet writes the next samples to the same place
            yield samples * self._volts, stamps.copy()
            if len(stamps) < CHUNK_SAMPLES:
                time.sleep(POLL_S)

    def age_s(self, stamp: float) -> float:
        """Return the seconds that have passed since a sample was taken.

        No sample comes before it is taken: stamps that say so, as those of mne-lsl's player, are ahead of their time.
        """
        return self._age_s(stamp) + self._ahead_s

    def _age_s(self, stamp: float) -> float:
        from mne_lsl.lsl import local_clock

        return float(local_clock() - stamp - self.correction_s)


class MarkerStream(_Inlet):
    """A stream of markers: texts, or annotations as mne-lsl's player sends them (a channel for each description).

    Parameters
    ----------
    name : str
    marker : str
        The text of those that count.
    """

    def __init__(self, name: str, marker: str) -> None:
        super().__init__(name)
        self.marker = marker
        names = self.about.get_channel_names() or []
        self._column = 0 if self.about.dtype == "string" else self._column_of(names)

    def _column_of(self, names: list[str | None]) -> int:
        if self.marker not in names:
            raise UnknownNameError(f"marker of LSL stream '{self.name}'", self.marker, [str(name) for name in names])
        return names.index(self.marker)

    def stamps(self, stream: LslStream) -> list[float]:
        """Return the stamps of markers that came, in seconds of a stream's clock."""
        try:
            samples, stamps = self.inlet.pull_chunk(timeout=0.0, max_samples=CHUNK_SAMPLES)
        except RuntimeError:
            return []
        same_clock = self.about.hostname == stream.about.hostname
        later_s = 0.0 if same_clock else self.correction_s - stream.correction_s
        return [float(t) + later_s for row, t in zip(samples, stamps, strict=True) if self._counts(row[self._column])]

    def _counts(self, value: Any) -> bool:
        return value == self.marker if isinstance(value, str) else bool(value != 0)


def _plain_info(described: mne.Info) -> mne.Info:
    """Return channels by name, type and position, without the factors of a file that was played."""
    import mne

    info = mne.create_info(described.ch_names, described["sfreq"], described.get_channel_types(), verbose="ERROR")
    for channel, known in zip(info["chs"], described["chs"], strict=True):
        channel["loc"] = np.asarray(known["loc"], dtype=float)
        channel["coord_frame"] = known["coord_frame"]
    return info

"""Follows a stream from its first sample to its end, and tells what happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from eeg2speech_bench.benchmarks.live.lsl_stream import LslStream, MarkerStream
from eeg2speech_bench.benchmarks.live.stream_buffer import Gap
from eeg2speech_bench.benchmarks.live.stream_decoder import DecodedWindow, DroppedWindow, StreamDecoder
from eeg2speech_bench.core.errors import DataError


@dataclass(frozen=True)
class Calibrated:
    """The scale of the channels is known; a line says whose it is."""

    said: str


@dataclass(frozen=True)
class SoundsBegin:
    """A marker says that the sounds begin at a second of the stream."""

    at_s: float


Event = DecodedWindow | DroppedWindow | Gap | Calibrated | SoundsBegin


class StreamEvents:
    """What happens in a stream, in its order.

    Parameters
    ----------
    stream : LslStream
    decoder : StreamDecoder
    markers : MarkerStream, optional
        Says when the sounds begin.
    seconds : float, optional
        Of the stream, after which it is left.

    Attributes
    ----------
    ended : str
        Why it ended.
    """

    def __init__(
        self,
        stream: LslStream,
        decoder: StreamDecoder,
        markers: MarkerStream | None = None,
        seconds: float | None = None,
    ) -> None:
        self.stream, self.decoder, self.markers, self.seconds = stream, decoder, markers, seconds
        self.buffer = decoder.windows.buffer
        self.ended = "stopped by hand"
        self._is_calibrated = False

    def __iter__(self) -> Iterator[Event]:
        """Yield events until the stream ends.

        Raises
        ------
        DataError
            If nothing comes, its clock jumps, or the scale of its channels cannot be fitted.
        """
        for samples, stamps in self.stream.chunks():
            yield from self.buffer.add(samples, stamps)
            yield from self._markers()
            yield from self._decoded()
            if self._is_enough():
                return
        if not self.buffer.n_received:
            got = f"no sample in {self.stream.ended_after_s:g} s"
            raise DataError(f"LSL stream '{self.stream.name}' sends nothing", got=got, then="See whether it is paused.")
        self.ended = f"no sample came for {self.stream.ended_after_s:g} s"

    def _markers(self) -> Iterator[SoundsBegin]:
        if self.markers is not None and self.buffer.n_samples:
            for stamp in self.markers.stamps(self.stream):
                begin = SoundsBegin(self.buffer.second_of(stamp))
                self.decoder.begin(begin.at_s)
                yield begin

    def _decoded(self) -> Iterator[Event]:
        if not self._is_calibrated and self.decoder.windows.is_calibrated():
            self._is_calibrated = True
            yield Calibrated(self.decoder.windows.notes[-1])
        yield from self.decoder.due()

    def _is_enough(self) -> bool:
        if self.seconds is not None and self.buffer.n_samples >= self.seconds * self.buffer.sfreq:
            self.ended = f"{self.seconds:g} s have come"
            return True
        if self.markers is None and self.decoder.is_over:
            self.ended = "the sounds are over"
            return True
        return False

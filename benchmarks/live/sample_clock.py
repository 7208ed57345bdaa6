"""Finds samples of a stream that are missing, from the time stamps of those that came."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from eeg2speech_bench.core.errors import DataError

#: seconds after which a sample that is late is no longer thought to be merely late
SETTLE_S = 0.5
#: least lateness in samples that is thought to be a loss, and how many times the usual jitter it must be
LEAST_LATE, TIMES_JITTER = 0.5, 6.0
#: jitter in seconds that is expected of an unknown device, and the seconds in which its own is learned
FIRST_JITTER_S, LEARNED_IN_S = 0.01, 1.0
#: share of its error by which the clock follows a stamp
FOLLOWED = 0.01
#: seconds of a stream that may be missing; behind a longer pause it is another one
LONGEST_GAP_S = 60.0


@dataclass(frozen=True)
class Loss:
    """Samples that are missing.

    Attributes
    ----------
    before : int
        Number of the received sample that follows them.
    n_samples : int
    """

    before: int
    n_samples: int


class SampleClock:
    """Follows the time stamps of a stream, and tells samples that are missing from samples that are stamped late.

    The stamp of each sample is expected one period after that of the sample before. One that is later is in doubt: if
    a stamp of the next half second is on time, the samples were stamped late and none is missing; else as many are
    missing as fit into the least lateness. Drift of the device's clock is followed.

    Parameters
    ----------
    sfreq : float
        Nominal rate of the stream, Hz.

    Attributes
    ----------
    n_received : int
    n_settled : int
        Received samples of which it is certain how many are missing before them.
    """

    def __init__(self, sfreq: float) -> None:
        self.sfreq = sfreq
        self.n_received = self.n_settled = 0
        self._expected: float | None = None
        self._jitter = FIRST_JITTER_S * sfreq
        self._doubtful: list[float] = []
        self._least_late = 0.0

    @property
    def tolerance(self) -> float:
        """Lateness, in samples, that is taken for jitter: losses of fewer samples are not seen."""
        return max(LEAST_LATE, TIMES_JITTER * self._jitter)

    def add(self, stamps: Iterable[float]) -> list[Loss]:
        """Take the stamps of the next samples, in seconds; return what is found to be missing.

        Raises
        ------
        DataError
            If the clock of the stream was set anew, or more than a minute is missing.
        """
        waiting = deque(map(float, stamps))
        self.n_received += len(waiting)
        return list(self._losses(waiting))

    def _losses(self, waiting: deque[float]) -> Iterator[Loss]:
        while waiting:
            stamp = waiting.popleft()
            if self._expected is None:
                self._expected = stamp
            late = (stamp - self._expected) * self.sfreq
            self._refuse_jump(late / self.sfreq)
            if abs(late) <= self.tolerance:
                self._settle(late)
            elif late < 0:
                self._expected = stamp
                self._settle(0.0)
            else:
                yield from self._doubt(stamp, late, waiting)

    def _settle(self, late: float) -> None:
        assert self._expected is not None
        gain = 1 / (LEARNED_IN_S * self.sfreq)
        self._jitter += gain * (abs(late) - self._jitter)
        self._expected += (1 + FOLLOWED * late) / self.sfreq
        self.n_settled += len(self._doubtful) + 1
        self._doubtful.clear()

    def _doubt(self, stamp: float, late: float, waiting: deque[float]) -> Iterator[Loss]:
        """Keep a stamp that is late; at the end of the half second, say what is missing and read its stamps again."""
        assert self._expected is not None
        self._least_late = min(late, self._least_late) if self._doubtful else late
        self._doubtful.append(stamp)
        self._expected += 1 / self.sfreq
        if len(self._doubtful) < SETTLE_S * self.sfreq:
            return
        n_missing = max(1, round(self._least_late))
        yield Loss(self.n_settled, n_missing)
        # the first stamps may belong to a smaller loss than the last: what is left of it is found in a second reading
        self._expected += (n_missing - len(self._doubtful)) / self.sfreq
        waiting.extendleft(reversed(self._doubtful))
        self._doubtful.clear()

    def _refuse_jump(self, late_s: float) -> None:
        if abs(late_s) > LONGEST_GAP_S:
            raise DataError(
                "The time stamps of the stream jumped",
                got=f"a sample {abs(late_s):.1f} s {'late' if late_s > 0 else 'early'}",
                expected=f"at most {LONGEST_GAP_S:g} s: behind it nobody knows what belongs together",
                then="Type the command again.",
            )

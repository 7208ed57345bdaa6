"""Places a sound in a recording by the pulses that both have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from eeg2speech_bench.core.errors import DataError

#: seconds that a pulse may be off the line, by which clocks may differ, and by which events.tsv may be wrong
OFF_LINE_S, MAX_DRIFT, COARSE_S = 0.002, 1e-3, 0.6


def place_by_pulses(
    recorded_s: Sequence[float], played_s: Sequence[float], coarse_s: float, source: str
) -> tuple[float, float]:
    """Return when a sound began in a recording, and the seconds of the recording in one of the sound.

    One pulse may lack in the recording, or be one too many, at either end; then the pulses themselves tell at which
    (the last is not a whole second after the one before), and if they do not, the events do.

    Parameters
    ----------
    recorded_s : sequence of float
        Times of the pulses in the recording.
    played_s : sequence of float
        Times of the pulses in the sound's trigger file.
    coarse_s : float
        The onset that events.tsv gives; NaN if none.
    source : str
        The recording, for messages.

    Raises
    ------
    DataError
        If the pulses do not match, or leave two placements.
    """
    found = [place for place in _placements(recorded_s, played_s) if place[2] <= OFF_LINE_S]
    if len(found) > 1:
        found = [place for place in found if abs(place[0] - coarse_s) <= COARSE_S]
    if len(found) != 1:
        raise DataError(
            f"The pulses in {source} do not place its sound",
            got=f"{len(recorded_s)} pulses, {len(found)} placements",
            expected=f"the {len(played_s)} pulses of its trigger file, within {1e3 * OFF_LINE_S:g} ms",
            then="Leave this recording out (delete its folder, or give the folder of others), or use eeg=preprocessed.",
        )
    start_s, ratio, _ = found[0]
    return start_s, ratio


def _placements(recorded_s: Sequence[float], played_s: Sequence[float]) -> Iterator[tuple[float, float, float]]:
    """Yield start, ratio of the clocks and largest error of each way to pair the pulses."""
    recorded, played = np.asarray(recorded_s), np.asarray(played_s)
    n = min(len(recorded), len(played))
    if n < 2 or abs(len(recorded) - len(played)) > 1:
        return
    for skip_recorded in range(len(recorded) - n + 1):
        for skip_played in range(len(played) - n + 1):
            y, x = recorded[skip_recorded:][:n], played[skip_played:][:n]
            ratio, start = np.polyfit(x, y, 1)
            if abs(ratio - 1.0) <= MAX_DRIFT:
                yield float(start), float(ratio), float(np.abs(start + ratio * x - y).max())

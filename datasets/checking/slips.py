"""Finds presentations whose sound slipped: from some moment on, the EEG follows it at another lag."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import norm

from eeg2speech_bench.datasets.checking.heard import Heard
from eeg2speech_bench.datasets.checking.lag_curve import REACH_S, products_of_pieces
from eeg2speech_bench.datasets.checking.report import Finding

#: a slip is at least so long; at lags beyond the second one, pieces say what chance gives
MIN_SLIP_S, CHANCE_S = 0.1, 1.0
#: pieces that have to follow a slip
MIN_PIECES = 2
ALARM_P = 0.01
#: lags within reach that say something of their own: an envelope up to 8 Hz changes twice in a period
N_LAGS = 2 * REACH_S * 2 * 8


def findings_of_slips(heard: Heard, estimate: np.ndarray, n_recordings: int) -> Iterator[Finding]:
    """Tell where a presentation, or its end, is followed at another lag than the rest of the recording.

    Parameters
    ----------
    heard : Heard
    estimate : array, shape (n_times,)
        Envelope as reconstructed from the EEG.
    n_recordings : int
        That are looked at: one false alarm in a hundred data sets is allowed.
    """
    products, of = products_of_pieces(estimate, heard.envelope, heard.presentation, heard.rate_hz)
    lags_s = (np.arange(products.shape[1]) - products.shape[1] // 2) / heard.rate_hz
    size = float(np.std(products[:, np.abs(lags_s) > CHANCE_S]))
    limit = float(norm.isf(ALARM_P / (n_recordings * len(products) * N_LAGS)))
    moved = np.abs(lags_s) > MIN_SLIP_S
    for number in np.unique(of):
        own = products[of == number]
        gain = own[:, moved] - own[:, [len(lags_s) // 2]]
        after = np.cumsum(gain[::-1], axis=0)[::-1]  # of all pieces from each one on
        left = len(own) - np.arange(len(own))
        z = after / (size * np.sqrt(2 * left))[:, None] if size > 0 else np.zeros_like(after)
        z[left < MIN_PIECES] = 0
        if z.max(initial=0) > limit:
            piece, lag = np.unravel_index(int(z.argmax()), z.shape)
            yield _finding(heard, int(number), int(piece), len(own), float(lags_s[moved][lag]))


def _finding(heard: Heard, number: int, piece: int, n_pieces: int, lag_s: float) -> Finding:
    rows = np.flatnonzero(heard.presentation == number)
    time_s = rows[len(rows) * piece // n_pieces] / heard.rate_hz
    where = f"from about {time_s:.0f} s on" if piece else "from its start on"
    start_s = rows[0] / heard.rate_hz
    return Finding(
        check="slip",
        severity="wrong",
        recording=heard.recording,
        found=f"presentation {number + 1} (at {start_s:.1f} s) is followed {1e3 * lag_s:+.0f} ms off {where}",
        then="Its sound or its trigger slipped: correct its onset, or set stim_file to n/a for what follows.",
    )

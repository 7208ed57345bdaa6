"""Measures how well a ridge backward model follows speech in a BIDS data set of whole stories.

Run ``python -m eeg2speech_bench.datasets.simulation.check ROOT``; 2 to 4 s per listener and quarter of an hour of EEG.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import mne
import mne_bids
import numpy as np
import soundfile
from scipy.signal import butter, resample_poly, sosfiltfilt

#: fixed before the first look at any result (protocol of the reference figures for real listeners)
SFREQ, BAND_HZ, MAX_LAG_S, PENALTY, TRAIN_SHARE = 64, (0.5, 8.0), 0.25, 1e-2, 0.8


@dataclass(frozen=True)
class Following:
    """Correlation of predicted and true envelope on held-out stories.

    Attributes
    ----------
    r : array, shape (n_listeners,)
        Mean over the held-out stories.
    shifted_r : array, shape (n_listeners, n_shifts)
        The same after circular shifts of the prediction within each story: what chance gives.
    """

    r: np.ndarray
    shifted_r: np.ndarray


def ridge_following(root: Path, n_shifts: int = 20) -> Following:
    """Fit a ridge backward model per listener of a BIDS data set whose events are whole stories.

    Parameters
    ----------
    root : Path
        BIDS root with ``stim_file`` in the events and the sounds under ``stimuli/``.
    n_shifts : int
        Circular shifts for the chance level.

    Returns
    -------
    Following
        EEG at t to t + 250 ms predicts the envelope at t, both in 0.5 to 8 Hz; the last fifth of the stories in
        alphabetical order is held out, the same for all listeners.
    """
    names = sorted(path.name for path in Path(root, "stimuli").glob("*.ogg"))
    n_train = max(1, int(TRAIN_SHARE * len(names)))
    envelopes = {name: _envelope(Path(root, "stimuli", name)) for name in names}
    paths = mne_bids.find_matching_paths(root, suffixes="eeg", extensions=".vhdr")
    scores = [_score(_presentations(path, envelopes), names[:n_train], names[n_train:], n_shifts) for path in paths]
    return Following(np.array([s[0] for s in scores]), np.array([s[1] for s in scores]))


def _envelope(path: Path) -> np.ndarray:
    """Root mean square over 1/64 s, compressed by 0.6, in 0.5 to 8 Hz."""
    samples, rate_hz = soundfile.read(path, dtype="float32")
    n_times = int(len(samples) / rate_hz * SFREQ)
    edges = np.round(np.arange(n_times + 1) * rate_hz / SFREQ).astype(int)
    power = np.add.reduceat(samples**2, edges[:-1]) / np.diff(edges)
    return _band(power[None] ** 0.3)[0]


def _band(signals: np.ndarray) -> np.ndarray:
    return sosfiltfilt(butter(3, BAND_HZ, "bandpass", fs=SFREQ, output="sos"), signals, axis=1)


def _presentations(path: mne_bids.BIDSPath, envelopes: dict[str, np.ndarray]) -> dict[str, tuple[np.ndarray, ...]]:
    """Lagged EEG (n_times, n_lags * n_chans) and envelope (n_times,) of each story that was heard."""
    with mne.use_log_level("ERROR"):
        raw = mne_bids.read_raw_bids(path, verbose="ERROR").load_data()
    eeg = _band(resample_poly(raw.get_data(), SFREQ, int(raw.info["sfreq"]), axis=1))
    eeg /= eeg.std(axis=1, keepdims=True)
    heard: dict[str, tuple[np.ndarray, ...]] = {}
    for note in raw.annotations:
        name = note["extras"]["stim_file"]
        heard[name] = (_lagged(eeg, round(note["onset"] * SFREQ), len(envelopes[name])), envelopes[name])
    return heard


def _lagged(eeg: np.ndarray, onset: int, n_times: int) -> np.ndarray:
    lags = range(int(MAX_LAG_S * SFREQ) + 1)
    return np.concatenate([eeg[:, onset + lag : onset + lag + n_times] for lag in lags]).T


def _score(
    heard: dict[str, tuple[np.ndarray, ...]], train: list[str], test: list[str], n_shifts: int
) -> tuple[float, list[float]]:
    covariance = sum(heard[name][0].T @ heard[name][0] for name in train)
    penalty = PENALTY * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    weights = np.linalg.solve(covariance + penalty, sum(heard[name][0].T @ heard[name][1] for name in train))
    pairs = [(heard[name][0] @ weights, heard[name][1]) for name in test]
    shares = np.linspace(0.1, 0.9, n_shifts)  # of a story's length: far beyond the lags
    shifted = [np.mean([_correlate(np.roll(p, int(s * len(p))), t) for p, t in pairs]) for s in shares]
    return float(np.mean([_correlate(*pair) for pair in pairs])), [float(r) for r in shifted]


def _correlate(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def main(root: str) -> None:
    """Print r per listener, the mean, and the chance level."""
    following = ridge_following(Path(root))
    print("r per listener   ", " ".join(f"{r:+.3f}" for r in following.r))
    print(f"r mean            {following.r.mean():+.3f}")
    print(f"shifted           {following.shifted_r.mean():+.3f} +- {following.shifted_r.std():.3f}")


if __name__ == "__main__":
    main(sys.argv[1])

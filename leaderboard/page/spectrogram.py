"""Draws mel spectrograms of clips as small PNG files."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from eeg2speech_bench.core.errors import DataError

N_BANDS = 64
HOP_S = 0.01
WINDOW_S = 0.064
TOP_HZ = 8000.0
#: what is softer than the loudest point by more than this is drawn black
RANGE_DB = 70.0
#: dark to bright with steadily rising lightness, so that it also reads without colour
_COLOURS = ((5, 8, 20), (36, 28, 92), (98, 36, 122), (165, 52, 112), (222, 92, 78), (249, 160, 72), (252, 244, 186))


def read_clip(content: bytes, source: Path) -> tuple[np.ndarray, int]:
    """Decode a clip; return samples float32 (n_samples,) of its first channel and the rate in Hz.

    Raises
    ------
    DataError
        If the bytes are not audio or hold values that are not finite.
    """
    try:
        samples, rate_hz = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise DataError(f"Clip {source.parent.name}/{source.name} is not audio", got=str(error)) from error
    if not len(samples) or not np.isfinite(samples).all():
        raise DataError(f"Clip {source.parent.name}/{source.name} holds no finite samples", got=samples.shape)
    return samples[:, 0], rate_hz


def draw_mel(samples: np.ndarray, rate_hz: int) -> bytes:
    """Return a PNG of the log-mel spectrogram, one pixel per 10 ms and band, low bands at the bottom."""
    level_db = log_mel_db(samples, rate_hz)
    share = np.clip(1 + (level_db - level_db.max()) / RANGE_DB, 0, 1)
    picture = Image.fromarray((share[::-1] * 255).round().astype(np.uint8), mode=None)
    picture.putpalette(palette())
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def log_mel_db(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """Return the log-mel spectrogram of samples (n_samples,) in dB, shape (N_BANDS, n_frames), low bands first."""
    n_window, n_hop = round(WINDOW_S * rate_hz), round(HOP_S * rate_hz)
    padded = np.pad(samples, n_window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_window)[::n_hop][: max(len(samples) // n_hop, 1)]
    power = np.abs(np.fft.rfft(frames * np.hanning(n_window), axis=1)) ** 2
    return 10 * np.log10(_filters(n_window, rate_hz) @ power.T + 1e-10)


@lru_cache
def palette() -> list[int]:
    """Return red, green and blue of 256 levels, dark to bright, each 0 to 255: 768 numbers."""
    stops = np.linspace(0, 255, len(_COLOURS))
    levels = np.arange(256)
    channels = [np.interp(levels, stops, channel) for channel in zip(*_COLOURS, strict=True)]
    values: list[int] = np.stack(channels, axis=1).round().astype(int).ravel().tolist()
    return values


@lru_cache
def _filters(n_window: int, rate_hz: int) -> np.ndarray:
    """Return triangles evenly spaced on the mel scale (O'Shaughnessy 1987), shape (N_BANDS, n_window // 2 + 1)."""
    hz = np.fft.rfftfreq(n_window, 1 / rate_hz)
    top_mel = 2595 * np.log10(1 + min(TOP_HZ, rate_hz / 2) / 700)
    edges = 700 * (10 ** (np.linspace(0, top_mel, N_BANDS + 2) / 2595) - 1)
    rising = (hz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hz) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rising, falling))

"""Tiny data sets: one written to disk as BIDS, one in memory."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import mne
import mne_bids
import numpy as np
import pytest
import soundfile

from eeg2speech_bench.core.segments.recordings import Presentation, Recording, Sound, Stimulus, Word

if TYPE_CHECKING:
    from typed_here import Ran

CHANNELS = ["Fz", "Cz", "Pz", "Oz", "F3", "F4", "T7", "T8"]
SFREQ = 128.0

#: name, seconds, samples per second, channels
SOUNDS = {
    "a.wav": (12.0, 16000, 1),
    "b.wav": (14.5, 22050, 2),
    "c.flac": (16.0, 16000, 1),
    "d.wav": (18.0, 16000, 1),
}

#: onsets in seconds, in each listener's own order
ONSETS = {
    "01": {"a.wav": 2.0, "b.wav": 16.0, "c.flac": 33.0, "d.wav": 51.0},
    "02": {"c.flac": 1.5, "a.wav": 20.25, "d.wav": 35.0, "b.wav": 55.0},
}
RECORDING_S = 72.0

#: a bump in the EEG at this time of "c.flac", later by the 150 ms with which the cortex follows
BUMP_S, LAG_S = 5.3, 0.15


def simple_raw(seconds: float, seed: int, sfreq: float = SFREQ, names: list[str] = CHANNELS) -> mne.io.RawArray:
    rng = np.random.default_rng(seed)
    info = mne.create_info(list(names), sfreq, "eeg")
    raw = mne.io.RawArray(1e-5 * rng.standard_normal((len(names), round(seconds * sfreq))), info, verbose="ERROR")
    return raw.set_montage("colin27_1005", on_missing="ignore")


def _write_recording(root: Path, subject: str) -> None:
    raw = simple_raw(RECORDING_S, seed=int(subject))
    centre_s = ONSETS[subject]["c.flac"] + BUMP_S + LAG_S
    raw._data[0] += 1.5e-4 * np.exp(-0.5 * ((raw.times - centre_s) / 0.03) ** 2)
    path = mne_bids.BIDSPath(subject=subject, task="listening", datatype="eeg", root=root)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mne_bids.write_raw_bids(raw, path, format="BrainVision", allow_preload=True, overwrite=True, verbose="ERROR")
    rows = [f"{onset}\t{SOUNDS[name][0]}\t{name}\n" for name, onset in ONSETS[subject].items()]
    rows.insert(1, "1.0\t0\tn/a\n")
    events = root / f"sub-{subject}" / "eeg" / f"sub-{subject}_task-listening_events.tsv"
    # Published files begin with a byte order mark (nm000180).
    events.write_text("onset\tduration\tstim_file\n" + "".join(rows), encoding="utf-8-sig")


@pytest.fixture(scope="session")
def bids_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bids") / "tiny"
    (root / "stimuli").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, (seconds, rate, n_channels) in SOUNDS.items():
        samples = 0.1 * rng.standard_normal((round(seconds * rate), n_channels))
        soundfile.write(root / "stimuli" / name, samples, rate)
    (root / "stimuli" / "c_words.tsv").write_text("onset\tduration\tword\n5.0\t0.4\tdown\n5.5\t0.2\tthe\n9\t1\thole\n")
    for subject in ONSETS:
        _write_recording(root, subject)
    return root


@pytest.fixture
def bids_root(bids_original: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(bids_original, tmp_path / "tiny"))


@pytest.fixture
def events_of(bids_root: Path) -> Callable[[str, str | None], Path]:
    """Replace the events of a listener by a text; None deletes them."""

    def write(subject: str, text: str | None) -> Path:
        path = bids_root / f"sub-{subject}" / "eeg" / f"sub-{subject}_task-listening_events.tsv"
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text.replace("|", "\t"), encoding="utf8")
        return path

    return write


@pytest.fixture
def channel_status(bids_root: Path) -> Callable[[str, str, str], None]:
    """Set the status of a channel in a listener's channels.tsv."""

    def write(subject: str, channel: str, status: str) -> None:
        import pandas as pd

        path = next((bids_root / f"sub-{subject}" / "eeg").glob("*_channels.tsv"))
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, encoding="utf-8-sig")
        table.loc[table["name"] == channel, "status"] = status
        table.to_csv(path, sep="\t", index=False)

    return write


@dataclass
class ArrayDataset:
    """A `SpeechDataset` held in memory: each listener hears all stimuli, in one recording, one after the other."""

    eeg: dict[str, mne.io.RawArray]
    stimuli: tuple[Stimulus, ...]
    recordings: tuple[Recording, ...] = field(default=())
    name: str = "arrays"
    about: str = ""
    is_null: bool = False
    sound_kind: str = "envelope"
    revision: str = "1"
    split_fractions: tuple[float, float, float] | None = None


def envelope(seconds: float, seed: int, rate_hz: float = 64.0) -> Sound:
    values = np.random.default_rng(seed).random(round(seconds * rate_hz)).astype(np.float32)
    return Sound("envelope", values, rate_hz)


@pytest.fixture
def make_dataset() -> Callable[..., ArrayDataset]:
    def make(durations_s: list[float], listeners: int = 2, gap_s: float = 1.0, sfreq: float = 120.0) -> ArrayDataset:
        stimuli = tuple(
            Stimulus(f"s{i}", f"story {i}", d, partial(envelope, d, i), (Word("hello", 1.0, 1.4),))
            for i, d in enumerate(durations_s)
        )
        onsets = gap_s + np.cumsum([0.0, *[d + gap_s for d in durations_s]])
        heard = tuple(
            Presentation(s.stimulus_id, float(t), s.duration_s) for s, t in zip(stimuli, onsets, strict=False)
        )
        eeg = {f"L{k}": simple_raw(float(onsets[-1]), k, sfreq) for k in range(listeners)}
        recordings = tuple(Recording(f"rec-{k}", k, f"{k}.vhdr", heard, raw.copy) for k, raw in eeg.items())
        return ArrayDataset(eeg, stimuli, recordings)

    return make


@pytest.fixture
def read_meta() -> Callable[[Path], dict]:
    return lambda folder: json.loads((folder / "meta.json").read_text(encoding="utf8"))


@pytest.fixture
def typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Type what a data set's page says, with the quickest encoder, and return the record and what was printed."""
    from typed_here import run_here

    return lambda dataset, *options: run_here(dataset, options, tmp_path, lambda: "".join(capsys.readouterr()))

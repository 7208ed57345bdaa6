"""Writes each release as it is published, cut to three segments: real tables where there are real ones, else invented.

The EEG is noise with a bump in channel 1 that answers, 150 ms later, each click in the sound. The clicks are at words,
and the bumps where `trl` has those words: counted from 1, as FieldTrip does, with time zero 150 samples into an epoch.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pybv
import pytest
import scipy.io
import soundfile

from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.datasets.brennan2019.dataset import open_brennan2019
from eeg2speech_bench.datasets.brennan2019.placement import FIRST_TRIGGER_S, GAPS_S
from eeg2speech_bench.datasets.brennan2019.releases import SOUND
from eeg2speech_bench.datasets.brennan2019.story import FILE
from eeg2speech_bench.datasets.opened_dataset import OpenedDataset

SFREQ = 500
ELECTRODES = [str(n) for n in range(1, 62) if n != 29]
#: segments that `trl` of the fixtures holds, and listeners; the second has every label one too low
LABELS, LISTENERS, SHIFTED = 3, ("S01", "S26"), "S26"
#: words between two clicks, seconds from a click to its bump, and the bump's width
EVERY, LATER_S, WIDTH_S = 9, 0.15, 0.02
WORDS = [174, 177, 184, 214, 193, 197, 178, 175, 156, 187, 157, 137]
#: where the last word of each segment ends
ENDS_S = [57.10, 60.30, 62.95, 69.41, 65.95, 63.10, 62.48, 56.94, 56.03, 60.99, 55.96, 46.68]
#: seconds at which segment 1 began in the recordings that are invented
BEGAN_S = {"S01": 3.726, "S26": -3.67}


@dataclass(frozen=True)
class Plant:
    """A click at a time inside the sound file of a (true) segment, and the sample of the EEG that hears it."""

    listener: str
    segment: int
    inside_s: float
    sample: int


@dataclass
class Alice:
    """The tables of a release, and what is planted by them."""

    story: bytes = field(repr=False)
    trl: dict[str, np.ndarray] = field(repr=False)
    root: Path | None = None

    @property
    def plants(self) -> list[Plant]:
        found = []
        for listener, rows in self.trl.items():
            for begin, _, offset, label, tmin, _ in rows[4::EVERY]:
                late_s = FIRST_TRIGGER_S if listener == SHIFTED and label == 1 else 0.0
                segment = int(label) + (listener == SHIFTED)
                found.append(Plant(listener, segment, tmin + late_s, int(begin - offset) - 1))
        return found

    def write_story(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_bytes(self.story)

    def write_sounds(self, folder: Path) -> None:
        """Write 44.1 kHz mono of 16 bits, as published, with quiet noise and the clicks."""
        folder.mkdir(parents=True)
        rng = np.random.default_rng(0)
        for segment in range(1, LABELS + 2):
            samples = 1e-3 * rng.standard_normal(round((ENDS_S[segment - 1] + 0.44) * 44100))
            for plant in self.plants:
                if plant.segment == segment:
                    samples[round(plant.inside_s * 44100)] += 0.5
            soundfile.write(folder / SOUND.format(segment), samples, 44100, subtype="PCM_16")

    def eeg(self, listener: str, n_others: int = 2) -> np.ndarray:
        """Make the EEG in microvolts, 60 electrodes and others, until the sound of the last segment has ended."""
        last = max(plant.sample for plant in self.plants if plant.listener == listener)
        rng = np.random.default_rng(int(listener[1:]))
        samples = 10 * rng.standard_normal((60 + n_others, last + 10 * SFREQ))
        samples[0] /= 10
        time = np.arange(samples.shape[1]) / SFREQ
        for plant in (p for p in self.plants if p.listener == listener):
            samples[0] += 15 * np.exp(-0.5 * ((time - plant.sample / SFREQ - LATER_S) / WIDTH_S) ** 2)
        return samples

    def write_procs(self, folder: Path, bads: object = "31") -> None:
        """Write the proc files; one bad channel is a text and no list, as published."""
        folder.mkdir(parents=True)
        for listener, rows in self.trl.items():
            proc = {
                "subject": listener,
                "implicitref": "29",
                "refchannels": cells(["25", "29"]),
                "varnames": cells(["segment", "tmin", "Order"]),
                "trl": rows,
                "tot_trials": len(rows),
                "tot_chans": 61,
                "impedence": {"bads": bads, "note": ""},
                "rejections": {"badchans": bads},
            }
            scipy.io.savemat(folder / f"{listener}.mat", {"proc": proc})


def cells(values: list[object]) -> np.ndarray:
    """Make a MATLAB cell array."""
    array = np.empty((len(values), 1), dtype=object)
    array[:, 0] = values
    return array


def write_mat(path: Path, samples: np.ndarray, others: list[str]) -> None:
    """Write a recording of the first release: FieldTrip's structure of one trial, in microvolts."""
    labels = cells([*ELECTRODES, *others])
    n_chans, n_samples = samples.shape
    header = {
        "Fs": float(SFREQ),
        "nChans": n_chans,
        "nSamples": n_samples,
        "nSamplesPre": 0,
        "nTrials": 1,
        "label": labels,
        "chantype": cells(["eeg"] * n_chans),
        "chanunit": cells(["uV"] * n_chans),
    }
    raw = {
        "hdr": header,
        "label": labels,
        "fsample": float(SFREQ),
        "time": cells([np.arange(n_samples)[None] / SFREQ]),
        "trial": cells([samples]),
        "sampleinfo": np.array([[1.0, n_samples]]),
    }
    scipy.io.savemat(path, {"raw": raw})


def write_brainvision(folder: Path, name: str, samples: np.ndarray, others: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = [*ELECTRODES, *others]
    pybv.write_brainvision(
        data=samples * 1e-6,
        sfreq=SFREQ,
        ch_names=names,
        fname_base=name,
        folder_out=str(folder),
        unit="µV",
        overwrite=True,
    )


def write_v1(alice: Alice, root: Path) -> None:
    """Write the first release; the second listener's file has no channel with the sound."""
    alice.write_story(root)
    alice.write_sounds(root / "audio")
    alice.write_procs(root / "proc")
    write_mat(root / "S01.mat", alice.eeg("S01"), ["VEOG", "AUD"])
    write_mat(root / "S26.mat", alice.eeg("S26", n_others=1), ["VEOG"])


def write_v2(alice: Alice, root: Path) -> None:
    alice.write_story(root)
    alice.write_sounds(root / "audio")
    alice.write_procs(root / "timelock-preprocessing", bads=np.zeros((0, 0)))
    for listener in LISTENERS:
        write_brainvision(root, listener, alice.eeg(listener), ["VEOG", "Aux5"])


def write_nm000180(alice: Alice, root: Path) -> None:
    """Write the BIDS re-host, whose events count samples from 1 as if from 0."""
    alice.write_story(root / "sourcedata")
    alice.write_sounds(root / "stimuli")
    (root / "dataset_description.json").write_text('{"Name": "Brennan2019", "BIDSVersion": "1.9.0"}')
    for listener in LISTENERS:
        folder, name = root / f"sub-0{listener[1:]}" / "eeg", f"sub-0{listener[1:]}_task-alicelistening"
        write_brainvision(folder, f"{name}_eeg", alice.eeg(listener), ["VEOG", "AUD"])
        rows = [
            f"{(begin - offset) / SFREQ:g}\t0.2\tword\tw\t{SOUND.format(int(label))}\t{int(order)}\t{int(label)}\n"
            for begin, _, offset, label, _, order in alice.trl[listener]
        ]
        header = "onset\tduration\ttrial_type\tword\tstim_file\tword_index\tsegment\n"
        (folder / f"{name}_events.tsv").write_text(header + "".join(rows))
        kinds = dict.fromkeys(ELECTRODES, "EEG") | {"VEOG": "EOG", "AUD": "MISC"}
        lines = [f"{channel}\t{kind}\tµV\tgood\n" for channel, kind in kinds.items()]
        table = folder / f"{name}_channels.tsv"
        table.write_text("name\ttype\tunits\tstatus\n" + "".join(lines), encoding="utf-8-sig")


WRITERS = {"v1": write_v1, "v2": write_v2, "nm000180": write_nm000180}


def invented() -> Alice:
    """Make tables of the published shape: as many words in each segment, evenly spaced, and their places in trl."""
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["Word", "Segment", "onset", "offset", "Order", "Length", "Position", "Sentence", "IsLexical"])
    order, rows = 0, []
    for segment, (n_words, end_s) in enumerate(zip(WORDS, ENDS_S, strict=True), start=1):
        onsets_s = np.round(np.linspace(0.046, end_s - 0.3, n_words), 6)
        for number, onset_s in enumerate(onsets_s.tolist()):
            order += 1
            sentence = 7 * (segment - 1) + 7 * number // n_words + 1
            rows.append((segment, onset_s, order))
            writer.writerow(
                [f"word{order % 97}", segment, onset_s, round(onset_s + 0.25, 6), order, 0.25, 1, sentence, 1]
            )
    trl = {name: invented_trl(rows, began_s, name == SHIFTED) for name, began_s in BEGAN_S.items()}
    return Alice(table.getvalue().encode(), trl)


def invented_trl(rows: list[tuple[int, float, int]], began_s: float, shifted: bool) -> np.ndarray:
    starts_s = began_s + np.concatenate([[0.0], np.cumsum(GAPS_S)])
    trl = []
    for label, inside_s, order in rows:
        if label > LABELS:
            break
        late_s = FIRST_TRIGGER_S if shifted and label == 1 else 0.0
        word = round((starts_s[label - 1 + shifted] + late_s + inside_s) * SFREQ)
        trl.append([word + 1 - 150, word + 1 - 150 + 650, -150, label, inside_s, order])
    return np.array(trl, dtype=float)


def published(realdata: Path) -> Alice:
    """Take the real tables, of the segments that the fixtures hold."""
    source = realdata / "brennan2019_nm000180" / "sourcedata"
    trl = {}
    for listener in LISTENERS:
        rows = scipy.io.loadmat(source / "proc" / f"{listener}.mat", simplify_cells=True)["proc"]["trl"]
        trl[listener] = rows[rows[:, 3] <= LABELS]
    return Alice((source / FILE).read_bytes(), trl)


@pytest.fixture(scope="session")
def hashes(tmp_path_factory: pytest.TempPathFactory) -> FileHashes:
    """Remember files that were read, so that they are read once for all tests."""
    return FileHashes(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def opened(releases: Callable[[str], Path], hashes: FileHashes) -> Callable[..., OpenedDataset]:
    """Open a release."""
    return lambda kind, options=None: open_brennan2019(releases(kind), options, hashes)


@pytest.fixture(scope="session")
def tables() -> Alice:
    return invented()


@pytest.fixture
def write_recording() -> Callable[[Path, np.ndarray, list[str]], None]:
    """Write a recording of the first release."""
    return write_mat


@pytest.fixture(scope="session")
def alice(request: pytest.FixtureRequest) -> Alice:
    try:
        return published(request.getfixturevalue("realdata"))
    except pytest.skip.Exception:
        return invented()


@pytest.fixture(scope="session")
def releases(alice: Alice, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of a release, which is written when it is first asked for."""
    written: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in written:
            written[kind] = tmp_path_factory.mktemp("alice") / kind
            WRITERS[kind](alice, written[kind])
        return written[kind]

    return folder

"""Recordings that were paused, as BrainVision, EEGLAB and EDF write them, in a BIDS data set."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.io import savemat

NAMES = ("Fz", "Cz", "Pz", "Oz")
SFREQ = 250
STARTED = datetime(2024, 5, 6, 10, 0, 0)

#: (first sample behind the pause, seconds that it took or None)
Pauses = Sequence[tuple[int, float | None]]


def write_brainvision(stem: Path, eeg: np.ndarray, pauses: Pauses) -> None:
    """Write microvolts; a pause is a new segment, whose date says how long it was, or is 0."""
    lines, passed_s = [f"Mk1=New Segment,,1,1,0,{STARTED:%Y%m%d%H%M%S%f}", "Mk2=Stimulus,S  5,101,1,0"], 0.0
    for number, (sample, pause_s) in enumerate(pauses, start=3):
        passed_s += pause_s or 0
        date = STARTED + timedelta(seconds=sample / SFREQ + passed_s)
        text = "0" if pause_s is None else f"{date:%Y%m%d%H%M%S%f}"
        lines.append(f"Mk{number}=New Segment,,{sample + 1},1,0,{text}")
    common = f"[Common Infos]\nCodepage=UTF-8\nDataFile={stem.name}.eeg\n"
    channels = "\n".join(f"Ch{k + 1}={name},,1,µV" for k, name in enumerate(NAMES))
    stem.with_suffix(".vhdr").write_text(
        f"Brain Vision Data Exchange Header File Version 1.0\n\n{common}MarkerFile={stem.name}.vmrk\n"
        f"DataFormat=BINARY\nDataOrientation=MULTIPLEXED\nNumberOfChannels={len(NAMES)}\n"
        f"SamplingInterval={1e6 / SFREQ:g}\n\n[Binary Infos]\nBinaryFormat=IEEE_FLOAT_32\n\n"
        f"[Channel Infos]\n{channels}\n",
        encoding="utf8",
    )
    markers = "\n".join(lines)
    stem.with_suffix(".vmrk").write_text(
        f"Brain Vision Data Exchange Marker File, Version 1.0\n\n{common}\n[Marker Infos]\n{markers}\n", encoding="utf8"
    )
    eeg.T.astype("<f4").tofile(stem.with_suffix(".eeg"))


def write_eeglab(stem: Path, eeg: np.ndarray, pauses: Pauses) -> None:
    """Write microvolts; a pause is a boundary between two samples, with the number of samples that it removed."""
    rows = [("word", 101.0, 1.0)]
    rows += [("boundary", n + 0.5, np.nan if pause_s is None else pause_s * SFREQ) for n, pause_s in pauses]
    content = {
        "setname": stem.name,
        "nbchan": len(eeg),
        "trials": 1,
        "pnts": eeg.shape[1],
        "srate": float(SFREQ),
        "xmin": 0.0,
        "xmax": (eeg.shape[1] - 1) / SFREQ,
        "data": eeg.astype("f4"),
        "chanlocs": np.array([(name,) for name in NAMES], dtype=[("labels", object)]),
        "event": np.array(rows, dtype=[("type", object), ("latency", object), ("duration", object)]),
        "epoch": np.array([]),
        "icawinv": np.array([]),
        "icasphere": np.array([]),
        "icaweights": np.array([]),
        "icachansind": np.array([]),
        "ref": "common",
    }
    savemat(stem.with_suffix(".set"), {"EEG": content})


def write_edf(stem: Path, eeg: np.ndarray, pauses: Pauses, padded_s: float = 0.0, kind: str = "EDF") -> None:
    """Write microvolts in records of half a second with an onset each, which a pause sets apart (EDF+D or BDF+D)."""
    n_bytes, top = (2, 2**15) if kind == "EDF" else (3, 2**23)
    record_s, n = 0.5, SFREQ // 2
    n_records = eeg.shape[1] // n
    stretch_of = np.searchsorted([sample for sample, _ in pauses], np.arange(n_records) * n, side="right")
    ahead_s = np.cumsum([0.0, *[pause_s for _, pause_s in pauses]])[stretch_of]
    labels, counts = [*NAMES, f"{kind} Annotations"], [n] * len(NAMES) + [40]
    fields = [
        (16, labels),
        (80, [""] * 5),
        (8, [*["uV"] * 4, ""]),
        (8, [*[-1000] * 4, -1]),
        (8, [*[1000] * 4, 1]),
        (8, [-top] * 5),
        (8, [top - 1] * 5),
        (80, [""] * 5),
        (8, counts),
        (32, [""] * 5),
    ]
    head = f"{'X X X X':<80}{'Startdate 06-MAY-2024 X X X':<80}06.05.2410.00.00{256 * 6:<8}"
    head += f"{kind + ('+D' if pauses else '+C'):<44}{n_records:<8}{record_s:<8}{len(labels):<4}"
    head += "".join(f"{value!s:<{width}}" for width, values in fields for value in values)
    records = [(b"0       " if kind == "EDF" else b"\xffBIOSEMI") + head.encode("ascii")]
    steps = np.round((eeg + 1000) * (2 * top - 1) / 2000 - top).astype("<i4")
    as_bytes = np.ascontiguousarray(steps[..., None]).view(np.uint8)[..., :n_bytes]
    for k in range(n_records):
        onsets = f"+{k * record_s + ahead_s[k]:g}\x14\x14\x00"
        if k == 0 and padded_s:
            onsets += f"+{n_records * record_s - padded_s:g}\x15{padded_s:g}\x14BAD_ACQ_SKIP\x14\x00"
        records += [as_bytes[:, k * n : (k + 1) * n].tobytes(), onsets.encode("ascii").ljust(40 * n_bytes, b"\0")]
    stem.with_suffix(f".{kind.lower()}").write_bytes(b"".join(records))


WRITERS = {
    "brainvision": write_brainvision,
    "eeglab": write_eeglab,
    "edf": write_edf,
    "bdf": partial(write_edf, kind="BDF"),
}


@pytest.fixture
def paused_bids(tmp_path: Path) -> Callable[..., Path]:
    """Write a data set of one recording and the stories that it names."""

    def write(kind: str, eeg: np.ndarray, pauses: Pauses, stories: dict[str, float], events: str, **options) -> Path:
        root = tmp_path / "paused"
        folder, stem = root / "sub-01" / "eeg", "sub-01_task-listen"
        folder.mkdir(parents=True)
        (root / "stimuli").mkdir()
        (root / "dataset_description.json").write_text(json.dumps({"Name": "paused", "BIDSVersion": "1.9.0"}))
        for k, (name, seconds) in enumerate(stories.items()):
            noise = 0.1 * np.random.default_rng(k).standard_normal(round(seconds * 16000))
            soundfile.write(root / "stimuli" / name, noise, 16000)
        WRITERS[kind](folder / f"{stem}_eeg", eeg, pauses, **options)
        sidecar = {"TaskName": "listen", "EEGReference": "n/a", "SamplingFrequency": SFREQ, "PowerLineFrequency": 50}
        (folder / f"{stem}_eeg.json").write_text(json.dumps(sidecar))
        channels = "".join(f"{name}\tEEG\tuV\n" for name in NAMES)
        (folder / f"{stem}_channels.tsv").write_text(f"name\ttype\tunits\n{channels}")
        (folder / f"{stem}_events.tsv").write_text(events.replace("|", "\t"))
        return root

    return write

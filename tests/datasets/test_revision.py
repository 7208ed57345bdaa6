"""The revision of a BIDS folder follows every byte that is read, and nothing else."""

from __future__ import annotations

import hashlib
import time

import numpy as np
import pytest
import soundfile

from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.datasets import first_reading
from eeg2speech_bench.datasets.bids.bids_dataset import open_bids


def test_the_revision_survives_copying_and_follows_content(bids_original, bids_root):
    assert open_bids(bids_root).revision == open_bids(bids_original).revision
    words = bids_root / "stimuli" / "c_words.tsv"
    words.write_text(words.read_text().replace("hole", "pole"))
    assert open_bids(bids_root).revision != open_bids(bids_original).revision


def overwrite_middle(path):
    content = bytearray(path.read_bytes())
    assert len(content) > 2**21 + 2**17
    middle = len(content) // 2
    content[middle : middle + 1000] = bytes(1000)
    path.write_bytes(content)


def test_the_revision_follows_the_middle_of_a_long_recording(bids_root):
    path = next(bids_root.rglob("sub-02_*.eeg"))
    path.write_bytes(path.read_bytes() * 8)
    before = open_bids(bids_root).revision
    overwrite_middle(path)
    assert open_bids(bids_root).revision != before


def test_the_revision_follows_the_middle_of_a_long_sound(bids_root):
    path = bids_root / "stimuli" / "d.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(18 * 96000), 96000)
    before = open_bids(bids_root).revision
    overwrite_middle(path)
    assert open_bids(bids_root).revision != before


@pytest.mark.parametrize(
    "pattern", ["sub-*_channels.tsv", "sub-*_electrodes.tsv", "sub-*_coordsystem.json", "sub-*_eeg.json", "sub-*.vmrk"]
)
def test_the_revision_follows_every_file_beside_a_recording(bids_root, pattern):
    before = open_bids(bids_root).revision
    path = next(bids_root.rglob(pattern))
    path.write_bytes(path.read_bytes() + b"\n")
    assert open_bids(bids_root).revision != before


@pytest.mark.parametrize("name", ["task-listening_eeg.json", "sub-01/sub-01_task-listening_channels.tsv"])
def test_the_revision_follows_a_table_that_recordings_inherit(bids_root, name):
    before = open_bids(bids_root).revision
    (bids_root / name).write_text("{}" if name.endswith("json") else "name\ttype\nFz\tEEG\n")
    assert open_bids(bids_root).revision != before


@pytest.mark.parametrize("name", ["stimuli/README.md", "stimuli/.DS_Store", "sub-01/eeg/.DS_Store", "README"])
def test_a_file_that_nobody_reads_leaves_the_revision(bids_root, name):
    before = open_bids(bids_root).revision
    (bids_root / name).write_text("n")
    assert open_bids(bids_root).revision == before


def test_a_second_opening_reads_no_content_again(bids_root, tmp_path, monkeypatch):
    now = time.time() + 60
    monkeypatch.setattr(time, "time", lambda: now)
    before = open_bids(bids_root, FileHashes(tmp_path / "cache")).revision
    monkeypatch.delattr(hashlib, "file_digest")
    assert open_bids(bids_root, FileHashes(tmp_path / "cache")).revision == before


def test_a_long_reading_is_announced(bids_root, monkeypatch):
    monkeypatch.setattr(first_reading, "GIGABYTE", 1e3)
    lines = []
    open_bids(bids_root, report=lines.append)
    assert [line.split(" GB of ")[1] for line in lines] == [f"{bids_root} once, to tell later whether it changes."]

"""Whatever convention a table follows, the same listening becomes the same segments."""

from __future__ import annotations

import pandas as pd
import pytest

from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.datasets.bids.bids_dataset import open_bids
from eeg2speech_bench.datasets.preparation.prepare import prepare

SETTINGS = DataConfig(fractions=(0.5, 0.2, 0.3))
LENGTHS_S = {"a.wav": 12.0, "b.wav": 14.5, "c.flac": 16.0, "d.wav": 18.0}
CODES = {"a.wav": "S1", "b.wav": "S2", "c.flac": "S3", "d.wav": "S4"}


def starts_of(root, subject):
    path = root / f"sub-{subject}" / "eeg" / f"sub-{subject}_task-listening_events.tsv"
    table = pd.read_csv(path, sep="\t", encoding="utf-8-sig", dtype=str, keep_default_na=False)
    rows = table[table["stim_file"] != "n/a"]
    return path, list(zip(rows["onset"].astype(float), rows["stim_file"], strict=True))


def inside(starts):
    rows = [(onset, name, k) for onset, name in starts for k in range(int(LENGTHS_S[name]))]
    return [f"{onset + k:.4f}\t0.3\t{name}\t{k}" for onset, name, k in rows]


def in_own_column(root, starts):
    return "onset\tduration\tstim_file\tstart", inside(starts), ""


def in_another_table(root, starts):
    lines = [row.split("\t") for row in inside(starts)]
    (root / "sourcedata").mkdir(exist_ok=True)
    times = [f"{name}-{k},{k}" for _, _, name, k in lines]
    (root / "sourcedata" / "times.csv").write_text("id,second\n" + "\n".join(sorted(set(times))) + "\n")
    lookup = '[lookup]\ntable = "sourcedata/times.csv"\nmatch = { unit = "id" }\ntake = { stim_onset = "second" }\n'
    rows = [f"{onset}\t{length}\t{name}\t{name}-{k}" for onset, length, name, k in lines]
    return "onset\tduration\tstim_file\tunit", rows, lookup


def periodic(root, starts):
    rows = [row.rpartition("\t")[0] for row in inside(starts)]
    # a last row at the end of a file that ends between two
    rows += [f"{onset + 14.0:.4f}\t0.3\t{name}" for onset, name in starts if name == "b.wav"]
    return "onset\tduration\tstim_file", sorted(set(rows)), '[events]\nrows = "periodic"\nperiod_s = 1.0\n'


def codes(root, starts):
    rows = [f"{onset:.4f}\t0\t{CODES[name]}" for onset, name in starts]
    table = "".join(f'"{code}" = "{name}"\n' for name, code in CODES.items())
    return "onset\tduration\ttrial_type", rows, f'[events]\nsound = "trial_type"\nrows = "starts"\n[sounds]\n{table}'


def segments_of(root, out):
    prepare(open_bids(root), SETTINGS, out)
    return pd.read_parquet(out / "segments.parquet"), pd.read_parquet(out / "windows.parquet")


@pytest.mark.parametrize("convention", [in_own_column, in_another_table, periodic, codes])
def test_segments_are_those_of_rows_that_start_their_file(bids_root, tmp_path, convention):
    expected = segments_of(bids_root, tmp_path / "starts")
    for subject in ("01", "02"):
        path, starts = starts_of(bids_root, subject)
        header, rows, description = convention(bids_root, starts)
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf8")
    (bids_root / "eeg2speech-bench.toml").write_text(description)
    for table, other in zip(segments_of(bids_root, tmp_path / "other"), expected, strict=True):
        columns = [name for name in table if name != "text"]
        pd.testing.assert_frame_equal(table[columns], other[columns])

"""What preparing takes, said beforehand, is what it takes."""

from __future__ import annotations

import json

from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.datasets.bids.bids_dataset import open_bids
from eeg2speech_bench.datasets.checking.check_dataset import check_dataset
from eeg2speech_bench.datasets.preparation.prepare import prepare

SETTINGS = DataConfig(guard_s=1.0, fractions=(0.4, 0.3, 0.3))


def test_forecast_of_disk_space_and_segments_is_what_preparing_writes(bids_root, tmp_path):
    forecast = check_dataset("tiny", lambda: open_bids(bids_root), SETTINGS, bids_root).report.forecast
    prepare(open_bids(bids_root), SETTINGS, tmp_path / "prepared")
    written = sum(file.stat().st_size for file in (tmp_path / "prepared").iterdir())
    assert abs(forecast.disk_bytes - written) < 0.05 * written
    assert forecast.n_segments == json.loads((tmp_path / "prepared" / "meta.json").read_text())["n_segments"]

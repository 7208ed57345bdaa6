"""A recording that is read in parts is the recording that segments are cut from."""

from __future__ import annotations

import mne
import numpy as np
import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.recordings import Recording
from eeg2speech_bench.datasets.preparation.continuous_recording import open_continuous
from eeg2speech_bench.datasets.preparation.preprocessing import load_eeg

NAMES = ["Fz", "Cz", "Pz", "Oz", "C3", "C4"]


def raw_of(sfreq: float, seconds: float = 90.0) -> mne.io.RawArray:
    rng = np.random.default_rng(0)
    eeg = 1e-5 * np.cumsum(rng.standard_normal((len(NAMES), round(seconds * sfreq))), axis=1) / np.sqrt(sfreq)
    raw = mne.io.RawArray(eeg, mne.create_info(NAMES, sfreq, "eeg"), verbose="ERROR")
    return raw.set_montage("standard_1020", verbose="ERROR")


def recording_of(raw: mne.io.BaseRaw) -> Recording:
    return Recording("r", "01", "a/r.vhdr", (), raw.copy)


@pytest.mark.parametrize("sfreq", [120.0, 64.0, 512.0, 499.9])
@pytest.mark.parametrize("part", [(0, 400), (3601, 4000), (9000, 10800)])
def test_a_part_is_that_of_the_whole(sfreq, part):
    recording, settings = recording_of(raw_of(sfreq)), DataConfig()
    whole = load_eeg(recording, settings).eeg
    opened = open_continuous(recording, settings)
    assert opened.n_rows == len(whole)
    np.testing.assert_allclose(opened.read(*part), whole[slice(*part)], atol=2e-5)


@pytest.mark.parametrize("edges", [{"highpass_hz": 0.5}, {"lowpass_hz": 20.0}, {"highpass_hz": 1.0, "lowpass_hz": 8.0}])
def test_a_filter_reaches_as_far_as_it_matters(edges):
    recording, settings = recording_of(raw_of(256.0)), DataConfig(**edges)
    whole = load_eeg(recording, settings).eeg
    np.testing.assert_allclose(open_continuous(recording, settings).read(5000, 5500), whole[5000:5500], atol=2e-5)


def test_a_bad_channel_is_interpolated():
    raw = raw_of(256.0)
    raw.info["bads"] = ["Cz"]
    raw._data[1] = np.nan
    recording, settings = recording_of(raw), DataConfig()
    whole = load_eeg(recording, settings).eeg
    np.testing.assert_allclose(open_continuous(recording, settings).read(100, 900), whole[100:900], atol=2e-5)


def test_a_part_beside_a_pause_does_not_mix_its_sides():
    raw = raw_of(512.0)
    raw._data[:, 20_000:] += 1e-3
    raw.set_annotations(mne.Annotations([20_000 / 512], [0.0], ["EDGE boundary"]))
    recording, settings = recording_of(raw), DataConfig()
    opened = open_continuous(recording, settings)
    assert opened.cuts_s == (20_000 / 512,)
    whole = load_eeg(recording, settings).eeg
    np.testing.assert_allclose(opened.read(4500, 4900), whole[4500:4900], atol=2e-4)


def test_samples_that_are_not_finite_are_told_with_their_time():
    raw = raw_of(256.0)
    raw._data[2, 70 * 256] = np.nan
    with pytest.raises(DataError, match=r"a/r.vhdr holds samples that are not finite: got 1 of them.*'Pz' at 70.000 s"):
        open_continuous(recording_of(raw), DataConfig())


def test_a_flat_channel_is_refused():
    raw = raw_of(256.0)
    raw._data[3] = 1e-5
    with pytest.raises(DataError, match="flat channels that are not marked bad: got Oz"):
        open_continuous(recording_of(raw), DataConfig())


def test_a_unit_that_is_wrong_is_refused():
    raw = raw_of(256.0)
    raw._data *= 1e6
    with pytest.raises(DataError, match="on a scale that EEG cannot have"):
        open_continuous(recording_of(raw), DataConfig())

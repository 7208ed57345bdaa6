"""Electrodes by name and by position, and data sets that lack what a network needs."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
import torch

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.segment_store import SignalInfo
from eeg2speech_bench.plugins.encoders.braindecode import montage

pytestmark = pytest.mark.filterwarnings("ignore")


def test_positions_may_come_in_any_order_where_the_network_uses_them(signal, batch_of, build):
    order = [5, 2, 7, 0, 3, 6, 1, 4, *range(8, 19)]
    permuted = SignalInfo(19, 346, 120.0, tuple(signal.chs_info[i] for i in order), 3)
    batch, other = batch_of(), batch_of()
    other.eeg = batch.eeg[:, order]
    one, two = build("dgcnn").eval(), build("dgcnn", permuted).eval()
    with torch.no_grad():
        assert torch.allclose(one(batch).embeddings, two(other).embeddings, atol=1e-6)


def test_an_encoder_that_needs_positions_refuses_channels_without(signal_of, build):
    nowhere = signal_of(("Fp1", "X1", "X2"))
    with pytest.raises(DataError, match="'luna' needs electrode positions: got channels without a position"):
        build("luna", nowhere)


def test_channels_are_told_by_name_whatever_their_case(signal_of):
    names, said = montage.known_names(signal_of(("fp1", "CZ"), None), montage.labram_names())
    assert (names, said) == (["FP1", "CZ"], "2 of 2 known by name")


def test_a_channel_of_another_name_is_taken_for_the_nearest_electrode_and_said(signal_of):
    channel = signal_of(("Cz",), "biosemi64").chs_info[0] | {"ch_name": "E31"}
    names, said = montage.known_names(SignalInfo(1, 9, 120.0, (channel,), 1), montage.labram_names())
    assert names == ["CZ"]
    assert re.fullmatch(r"0 of 1 known by name; E31 as CZ \([0-5] degrees away\)", said)


def test_sensors_of_meg_are_not_taken_for_electrodes(signal_of):
    channel = {**signal_of(("Cz",), "biosemi64").chs_info[0], "kind": 1, "unit": 112}
    with pytest.raises(DataError, match=r"knows electrodes of EEG alone.*1 MEG sensors"):
        montage.known_names(SignalInfo(1, 9, 120.0, (channel,), 1), montage.labram_names())


@pytest.mark.parametrize(("loc", "got"), [([0, 0, 0], "no position"), ([0, 0, -0.1], r"\d+ degrees to the nearest")])
def test_a_channel_far_from_every_known_electrode_is_refused(loc, got):
    channel = {"ch_name": "E1", "loc": np.array(loc, dtype=float)}
    with pytest.raises(DataError, match=f"Channel 'E1' is not one that the network knows.*{got}"):
        montage.known_names(SignalInfo(1, 9, 120.0, (channel,), 1), montage.labram_names())


def test_labram_answers_by_the_names_of_the_channels(signal, batch_of, build):
    one = build("labram", num_layers=1).eval()
    other = build("labram", SignalInfo(19, 346, 120.0, signal.chs_info[::-1], 3), num_layers=1).eval()
    batch = batch_of()
    with torch.no_grad():
        assert not torch.allclose(one(batch).embeddings, other(batch).embeddings, rtol=1e-3, atol=0)
    assert one.adaptations["channels"] == "19 of 19 known by name"


def test_bipolar_derivations_are_differences_of_named_electrodes(signal):
    matrix, said = montage.bipolar(signal, ["FP1-F7", "F7-T3"])
    eeg = torch.arange(19.0)
    fp1, f7, t7 = ([c["ch_name"] for c in signal.chs_info].index(name) for name in ("Fp1", "F7", "T7"))
    assert (matrix @ eeg).tolist() == [fp1 - f7, f7 - t7]
    assert said == "2 bipolar derivations (FP1-F7, F7-T3, ...)"


def test_a_derivation_of_an_absent_electrode_is_refused(signal):
    with pytest.raises(DataError, match="derivation C3-A2: got a data set without A2"):
        montage.bipolar(signal, ["C3-A2"])


def test_hemispheres_are_paired_by_name(signal):
    assert montage.check_hemispheres(signal) == "8 pairs left and right, 3 on the midline, by name"


@pytest.mark.parametrize("names", [("A1", "A2", "A3", "A4"), ("Fp1", "C3", "C4"), ("x", "y")])
def test_channels_that_braindecode_would_pair_wrongly_or_not_at_all_are_refused(signal_of, build, names):
    layout = "biosemi128" if names[0] == "A1" else "colin27_1005"
    with pytest.raises(DataError, match="channels cannot be paired left with right"):
        build("eegsym", signal_of(names, layout))


def test_reve_is_built_from_the_data_sets_positions_without_a_download(signal, build):
    encoder = build("reve", depth=1)
    expected = [channel["loc"][:3].tolist() for channel in signal.chs_info]
    assert np.allclose(encoder.network.default_pos.numpy(), expected, atol=1e-6)
    assert encoder.adaptations["channels"] == "the data set's own positions, in metres"


def test_the_users_own_position_bank_is_put_back(signal, monkeypatch):
    monkeypatch.setenv("REVE_POSITIONS_PATH", "/mine")
    with pytest.raises(KeyError), montage.position_bank(signal):
        assert os.environ["REVE_POSITIONS_PATH"] != "/mine"
        raise KeyError
    assert os.environ["REVE_POSITIONS_PATH"] == "/mine"

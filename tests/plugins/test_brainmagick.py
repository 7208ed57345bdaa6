"""The brainmagick encoder, against the sizes and values of the published description."""

from __future__ import annotations

import re
from dataclasses import replace

import mne
import numpy as np
import pytest
import torch
from meg_files import elekta_raw, helmet

from eeg2speech_bench.core.errors import DataError, UsageError
from eeg2speech_bench.core.segments.segment_store import Batch, SignalInfo, TargetInfo
from eeg2speech_bench.plugins.encoders.brainmagick import (
    INVALID,
    Brainmagick,
    ChannelMerger,
    SimpleConv,
    SubjectLayers,
    fourier_embedding,
    layout_positions,
)
from eeg2speech_bench.plugins.encoders.convolution import ConvSequence

NARROW = {"hidden": 8, "virtual_channels": 6, "initial_linear": 6, "fourier_dim": 8}


def signal_of(names, montage="easycap-M1", n_times=40):
    """SignalInfo of channels at their places in a standard montage (those it does not have: nowhere)."""
    info = mne.create_info(list(names), 120.0, "eeg")
    info.set_montage(montage, on_missing="ignore")
    chs_info = tuple({"ch_name": channel["ch_name"], "loc": np.array(channel["loc"])} for channel in info["chs"])
    return SignalInfo(len(chs_info), n_times, 120.0, chs_info, 3)


def narrow_encoder(signal, **options):
    torch.manual_seed(0)
    return Brainmagick.build(signal, TargetInfo(5, 10, 30.0), **{**NARROW, **options})


def batch_of(signal, size=4):
    eeg = torch.randn(size, signal.n_chans, signal.n_times, generator=torch.Generator().manual_seed(1))
    return Batch(eeg, torch.arange(size) % 3, torch.arange(size))


@pytest.fixture(scope="module")
def paper_network():
    return SimpleConv(1024, 33).eval()


# --- sizes -----------------------------------------------------------------------------------------------------


def test_the_papers_size_has_the_published_number_of_parameters(paper_network):
    assert sum(p.numel() for p in paper_network.parameters()) == 10_002_454


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("merger", 552_960),
        ("initial_linear", 73_170),
        ("subject_layers", 2_405_700),
        ("encoders", 6_108_800),
        ("final", 861_824),
    ],
)
def test_each_part_has_the_published_number_of_parameters(paper_network, part, expected):
    assert sum(p.numel() for p in getattr(paper_network, part).parameters()) == expected


@pytest.mark.parametrize(("n_outputs", "expected"), [(120, 9_422_990), (768, 9_838_358)])
def test_other_output_widths_have_the_published_number_of_parameters(n_outputs, expected):
    assert sum(p.numel() for p in SimpleConv(n_outputs, 33).parameters()) == expected


def published_shapes():
    stack, shapes = "encoders.meg.", {}
    shapes["merger.heads"] = (270, 2048)
    shapes |= {"initial_linear.0.weight": (270, 270, 1), "initial_linear.0.bias": (270,)}
    shapes["subject_layers.weights"] = (33, 270, 270)
    shapes |= {"final.0.weight": (640, 320, 1), "final.0.bias": (640,)}
    shapes |= {"final.2.weight": (640, 1024, 1), "final.2.bias": (1024,)}
    for k in range(10):
        shapes |= {f"{stack}sequence.{k}.0.weight": (320, 320 if k else 270, 3), f"{stack}sequence.{k}.0.bias": (320,)}
        names = ("weight", "bias", "running_mean", "running_var")
        shapes |= {f"{stack}sequence.{k}.1.{name}": (320,) for name in names}
        shapes[f"{stack}sequence.{k}.1.num_batches_tracked"] = ()
    for k in (1, 3, 5, 7, 9):
        shapes |= {f"{stack}glus.{k}.0.weight": (640, 320, 3), f"{stack}glus.{k}.0.bias": (640,)}
    return shapes


def test_the_state_has_the_published_keys_shapes_and_order(paper_network):
    state = {key: tuple(value.shape) for key, value in paper_network.state_dict().items()}
    assert len(state) == 88
    assert len(list(paper_network.parameters())) == 58
    assert list(state.items()) == list(published_shapes().items())


def test_convolutions_have_the_published_dilations_and_paddings(paper_network):
    layers = [layer[0] for layer in paper_network.encoders["meg"].sequence]
    assert [c.dilation[0] for c in layers] == [1, 2, 4, 8, 16] * 2
    assert [c.padding for c in layers] == [c.dilation for c in layers]


def test_sixty_channels_and_thirty_three_subjects_give_a_token_per_sample(paper_network):
    eeg, positions = torch.randn(2, 60, 343), torch.rand(60, 2)
    with torch.no_grad():
        assert paper_network(eeg, positions, torch.tensor([0, 32])).shape == (2, 1024, 343)


def test_the_stack_sees_135_samples():
    stack = ConvSequence([4] * 11).double().eval()
    signal = torch.randn(1, 4, 301, dtype=torch.double, requires_grad=True)
    stack(signal)[0, :, 150].sum().backward()
    seen = signal.grad.abs().sum((0, 1)).nonzero().flatten()
    assert (seen.min().item(), seen.max().item()) == (150 - 67, 150 + 67)


# --- values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        ((0.25, 0.5), (1, -1, -0.433884, 0.433884, 0, 0, 0.900969, -0.900969)),
        ((0, 1), (1, 0.623490, 0.623490, 1, 0, -0.781831, 0.781832, 0)),
        ((-0.1, -0.1), (1, 0.900969, 0.900969, 0.623490, 0, 0.433884, 0.433884, 0.781832)),
    ],
)
def test_fourier_embedding_agrees_with_the_reference(position, expected):
    embedding = fourier_embedding(torch.tensor([position], dtype=torch.float32), 8)
    torch.testing.assert_close(embedding, torch.tensor([expected], dtype=torch.float32), atol=1e-5, rtol=0)


CORNERS = torch.tensor([[0.0, 0], [1, 0], [0, 1], [1, 1], [INVALID, INVALID]])


@pytest.fixture
def golden_merger():
    merger = ChannelMerger(3, 8).eval()
    merger.heads.data = torch.arange(24.0).reshape(3, 8) / 24 - 0.5
    return merger


def test_merger_agrees_with_the_reference(golden_merger):
    out = golden_merger(torch.arange(10.0).reshape(1, 5, 2), CORNERS[None])
    expected = torch.tensor([[[4.103752, 5.103752], [2.679437, 3.679437], [1.758103, 2.758103]]])
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=0)


def test_subject_layer_agrees_with_the_reference():
    layer = SubjectLayers(2, 2)
    layer.weights.data = torch.tensor([[[1.0, 2], [3, 4]], [[0, 1], [1, 0]]])
    out = layer(torch.tensor([[[1.0], [10]], [[5], [7]]]), torch.tensor([0, 1]))
    assert out[..., 0].tolist() == [[31, 42], [7, 5]]


@pytest.mark.parametrize("unseen", [-1, 2, 99])
def test_a_subject_never_seen_gets_the_mean_of_the_matrices(unseen):
    layer = SubjectLayers(2, 2)
    layer.weights.data = torch.tensor([[[1.0, 2], [3, 4]], [[0, 1], [1, 0]]])
    out = layer(torch.tensor([[[2.0], [4]]]), torch.tensor([unseen]))
    assert out[0, :, 0].tolist() == [1 + 8, 3 + 8]


@pytest.fixture
def golden(realdata):
    with np.load(realdata / "golden" / "brainmagick_small.npz") as file:
        arrays = {key: torch.from_numpy(file[key]) for key in file.files}
    network = SimpleConv(24, 3, hidden=16, virtual_channels=20, initial_linear=20, fourier_dim=32).eval()
    state = {key.removeprefix("state/"): value for key, value in arrays.items() if key.startswith("state/")}
    network.load_state_dict(state, strict=True)
    return network, arrays


def test_the_whole_network_agrees_with_the_original(golden):
    network, arrays = golden
    out = network(arrays["eeg"], arrays["positions"], arrays["subject"])
    torch.testing.assert_close(out, arrays["output"], atol=1e-5, rtol=0)


def test_the_gradient_of_the_spatial_attention_agrees_with_the_original(golden):
    network, arrays = golden
    network(arrays["eeg"], arrays["positions"], arrays["subject"]).square().mean().backward()
    torch.testing.assert_close(network.merger.heads.grad, arrays["grad/merger.heads"], atol=1e-7, rtol=1e-3)


# --- spatial attention -----------------------------------------------------------------------------------------


def test_a_channel_without_position_has_weight_exactly_zero(golden_merger):
    assert golden_merger.attention(CORNERS)[:, 4].tolist() == [0.0, 0.0, 0.0]


def test_attention_weights_sum_to_one(golden_merger):
    torch.testing.assert_close(golden_merger.attention(CORNERS).sum(-1), torch.ones(3))


def test_a_segment_without_any_position_gives_zeros_and_finite_gradients(golden_merger):
    positions = torch.stack([CORNERS, torch.full((5, 2), INVALID)])
    out = golden_merger(torch.ones(2, 5, 4), positions)
    out.sum().backward()
    assert not out[1].any()
    assert golden_merger.heads.grad.isfinite().all()


def test_training_ignores_the_channels_within_a_disc_around_one_centre_per_call():
    torch.manual_seed(3)
    merger = ChannelMerger(2, 8, dropout=0.3).train()
    grid = torch.cartesian_prod(torch.linspace(0, 1, 12), torch.linspace(0, 1, 12)).expand(4, 144, 2)
    torch.manual_seed(7)
    banned = merger.attention(grid) == 0
    torch.manual_seed(7)
    expected = (grid - torch.rand(2)).norm(dim=-1) <= 0.3
    assert 0 < expected[0].sum() < 144
    assert torch.equal(banned, expected[:, None].expand_as(banned))


def test_training_weights_sum_to_one_without_the_ignored_channels():
    torch.manual_seed(7)
    merger = ChannelMerger(2, 8).train()
    torch.testing.assert_close(merger.attention(torch.rand(40, 2)).sum(-1), torch.ones(2))


def test_evaluation_is_deterministic():
    signal = signal_of(["Fz", "Cz", "Pz", "Oz"])
    encoder, batch = narrow_encoder(signal).eval(), batch_of(signal)
    assert torch.equal(encoder(batch).embeddings, encoder(batch).embeddings)


def test_permuting_channels_with_their_positions_changes_nothing():
    names = ["Fz", "Cz", "Pz", "Oz", "nowhere", "T7"]
    order = [4, 2, 0, 5, 1, 3]
    signal, permuted = signal_of(names), signal_of([names[k] for k in order])
    encoder, other, batch = narrow_encoder(signal).eval(), narrow_encoder(permuted).eval(), batch_of(signal)
    swapped = Batch(batch.eeg[:, order], batch.subject, batch.window)
    torch.testing.assert_close(other(swapped).embeddings, encoder(batch).embeddings, atol=1e-5, rtol=0)


def test_the_signal_of_a_channel_without_position_changes_nothing():
    signal = signal_of(["Fz", "Cz", "nowhere", "Oz"])
    encoder, batch = narrow_encoder(signal).eval(), batch_of(signal)
    expected = encoder(batch).embeddings
    batch.eeg[:, 2] = 1e6
    assert torch.equal(encoder(batch).embeddings, expected)


def test_attention_at_evaluation_does_not_see_the_signal():
    signal = signal_of(["Fz", "Cz", "Pz", "Oz"])
    merger = narrow_encoder(signal).eval().network.merger
    eeg, other = batch_of(signal).eeg, torch.randn(4, 4, 40)
    positions = layout_positions(signal)
    torch.testing.assert_close(merger(eeg + other, positions), merger(eeg, positions) + merger(other, positions))


def test_the_state_has_the_same_shapes_for_every_montage():
    few, many = (narrow_encoder(signal_of(names)) for names in (["Fz", "Cz"], ["Fz", "Cz", "Pz", "Oz", "T7"]))
    assert [v.shape for v in few.state_dict().values()] == [v.shape for v in many.state_dict().values()]
    many.load_state_dict(few.state_dict(), strict=True)


def test_a_fourier_dimension_that_is_no_grid_is_refused():
    with pytest.raises(UsageError, match=re.escape("fourier_dim of the channel merger is impossible: got 100")):
        ChannelMerger(3, 100)


# --- positions -------------------------------------------------------------------------------------------------


def test_layout_positions_agree_with_the_reference():
    names = [str(k) for k in range(1, 62) if k != 29]
    positions = layout_positions(signal_of(names, "easycap-M10"))
    found = {name: positions[names.index(name)].tolist() for name in ("1", "3", "28", "61")}
    expected = {"1": (0.500, 0.525), "3": (0.622, 0.598), "28": (0.421, 0.141), "61": (0.084, 0.826)}
    assert {name: tuple(round(v, 3) for v in place) for name, place in found.items()} == expected


def test_positions_span_the_unit_square():
    positions = layout_positions(signal_of(["Fz", "Cz", "Pz", "T7", "T8"]))
    assert positions.amin(0).tolist() == [0, 0]
    assert positions.amax(0).tolist() == [1, 1]


@pytest.mark.parametrize("place", [0.0, np.nan])
def test_a_channel_without_electrode_position_is_marked_invalid(place):
    signal = signal_of(["Fz", "Cz", "T7", "T8"])
    signal.chs_info[1]["loc"][:3] = place
    positions = layout_positions(signal)
    assert positions[1].tolist() == pytest.approx([-0.1, -0.1])
    assert (positions[[0, 2, 3]] >= 0).all()


def test_a_suffix_in_a_channel_name_costs_no_position():
    signal = signal_of(["Fz", "Cz", "T7"])
    expected = layout_positions(signal)
    for channel in signal.chs_info:
        channel["ch_name"] += "-REF"
    assert torch.equal(layout_positions(signal), expected)


def test_electrodes_on_one_line_have_finite_positions():
    assert layout_positions(signal_of(["Fz", "Cz", "Pz"])).isfinite().all()


@pytest.mark.parametrize(("layout", "n_sensors"), [("KIT-AD", 208), ("CTF-275", 273), ("Vectorview-mag", 102)])
def test_sensors_of_a_helmet_lie_where_the_layout_of_the_machine_has_them(layout, n_sensors):
    info = mne.create_info(n_sensors, 120.0, "mag")
    for channel, place in zip(info["chs"], helmet(layout, n_sensors), strict=True):
        channel["loc"][:3] = place
    positions = layout_positions(SignalInfo(n_sensors, 40, 120.0, tuple(info["chs"]), 1)).numpy()
    expected = mne.channels.read_layout(layout).pos[:n_sensors, :2]
    expected = (expected - expected.min(0)) / np.ptp(expected, axis=0)
    assert np.abs(positions - expected).max() < 1e-4


def test_gradiometers_and_the_magnetometer_of_a_triple_share_their_place():
    info = elekta_raw(np.zeros((306, 2)), 120.0).info
    positions = layout_positions(SignalInfo(306, 40, 120.0, tuple(info["chs"]), 1))
    assert torch.equal(positions[0::3], positions[1::3])
    assert torch.equal(positions[0::3], positions[2::3])
    assert len(positions.unique(dim=0)) == 102


def test_a_data_set_without_positions_is_refused():
    with pytest.raises(DataError, match="needs electrode positions for its spatial attention: got 0 of 2 channels"):
        narrow_encoder(signal_of(["E1", "E2"]))


def test_two_electrodes_in_one_place_are_refused():
    signal = signal_of(["Fz", "Cz", "T7"])
    signal.chs_info[1]["loc"][:3] = signal.chs_info[0]["loc"][:3]
    with pytest.raises(DataError, match="Electrode positions cannot be laid out"):
        layout_positions(signal)


# --- contract --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_times", "n_tokens"), [(40, 10), (10, 10), (7, 7)])
def test_an_encoder_returns_the_targets_tokens_or_one_per_sample(n_times, n_tokens):
    signal = signal_of(["Fz", "Cz", "Pz", "Oz"], n_times=n_times)
    conditioning = narrow_encoder(signal).eval()(batch_of(signal))
    assert conditioning.embeddings.shape == (4, n_tokens, 5)


def test_gradients_reach_every_parameter():
    signal = signal_of(["Fz", "Cz", "Pz", "Oz"])
    encoder = narrow_encoder(signal).train()
    encoder(batch_of(signal)).embeddings.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())


def test_averaged_samples_are_those_of_a_slower_recording():
    signal = signal_of(["Fz", "Cz", "Pz", "Oz"])
    batch = batch_of(signal)
    slow = replace(batch, eeg=(batch.eeg[..., 0::2] + batch.eeg[..., 1::2]) / 2)
    averaged, plain = narrow_encoder(signal, averaged=2).eval(), narrow_encoder(signal).eval()
    torch.testing.assert_close(averaged(batch).embeddings, plain(slow).embeddings)


def test_tokens_are_averages_of_the_networks_outputs():
    signal = signal_of(["Fz", "Cz", "Pz", "Oz"])
    batch, encoder = batch_of(signal), narrow_encoder(signal).eval()
    every_sample = encoder.network(batch.eeg, encoder.positions, batch.subject)
    expected = every_sample.unflatten(2, (10, 4)).mean(3).transpose(1, 2)  # 40 samples, 10 tokens
    torch.testing.assert_close(encoder(batch).embeddings, expected)


@pytest.mark.parametrize("n", [0, 41])
def test_an_impossible_number_of_averaged_samples_is_refused(n):
    with pytest.raises(UsageError, match="averaged"):
        narrow_encoder(signal_of(["Fz", "Cz", "Pz", "Oz"]), averaged=n)

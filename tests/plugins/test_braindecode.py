"""The models of braindecode as encoders: the table, the adaptations, options, weights, and one step of each."""

from __future__ import annotations

import functools
import math
import os
import pickle
import re
import subprocess
import sys
import warnings

import mne
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from eeg2speech_bench.core.conditioning import check_conditioning
from eeg2speech_bench.core.contrastive.loss import ClipLoss
from eeg2speech_bench.core.errors import BenchError, DataError, UnknownNameError, UsageError
from eeg2speech_bench.core.segments import Batch, SignalInfo, TargetInfo
from eeg2speech_bench.plugins.encoders import montage
from eeg2speech_bench.plugins.encoders.adaptation import Adaptation, cover, fit_length
from eeg2speech_bench.plugins.encoders.braindecode import catalogue, specs
from eeg2speech_bench.plugins.encoders.classifier import count_tokens
from eeg2speech_bench.plugins.encoders.pretrained import read_checkpoint

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import braindecode.models

pytestmark = pytest.mark.filterwarnings("ignore")

TARGET = TargetInfo(4, 6, 2.0)
#: settings that make networks of tens of millions of parameters small; they also show that options arrive
SMALL = {
    "bendr": {"transformer_layers": 1, "contextualizer_hidden": 64},
    "cbramod": {"n_layer": 1, "dim_feedforward": 32},
    "codebrain": {"num_res_layers": 2, "codebook_size_t": 8, "codebook_size_f": 8},
    "dance": {"conv_hidden": 16, "conv_depth": 2, "perceiver_depth": 1, "num_latents": 16, "decoder_depth": 1},
    "deepsleepnet": {"bilstm_hidden_size": 8},
    "eeginception_mi": {"n_convs": 2, "n_filters": 8},
    "eegpt": {"depth": 1, "embed_dim": 64},
    "labram": {"num_layers": 1},
    "reve": {"depth": 1},
    "steegformer": {"depth": 1, "embed_dim": 64},
    "zuna": {"n_layers": 1, "dim": 64, "n_heads": 1},
}
FREE = [c.name for c in catalogue().values() if not c.refused and not c.licence.startswith("CC-BY-NC")]
NON_COMMERCIAL = {"BrainModule", "EEGMiner", "MetaNeuromotorHand", "EMG2QwertyNet", "VEMG2Pose"}


def signal_of(names, montage="colin27_1005", n_times=346, sfreq=120.0):
    info = mne.create_info(list(names), sfreq, "eeg")
    info.set_montage(montage, on_missing="ignore")
    chs_info = tuple({"ch_name": c["ch_name"], "loc": np.nan_to_num(np.array(c["loc"]))} for c in info["chs"])
    return SignalInfo(len(chs_info), n_times, sfreq, chs_info, 3)


NAMES = ("Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "F7", "F8", "T7", "T8", "P7", "P8", "Fz", "Cz")
SIGNAL = signal_of((*NAMES, "Pz"))


def batch_of(signal=SIGNAL, size=4, seed=0):
    eeg = torch.randn(size, signal.n_chans, signal.n_times, generator=torch.Generator().manual_seed(seed))
    return Batch(eeg, torch.arange(size) % 3, torch.arange(size))


def build(name, signal=SIGNAL, target=TARGET, seed=0, **options):
    torch.manual_seed(seed)
    return catalogue()[name].spec.load().build(signal, target, **options)


@functools.cache
def built(name):
    return build(name, **SMALL.get(name, {}))


# --- the table ---------------------------------------------------------------------------------------------------


def test_every_model_of_braindecode_is_in_the_table():
    from braindecode.models.util import models_dict

    assert {card.cls for card in catalogue().values()} == set(models_dict)


def test_licences_are_those_that_the_classes_declare():
    for card in catalogue().values():
        declared = getattr(braindecode.models, card.cls)._hub_mixin_info.model_card_data.license
        assert card.licence.lower() == declared, card.cls


def test_classes_of_non_commercial_licence_run_only_when_named():
    marked = {card.cls for card in catalogue().values() if "no commercial use" in card.spec.on_request}
    assert marked == NON_COMMERCIAL


def test_at_least_fifty_models_train_and_carry_the_names_of_the_field():
    assert len(FREE) >= 50
    assert {"eegnet", "deep4", "shallow", "eegconformer", "atcnet", "ctnet", "bdtcn", "tidnet", "eegnex"} <= set(FREE)
    assert {"labram", "biot", "cbramod", "reve", "bendr", "signaljepa_contextual", "luna", "eegpt"} <= set(FREE)


def test_listing_imports_neither_torch_nor_braindecode():
    code = (
        "from eeg2speech_bench.plugins.encoders.braindecode import specs; import sys; n = len(specs());"
        "print(n, [m for m in ('torch', 'braindecode', 'mne') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.split() == [str(len(specs())), "[]"]


def test_declarations_are_sound():
    from eeg2speech_bench.core.declarations import flaw_of
    from eeg2speech_bench.core.specs import EncoderSpec

    assert [flaw_of(spec, EncoderSpec) for spec in specs()] == [""] * len(specs())
    assert len({spec.name for spec in specs()}) == len(specs())


def test_pretrained_weights_are_declared_with_what_they_were_trained_on():
    declared = {spec.name: spec.pretrained for spec in specs()}
    assert declared["labram"] == "braindecode/labram-pretrained: 2,500 h of EEG from about 20 data sets"
    assert declared["eegnet"] == ""


@pytest.mark.parametrize("name", ["signaljepa", "attnsleep", "sensingdynamics"])
def test_a_model_that_cannot_be_an_encoder_says_why_when_named(name):
    card = catalogue()[name]
    assert card.spec.on_request == f"cannot run: {card.refused}"
    with pytest.raises(UsageError, match="cannot be an encoder") as caught:
        build(name)
    assert card.refused in str(caught.value)


# --- every model, one tiny step ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FREE)
def test_a_training_step_reaches_every_parameter_that_is_to_be_trained(name):
    encoder = built(name).train()
    weights = {key: weight for key, weight in encoder.named_parameters() if weight.requires_grad}
    optimiser = torch.optim.Adam(weights.values(), 1e-3)
    reached = set()
    for seed in range(3):
        optimiser.zero_grad()
        found = check_conditioning(name, encoder(batch_of(seed=seed)), 4, TARGET).embeddings
        target = torch.randn(4, found.shape[1], 4, generator=torch.Generator().manual_seed(9))
        loss = ClipLoss()(found, target)
        loss.backward()
        optimiser.step()
        assert loss.isfinite()
        reached |= {key for key, weight in weights.items() if weight.grad is not None and weight.grad.any()}
    assert set(weights) == reached


@pytest.mark.parametrize("name", FREE)
def test_one_segment_of_extreme_values_gives_finite_tokens_in_eval(name):
    encoder = built(name).eval()
    for value in (0.0, 20.0):
        batch = batch_of(size=1)
        batch.eeg = value * batch.eeg.sign()
        with torch.no_grad():
            found = encoder(batch).embeddings
        assert found.isfinite().all()
        assert found.shape == (1, 6, 4)


@pytest.mark.parametrize("name", FREE)
def test_every_channel_and_nearly_every_sample_has_a_part_in_the_answer(name):
    # In training mode: before training, normalisation in eval knows no statistics, and small units can be dead. A few
    # passes: what is dropped out in one, a channel too, has its part in another.
    encoder, batch = built(name).train(), batch_of(size=8)
    torch.manual_seed(0)
    batch.eeg.requires_grad_()
    for _ in range(3):
        encoder(batch).embeddings.square().sum().backward()
    seen = batch.eeg.grad.abs().sum(0) > 0
    assert seen.any(1).all()
    assert seen.any(0).float().mean() > 0.94


@pytest.mark.parametrize("name", FREE)
def test_the_answer_is_the_same_twice_and_the_batch_untouched(name):
    encoder, batch = built(name).eval(), batch_of()
    with torch.no_grad():
        one, other = encoder(batch).embeddings, encoder(batch).embeddings
    assert torch.equal(one, other)
    assert torch.equal(batch.eeg, batch_of().eeg)


def test_the_same_seed_builds_the_same_encoder_and_leaves_the_global_seed_alone():
    one, other = build("eegnet", seed=3).state_dict(), build("eegnet", seed=3).state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)
    build("eegnet", seed=1)
    first = torch.rand(1)
    build("eegnet", seed=2)
    assert first != torch.rand(1)


def test_building_without_gradients_freezes_the_same_parameters():
    with torch.no_grad():
        encoder = build("msvtnet")
    frozen = {key for key, weight in encoder.named_parameters() if not weight.requires_grad}
    assert frozen == {key for key, weight in built("msvtnet").named_parameters() if not weight.requires_grad}


def test_what_the_output_does_not_depend_on_is_frozen_and_said():
    encoder = built("msvtnet")
    assert encoder.adaptations["frozen"].startswith("branch_head.0, branch_head.1")
    frozen = {key for key, weight in encoder.network.named_parameters() if not weight.requires_grad}
    assert frozen
    assert all(key.startswith("branch_head") for key in frozen)


def test_positions_may_come_in_any_order_where_the_network_uses_them():
    order = [5, 2, 7, 0, 3, 6, 1, 4, *range(8, 19)]
    permuted = SignalInfo(19, 346, 120.0, tuple(SIGNAL.chs_info[i] for i in order), 3)
    batch, other = batch_of(), batch_of()
    other.eeg = batch.eeg[:, order]
    one, two = build("dgcnn").eval(), build("dgcnn", permuted).eval()
    with torch.no_grad():
        assert torch.allclose(one(batch).embeddings, two(other).embeddings, atol=1e-6)


def test_an_encoder_that_needs_positions_refuses_channels_without():
    nowhere = signal_of(("Fp1", "X1", "X2"))
    with pytest.raises(DataError, match="'luna' needs electrode positions: got channels without a position"):
        build("luna", nowhere)


def test_a_network_whose_kernels_do_not_fit_is_refused_with_braindecodes_reason():
    with pytest.raises(DataError, match=r"SSTDPN cannot be built .*: got \w+: "):
        build("sstdpn", signal_of(NAMES, n_times=120))


# --- classes and options -----------------------------------------------------------------------------------------


def test_the_network_is_the_librarys_own():
    assert type(built("eegnet").network) is braindecode.models.EEGNet


def test_encoders_survive_pickling():
    encoder, batch = build("bdtcn").eval(), batch_of()
    again = pickle.loads(pickle.dumps(build("sccnet").eval()))
    assert pickle.loads(pickle.dumps(type(encoder))) is type(encoder)
    with torch.no_grad():
        assert torch.equal(again(batch).embeddings, build("sccnet").eval()(batch).embeddings)


def test_a_class_that_braindecode_does_not_have_is_an_attribute_error():
    import eeg2speech_bench.plugins.encoders.braindecode as module

    with pytest.raises(AttributeError, match="no model 'EEGNot'"):
        _ = module.EEGNot


def test_options_of_the_class_reach_the_network():
    assert build("eegnet", F1=3).network.F1 == 3


def test_a_class_given_by_name_reaches_the_network():
    encoder = build("eegnet", activation="torch.nn.GELU")
    assert any(isinstance(layer, torch.nn.GELU) for layer in encoder.network.modules())


@pytest.mark.parametrize("option", ["n_outputs", "sfreq", "return_features", "kwargs"])
def test_what_the_adapter_decides_is_no_option(option):
    with pytest.raises(UnknownNameError, match=f"Unknown option of encoder 'eegconformer': got '{option}'"):
        build("eegconformer", **{option: 1})


def test_an_unknown_option_is_refused_before_building_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'drop_prob'"):
        catalogue()["eegnet"].spec.check_options(["drop_prop"])


@pytest.mark.parametrize("name", [n for n in FREE if n != "reve"])
def test_no_option_of_a_class_hides_one_of_the_encoder(name):
    catalogue()[name].spec.check_options(["weights", "n_tokens", "n_slices", "slice_s"])


@pytest.mark.parametrize(
    ("options", "shape"), [({}, 6), ({"n_tokens": 1}, 1), ({"n_slices": 4}, 4), ({"n_slices": 1}, 6)]
)
def test_tokens_and_slices_decide_the_shape(options, shape):
    assert build("eegitnet", **options)(batch_of()).embeddings.shape == (4, shape, 4)


@pytest.mark.parametrize(("asked", "n_slices"), [(7, 1), (0, 1), (2, 3), (None, 7), (None, 0)])
def test_impossible_tokens_and_slices_are_refused(asked, n_slices):
    with pytest.raises(UsageError, match="expected 1 to 6 tokens"):
        count_tokens(asked, n_slices, TARGET)


def test_slices_are_encoded_by_the_same_weights_in_the_order_of_time():
    encoder = build("eegitnet", n_slices=3, slice_s=0.96).eval()
    batch = batch_of(size=2)
    cut = encoder.adaptation(batch.eeg)
    with torch.no_grad():
        whole, last = encoder(batch).embeddings, encoder.network(cut[[2, 5]])
    assert torch.allclose(whole[:, 4:].flatten(1), last, atol=1e-6)


@pytest.mark.parametrize(("name", "n_tokens", "n_steps"), [("eegnet", 86, 11), ("shallow", 86, 24), ("deep4", 86, 9)])
def test_a_head_that_moves_over_time_gives_each_step_the_same_number_of_tokens(name, n_tokens, n_steps):
    encoder = build(name, target=TargetInfo(4, n_tokens, 30.0))
    assert encoder(batch_of()).embeddings.shape == (4, n_tokens // n_steps * n_steps, 4)
    assert encoder.adaptations["tokens"] == f"{n_steps} steps in time with the same weights"


@pytest.mark.parametrize(("name", "stride"), [("eegnet", 32), ("shallow", 15)])
def test_what_happens_one_stride_later_moves_the_tokens_by_one_step(name, stride):
    encoder = build(name, target=TargetInfo(4, 86, 30.0)).eval()
    batch, later = batch_of(size=1), batch_of(size=1)
    later.eeg = batch.eeg.roll(stride, -1)
    with torch.no_grad():
        one, other = (encoder(b).embeddings for b in (batch, later))
    n = one.shape[1] // int(encoder.adaptations["tokens"].split()[0])
    middle = slice(one.shape[1] // 2, one.shape[1] // 2 + n)
    assert torch.allclose(one[:, middle], other[:, middle.start + n : middle.stop + n], atol=1e-5)


def test_steps_cover_the_segment_with_their_fields():
    assert cover(346, (32, 32)) == 352
    assert cover(346, (99, 15)) == 24 * 15 + 84


def test_a_target_of_one_token_gets_one_from_one_slice():
    assert build("eegnex", target=TargetInfo(4, 1, 1.0))(batch_of()).embeddings.shape == (4, 1, 4)


def test_a_sequence_is_averaged_in_time_to_the_tokens():
    encoder, batch = built("neuropose").eval(), batch_of(size=2)
    with torch.no_grad():
        sequence, found = encoder.network(batch.eeg), encoder(batch).embeddings
    n = sequence.shape[1]
    assert torch.allclose(found[:, 0], sequence[:, : math.ceil(n / 6)].mean(1), atol=1e-6)


# --- adaptations -------------------------------------------------------------------------------------------------


def test_resampling_keeps_a_sine_and_is_declared():
    adapted = Adaptation(SIGNAL, sfreq=200.0)
    sine = torch.sin(2 * torch.pi * 10 * torch.arange(346) / 120).expand(1, 19, 346)
    expected = torch.sin(2 * torch.pi * 10 * torch.arange(577) / 200)
    assert torch.allclose(adapted(sine)[0, 3, 20:-20], expected[20:-20], atol=2e-3)
    assert adapted.notes == {"sampling rate": "120 Hz resampled to 200 Hz; nothing above 60 Hz is there"}


def test_a_segment_that_is_too_short_for_whole_patches_is_mirrored_at_both_ends():
    adapted = Adaptation(signal_of(("Cz",), n_times=8), patch=(10, 10))
    found = adapted(torch.arange(8.0).reshape(1, 1, 8))
    assert found.flatten().tolist() == [1, 0, 1, 2, 3, 4, 5, 6, 7, 6]
    assert adapted.notes == {"window": "8 samples mirrored at both ends to 10 samples (0.0833 s)"}


def test_a_segment_that_is_a_little_too_long_is_cut_at_both_ends():
    adapted = Adaptation(signal_of(("Cz",), n_times=102), patch=(10, 10))
    assert adapted(torch.arange(102.0).reshape(1, 1, 102)).flatten().tolist() == list(range(1, 101))
    assert adapted.notes == {"window": "102 samples cut at both ends to 100 samples (0.833 s)"}


@pytest.mark.parametrize(
    ("n_times", "patch", "expected"),
    [
        (600, (200, 200), 600),
        (577, (200, 200), 600),
        (629, (200, 200), 600),
        (640, (200, 200), 800),
        (577, (200, 180), 560),
        (100, (200, 200), 200),
        (736, (64, 32), 736),
    ],
)
def test_lengths_are_cut_by_five_percent_at_most_and_else_extended(n_times, patch, expected):
    assert fit_length(n_times, patch) == expected


def test_a_segment_that_would_have_to_double_is_refused():
    with pytest.raises(DataError, match="too short for this network: got 100 samples"):
        Adaptation(signal_of(("Cz",), n_times=100), patch=(300, 300))


def test_slices_are_centred_on_equal_stretches_with_mirrored_ends():
    adapted = Adaptation(signal_of(("Cz",), n_times=12, sfreq=1.0), n_slices=3, slice_s=6.0)
    found = adapted(torch.arange(12.0).reshape(1, 1, 12))[:, 0]
    assert found.tolist() == [[1, 0, 1, 2, 3, 4], [3, 4, 5, 6, 7, 8], [7, 8, 9, 10, 11, 10]]
    assert adapted.notes == {"window": "3 slices of 6 samples (6 s), the segment mirrored at its ends"}


def test_slices_of_several_segments_stay_together():
    adapted = Adaptation(signal_of(("Cz",), n_times=4, sfreq=1.0), n_slices=2, slice_s=2.0)
    found = adapted(torch.tensor([[[0.0, 1, 2, 3]], [[10.0, 11, 12, 13]]]))
    assert found[:, 0].tolist() == [[0, 1], [2, 3], [10, 11], [12, 13]]


def test_a_segment_that_fits_is_passed_on_unchanged():
    adapted = Adaptation(SIGNAL, sfreq=120.0, patch=(346, 1))
    batch = batch_of()
    assert torch.equal(adapted(batch.eeg), batch.eeg)
    assert adapted.notes == {}


def test_the_signal_is_adapted_in_full_precision_under_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert Adaptation(SIGNAL, sfreq=200.0)(batch_of().eeg).dtype == torch.float32


# --- electrodes --------------------------------------------------------------------------------------------------


def test_channels_are_told_by_name_whatever_their_case():
    names, said = montage.known_names(signal_of(("fp1", "CZ"), None), montage.labram_names())
    assert (names, said) == (["FP1", "CZ"], "2 of 2 known by name")


def test_a_channel_of_another_name_is_taken_for_the_nearest_electrode_and_said():
    channel = signal_of(("Cz",), "biosemi64").chs_info[0] | {"ch_name": "E31"}
    names, said = montage.known_names(SignalInfo(1, 9, 120.0, (channel,), 1), montage.labram_names())
    assert names == ["CZ"]
    assert re.fullmatch(r"0 of 1 known by name; E31 as CZ \([0-5] degrees away\)", said)


@pytest.mark.parametrize(("loc", "got"), [([0, 0, 0], "no position"), ([0, 0, -0.1], r"\d+ degrees to the nearest")])
def test_a_channel_far_from_every_known_electrode_is_refused(loc, got):
    channel = {"ch_name": "E1", "loc": np.array(loc, dtype=float)}
    with pytest.raises(DataError, match=f"Channel 'E1' is not one that the network knows.*{got}"):
        montage.known_names(SignalInfo(1, 9, 120.0, (channel,), 1), montage.labram_names())


def test_labram_answers_by_the_names_of_the_channels():
    one = build("labram", num_layers=1).eval()
    other = build("labram", SignalInfo(19, 346, 120.0, SIGNAL.chs_info[::-1], 3), num_layers=1).eval()
    batch = batch_of()
    with torch.no_grad():
        assert not torch.allclose(one(batch).embeddings, other(batch).embeddings, rtol=1e-3, atol=0)
    assert one.adaptations["channels"] == "19 of 19 known by name"


def test_bipolar_derivations_are_differences_of_named_electrodes():
    matrix, said = montage.bipolar(SIGNAL, ["FP1-F7", "F7-T3"])
    eeg = torch.arange(19.0)
    fp1, f7, t7 = NAMES.index("Fp1"), NAMES.index("F7"), NAMES.index("T7")
    assert (matrix @ eeg).tolist() == [fp1 - f7, f7 - t7]
    assert said == "2 bipolar derivations (FP1-F7, F7-T3, ...)"


def test_a_derivation_of_an_absent_electrode_is_refused():
    with pytest.raises(DataError, match="derivation C3-A2: got a data set without A2"):
        montage.bipolar(SIGNAL, ["C3-A2"])


def test_hemispheres_are_paired_by_name():
    assert montage.check_hemispheres(SIGNAL) == "8 pairs left and right, 3 on the midline, by name"


@pytest.mark.parametrize("names", [("A1", "A2", "A3", "A4"), ("Fp1", "C3", "C4"), ("x", "y")])
def test_channels_that_braindecode_would_pair_wrongly_or_not_at_all_are_refused(names):
    layout = "biosemi128" if names[0] == "A1" else "colin27_1005"
    with pytest.raises(DataError, match="channels cannot be paired left with right"):
        build("eegsym", signal_of(names, layout))


def test_reve_is_built_from_the_data_sets_positions_without_a_download():
    encoder = built("reve")
    expected = [channel["loc"][:3].tolist() for channel in SIGNAL.chs_info]
    assert np.allclose(encoder.network.default_pos.numpy(), expected, atol=1e-6)
    assert encoder.adaptations["channels"] == "the data set's own positions, in metres"


def test_the_users_own_position_bank_is_put_back(monkeypatch):
    monkeypatch.setenv("REVE_POSITIONS_PATH", "/mine")
    with pytest.raises(KeyError), montage.position_bank(SIGNAL):
        assert os.environ["REVE_POSITIONS_PATH"] != "/mine"
        raise KeyError
    assert os.environ["REVE_POSITIONS_PATH"] == "/mine"


# --- pretrained weights ------------------------------------------------------------------------------------------


def saved(tmp_path, network):
    network.save_pretrained(tmp_path / "weights")
    return tmp_path / "weights"


@pytest.fixture
def eegnet_folder(tmp_path):
    return saved(tmp_path, braindecode.models.EEGNet(n_chans=19, n_outputs=2, n_times=346, F1=4, F2=8))


def test_a_folder_of_braindecode_loads_all_but_the_head_with_its_settings(eegnet_folder):
    theirs = read_checkpoint(str(eegnet_folder)).state
    encoder = build("eegnet", weights=str(eegnet_folder))
    ours = encoder.network.state_dict()
    backbone = [key for key in theirs if not key.startswith("final_layer")]
    assert encoder.network.F1 == 4
    assert all(torch.equal(ours[key], theirs[key]) for key in backbone)
    assert encoder.adaptations["weights"] == f"{len(backbone)} tensors of {eegnet_folder}; new: final_layer"


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_bare_state_dictionary_loads(eegnet_folder, tmp_path, suffix):
    state = dict(read_checkpoint(str(eegnet_folder)).state)
    path = tmp_path / f"state{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save({"state_dict": state}, path)
    encoder = build("eegnet", weights=str(path), F1=4, F2=8)
    key = "conv_temporal.weight"
    assert torch.equal(encoder.network.state_dict()[key], state[key])


def test_weights_of_another_width_are_refused(eegnet_folder):
    with pytest.raises(DataError, match=r"do not fit this network: got size mismatch for conv_temporal\.weight"):
        build("eegnet", weights=str(eegnet_folder), F1=8, F2=16)


def test_weights_of_another_network_are_refused_by_what_is_missing(eegnet_folder):
    with pytest.raises(DataError, match=r"do not fit this network: got missing \['conv_time.*, unknown \["):
        build("shallow", weights=str(eegnet_folder))


def test_a_checkpoint_with_code_in_it_is_refused(tmp_path):
    torch.save({"final_layer": print}, tmp_path / "evil.pt")
    with pytest.raises(DataError, match=r"evil\.pt cannot be read"):
        build("eegnet", weights=str(tmp_path / "evil.pt"))


@pytest.mark.parametrize("content", [b"", b"no weights"])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_broken_file_is_refused(tmp_path, content, suffix):
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        build("eegnet", weights=str(path))


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"holds no weights: expected model\.safetensors or pytorch_model\.bin"):
        build("eegnet", weights=str(tmp_path))


@pytest.mark.parametrize("source", ["no/such/folder/at/all", "weights/missing.pt", "missing"])
def test_weights_that_are_nowhere_are_refused(source):
    with pytest.raises(UsageError, match=f"Weights were not found: got '{source}'"):
        build("eegnet", weights=source)


def test_a_repository_out_of_reach_says_what_to_do():
    with pytest.raises(DataError, match=r"could not be fetched from the hub.*give its folder"):
        build("labram", weights="braindecode/labram-pretrained")


def test_labram_takes_the_first_rows_of_its_embedding_of_time_and_scales_the_signal(tmp_path):
    theirs = braindecode.models.Labram(n_times=1600, n_chans=19, n_outputs=2, num_layers=1)
    encoder = build("labram", weights=str(saved(tmp_path, theirs)))
    rows = theirs.temporal_embedding[:, :2]
    assert torch.equal(encoder.network.temporal_embedding, rows)
    assert encoder.adaptations["weights"].endswith("first 2 of 9 rows of temporal_embedding")
    assert "100 uV" in encoder.adaptations["scale"]
    assert encoder.adaptation.scale == 0.1


def test_biots_weights_get_bipolar_derivations(tmp_path):
    theirs = braindecode.models.BIOT(n_chans=16, n_outputs=2, n_times=600, num_layers=1)
    encoder = build("biot", weights=str(saved(tmp_path, theirs)))
    assert encoder.network.n_chans == 16
    assert encoder.adaptations["channels"].startswith("16 bipolar derivations (FP1-F7")
    assert encoder(batch_of()).embeddings.shape == (4, 6, 4)


def test_bendrs_weights_are_refused_with_the_reason():
    with pytest.raises(UsageError, match="Weights of 'bendr' cannot be used: got their 20th channel is the amplitude"):
        build("bendr", weights="braindecode/braindecode-bendr")
    assert catalogue()["bendr"].spec.pretrained.startswith("not usable: their 20th channel")


def test_eegpts_projection_of_channels_is_new_and_said(tmp_path):
    theirs = braindecode.models.EEGPT(n_chans=58, n_outputs=2, n_times=1024, depth=1, embed_dim=64)
    encoder = build("eegpt", weights=str(saved(tmp_path, theirs)))
    assert encoder.adaptations["weights"].endswith("new: final_layer, chan_proj")


def test_weights_that_find_channels_by_a_list_on_the_hub_are_refused_without_it(tmp_path):
    theirs = braindecode.models.STEEGFormer(
        n_chans=19, n_outputs=2, n_times=368, depth=1, embed_dim=64, chan_pos_idx=list(range(19))
    )
    folder = saved(tmp_path, theirs)
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"chan_pos_idx"', '"unknown"'))
    with pytest.raises(BenchError, match="Weights of 'steegformer' do not know the channels"):
        build("steegformer", weights=str(folder))

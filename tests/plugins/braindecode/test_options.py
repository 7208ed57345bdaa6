"""Classes of the library as encoders, and the options that reach them."""

from __future__ import annotations

import pickle

import braindecode.models
import pytest
import torch

from eeg2speech_bench.core.errors import DataError, UnknownNameError
from eeg2speech_bench.plugins.encoders.braindecode.cards import catalogue

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_network_whose_kernels_do_not_fit_is_refused_with_braindecodes_reason(signal_of, build):
    with pytest.raises(DataError, match=r"SSTDPN cannot be built .*: got \w+: "):
        build("sstdpn", signal_of(n_times=120))


def test_the_network_is_the_librarys_own(build):
    assert type(build("eegnet").network) is braindecode.models.EEGNet


def test_encoders_survive_pickling(batch_of, build):
    encoder, batch = build("bdtcn").eval(), batch_of()
    again = pickle.loads(pickle.dumps(build("sccnet").eval()))
    assert pickle.loads(pickle.dumps(type(encoder))) is type(encoder)
    with torch.no_grad():
        assert torch.equal(again(batch).embeddings, build("sccnet").eval()(batch).embeddings)


def test_a_class_that_braindecode_does_not_have_is_an_attribute_error():
    import eeg2speech_bench.plugins.encoders.braindecode as module

    with pytest.raises(AttributeError, match="no model 'EEGNot'"):
        _ = module.EEGNot


def test_options_of_the_class_reach_the_network(build):
    assert build("eegnet", F1=3).network.F1 == 3


def test_a_class_given_by_name_reaches_the_network(build):
    encoder = build("eegnet", activation="torch.nn.GELU")
    assert any(isinstance(layer, torch.nn.GELU) for layer in encoder.network.modules())


@pytest.mark.parametrize("option", ["n_outputs", "sfreq", "return_features", "kwargs"])
def test_what_the_adapter_decides_is_no_option(build, option):
    with pytest.raises(UnknownNameError, match=f"Unknown option of encoder 'eegconformer': got '{option}'"):
        build("eegconformer", **{option: 1})


def test_an_unknown_option_is_refused_before_building_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'drop_prob'"):
        catalogue()["eegnet"].spec.check_options(["drop_prop"])

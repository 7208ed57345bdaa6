"""The table of braindecode's models: complete, licensed as declared, and light to list."""

from __future__ import annotations

import subprocess
import sys

import braindecode.models
import pytest

from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.plugins.encoders.braindecode.cards import catalogue, specs

NON_COMMERCIAL = {"BrainModule", "EEGMiner", "MetaNeuromotorHand", "EMG2QwertyNet", "VEMG2Pose"}


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


def test_listing_imports_neither_torch_nor_braindecode():
    code = (
        "from eeg2speech_bench.plugins.encoders.braindecode.cards import specs; import sys; n = len(specs());"
        "print(n, [m for m in ('torch', 'braindecode', 'mne') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.split() == [str(len(specs())), "[]"]


def test_declarations_are_sound():
    from eeg2speech_bench.core.registry.checks import flaw_of
    from eeg2speech_bench.core.specs import EncoderSpec

    assert [flaw_of(spec, EncoderSpec) for spec in specs()] == [""] * len(specs())
    assert len({spec.name for spec in specs()}) == len(specs())


def test_pretrained_weights_are_declared_with_what_they_were_trained_on():
    declared = {spec.name: spec.pretrained for spec in specs()}
    assert declared["labram"] == "braindecode/labram-pretrained: 2,500 h of EEG from about 20 data sets"
    assert declared["eegnet"] == ""


@pytest.mark.parametrize("name", ["signaljepa", "attnsleep", "sensingdynamics"])
def test_a_model_that_cannot_be_an_encoder_says_why_when_named(build, name):
    card = catalogue()[name]
    assert card.spec.on_request == f"cannot run: {card.refused}"
    with pytest.raises(UsageError, match="cannot be an encoder") as caught:
        build(name)
    assert card.refused in str(caught.value)

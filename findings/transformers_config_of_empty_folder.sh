#!/usr/bin/env bash
# transformers 5.24.0: Wav2Vec2Config.from_pretrained of a folder without config.json gives the default configuration.
#
# Expected: an error that says that the folder has no config.json. (So AutoConfig: a ValueError that names the file.)
# What happens: Wav2Vec2Config.from_pretrained returns wav2vec 2.0 "base" with all its defaults, for an empty folder and for a
# folder whose config.json lies one level below. No warning, and local_files_only=True changes nothing. In the example
# the saved model has 24 layers of width 1024 and one frame per 640 samples; the configuration that is returned for the folder
# above it says 12 layers, width 768 and one frame per 320 samples. Only a folder that does not exist is an error. (Reported
# upstream as issue 45864 and still so in this release.)
#
# Why it matters: speech features are put on the EEG's clock by inputs_to_logits_ratio. A path that is one folder short gives
# 50 frames per second instead of 25, so features and EEG drift apart by half the time that has passed, and a copy that lost
# its config.json reports layers and sizes that the model does not have.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  huggingface_hub==2.4.0 safetensors==0.8.0 numpy==2.4.6 \
  packaging==26.4 pyyaml==6.0.4 regex==2026.11.19 tqdm==4.70.1
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps transformers==5.24.0  # no torch: nothing is computed
cd "$work"
HF_HUB_OFFLINE=1 HF_HOME="$work/hub" "$work/venv/bin/python" - <<'PY'
import logging
import warnings
from pathlib import Path

import transformers
from transformers import AutoConfig, Wav2Vec2Config


def error_of(load, *arguments, **options):
    try:
        load(*arguments, **options)
    except (OSError, ValueError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return None


class Warned(logging.Handler):
    def emit(self, record):
        warned.append(record.getMessage())


def facts(config):
    return config.num_hidden_layers, config.hidden_size, config.inputs_to_logits_ratio


warned = []
logging.getLogger("transformers").addHandler(Warned(logging.WARNING))
print("transformers", transformers.__version__)
Path("empty").mkdir()
saved = Wav2Vec2Config(num_hidden_layers=24, hidden_size=1024, conv_stride=(10, 2, 2, 2, 2, 2, 2))
saved.save_pretrained("model/step-100")
print("saved in model/step-100:  layers, width, samples per frame", facts(saved))
assert facts(saved) == (24, 1024, 640)
assert facts(Wav2Vec2Config.from_pretrained("model/step-100")) == facts(saved)

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for folder, options in (("model", {}), ("empty", {}), ("empty", {"local_files_only": True})):
        assert not (Path(folder) / "config.json").exists()
        config = Wav2Vec2Config.from_pretrained(folder, **options)
        default = config.to_dict() == Wav2Vec2Config().to_dict()
        print(f"Wav2Vec2Config of {folder + '/':7s} {options or ''}: {facts(config)}, equal to the defaults: {default}")
        assert default and facts(config) == (12, 768, 320)
print("warnings:", len(caught) + len(warned))
assert not caught and not warned, (caught, warned)
print("AutoConfig of empty/:", error_of(AutoConfig.from_pretrained, "empty"))
assert error_of(AutoConfig.from_pretrained, "empty").startswith("ValueError")
print("Wav2Vec2Config of a folder that is not there:", error_of(Wav2Vec2Config.from_pretrained, "missing"))
assert error_of(Wav2Vec2Config.from_pretrained, "missing").startswith("OSError")
PY

"""Keys of stages hold everything that decides their results, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable

import pytest

from eeg2speech_bench.benchmarks.pipeline import Pipeline
from eeg2speech_bench.benchmarks.plan import make_cells
from eeg2speech_bench.benchmarks.stage_inputs import ListenerInputs, StageInputs
from eeg2speech_bench.benchmarks.stage_runs import run_stage
from eeg2speech_bench.core.presets.config import load_config
from eeg2speech_bench.core.registry.registry import load_registry
from eeg2speech_bench.core.stages import keys
from eeg2speech_bench.core.stages.import_closure import DECIDES_NOTHING, code_behind
from eeg2speech_bench.core.stages.source_code import OURS, find_source
from eeg2speech_bench.core.stages.stage_store import StageStore

REGISTRY = load_registry()
#: which stages read which, directly
AFTER = {
    "prepare": (),
    "features": ("prepare",),
    "clips": ("prepare",),
    "autoencoder": ("prepare",),
    "ceilings": ("prepare", "clips", "autoencoder"),
    "tune": ("prepare", "features"),
    "align": ("prepare", "features", "tune"),
    "calibrate": ("prepare", "features", "align"),
    "embed": ("prepare", "features", "clips", "align", "calibrate"),
    "words": ("prepare", "features", "align"),
    "probes": ("prepare", "features", "align"),
    "diffuse": ("prepare", "features", "align", "autoencoder"),
    "generate": ("prepare", "clips", "embed", "autoencoder", "diffuse"),
    "score": ("prepare", "embed", "words", "probes", "ceilings", "generate"),
}


class Dataset:
    """A data set of which only the identity matters here."""

    __module__ = f"{OURS}.datasets.bids"  # where its code is looked for
    name, revision, about, is_null, sound_kind = "made-up", "1", "", False, "waveform"
    skipped = ()
    split_fractions = None
    recordings: tuple = ()

    class _Stimulus:
        words = (object(),)

    stimuli = (_Stimulus(),)


@pytest.fixture
def pipeline(tmp_path):
    """Return a function that makes the stages of a cell with all stages, by name."""

    def make(*overrides: str, encoder: str = "brainmagick", seed: int = 0, revision: str = "1"):
        asked = ("scores.extended=true", "scores.probes=true")
        overrides = (*asked, "data.held_out_listeners=1/3", "alignment.n_trials=2", *overrides)
        config = load_config("quick", overrides=overrides)
        (cell,) = make_cells([encoder], "made-up", "made-up", [seed], config, REGISTRY, revision=revision)
        dataset = Dataset()
        dataset.revision = revision
        made = Pipeline(cell, dataset, REGISTRY, StageStore(tmp_path / "stages"), "cpu", "float32")
        return {stage.name: stage for stage in made.stages()}

    return make


def later(name: str) -> set[str]:
    """Return a stage and all that come after it."""
    found = {name}
    for other, before in AFTER.items():  # in the order of running
        if found & set(before):
            found.add(other)
    return found


def changed(before, after) -> set[str]:
    return {name for name in before if before[name].key != after[name].key}


def test_stages_depend_on_what_the_table_says(pipeline):
    assert {name: tuple(s.name for s in stage.inputs) for name, stage in pipeline().items()} == AFTER


def test_every_stage_is_run_by_a_function_that_takes_its_inputs():
    known = {*StageInputs.__subclasses__(), *ListenerInputs.__subclasses__()} - {ListenerInputs}
    declared = {inputs for inputs in known if inputs.__module__ == StageInputs.__module__}
    assert {inputs.name for inputs in declared} == set(AFTER)
    assert declared <= set(run_stage.registry)


def test_each_module_of_a_stage_changes_its_key_and_those_after_it(pipeline, monkeypatch):
    before = pipeline()
    real = keys.source_hash
    assert all(stage.parts.code for stage in before.values())
    for module in {module for stage in before.values() for module in stage.parts.code}:
        monkeypatch.setattr(keys, "source_hash", lambda other, m=module: "new" if other == m else real(other))
        uses = {stage.name for stage in before.values() if module in stage.parts.code}
        assert changed(before, pipeline()) == set().union(*map(later, uses)), module


def test_each_library_of_a_stage_changes_its_key_and_those_after_it(pipeline, monkeypatch):
    before = pipeline()
    real = keys._version
    assert all("numpy" in stage.parts.libraries for stage in before.values())
    for library in {library for stage in before.values() for library in stage.parts.libraries}:
        distribution = keys.DISTRIBUTIONS.get(library, library)
        monkeypatch.setattr(keys, "_version", lambda other, d=distribution: "0.0" if other == d else real(other))
        uses = {stage.name for stage in before.values() if library in stage.parts.libraries}
        assert changed(before, pipeline()) == set().union(*map(later, uses)), library


@pytest.mark.parametrize(
    ("module", "stages"),
    [
        ("core.training.trainer", {"autoencoder", "tune", "align", "diffuse"}),
        ("core.conditioning", set(AFTER) - {"prepare", "clips"}),
        ("core.training.seeding", set(AFTER) - {"prepare", "features", "clips", "ceilings", "calibrate"}),
        ("core.segments.surrogates", {"tune", "align", "embed", "words", "probes"}),
        ("core.generator.checkpoints", {"autoencoder", "ceilings", "diffuse", "generate"}),
        ("benchmarks.metrics.word_retrieval", {"words", "score"}),
        ("core.segments.clips", {"ceilings", "generate", "score"}),
        ("datasets.preparation.preprocessing", {"prepare"}),
        ("plugins.targets.deep_mel", {"features", "tune", "align"}),
        ("plugins.encoders.brainmagick", {"tune", "align"}),
        ("core.statistics.resampling", {"score"}),
    ],
)
def test_modules_that_were_once_in_no_key_are(pipeline, module, stages):
    uses = {name for name, stage in pipeline().items() if f"{OURS}.{module}" in stage.parts.code}
    assert stages <= uses


def test_no_stage_hashes_modules_that_decide_nothing(pipeline):
    assert not set(DECIDES_NOTHING) & {module for stage in pipeline().values() for module in stage.parts.code}


def test_every_module_that_decides_nothing_exists_and_has_a_reason():
    for module, reason in DECIDES_NOTHING.items():
        assert find_source(module) is not None, module
        assert len(reason) > 5, module


def loaded_by(*groups: Iterable[str]) -> list[set[str]]:
    """Return the modules of ours that are in memory after each group was imported, without packages."""
    show = f"print(*[m for m in sys.modules if m.startswith('{OURS}.')])"
    script = "\n".join(["import sys", *(f"import {', '.join(modules)}\n{show}" for modules in groups)])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    found = []
    for line in done.stdout.splitlines():
        sources = {name: find_source(name) for name in line.split()}
        found.append({name for name, source in sources.items() if source is not None and source.name != "__init__.py"})
    return found


def test_what_python_loads_for_a_stage_is_in_its_key_or_decides_nothing():
    stages = [f"{OURS}.benchmarks.stages.{name}" for name in AFTER if name != "prepare"]
    closure = set(code_behind(stages).modules)
    beside, loaded = loaded_by(DECIDES_NOTHING, stages)  # in one process, since imports take seconds
    assert len(loaded) > len(beside)
    assert loaded - closure - beside - set(DECIDES_NOTHING) == set()


@pytest.mark.parametrize(
    ("override", "stage"),
    [
        ("data.stride_s=0.7", "prepare"),
        ("data.calibration_min=1", "calibrate"),
        ("target.options.deep_mel.hidden=8", "features"),
        ("sampling.n_clips=5", "clips"),
        ("autoencoder.max_steps=3", "autoencoder"),
        ("vocoder.n_iter=3", "ceilings"),
        ("alignment.weight_decay=0.5", "tune"),
        ("encoder.brainmagick.hidden=8", "tune"),
        ("diffusion.max_steps=3", "diffuse"),
        ("sampling.guidance_scale=9.0", "generate"),
        ("scores.n_bootstrap=3", "score"),
    ],
)
def test_a_setting_changes_its_stage_and_those_after_it(pipeline, override, stage):
    different = changed(pipeline(), pipeline(override))
    assert stage in different
    assert later(stage) <= different
    assert not {name for name in AFTER if stage in later(name) and name != stage} & different


def test_who_is_held_out_changes_all_but_what_is_made_of_the_sounds(pipeline):
    shared = {"prepare", "features", "autoencoder"}
    assert changed(pipeline(), pipeline("data.held_out_listeners=2/3")) == set(AFTER) - shared


def test_a_cell_of_all_listeners_calibrates_nobody(pipeline):
    assert pipeline("data.held_out_listeners=0").keys() == AFTER.keys() - {"calibrate"}


def test_seed_and_encoder_belong_to_the_cell_and_not_to_the_data_set_and_seeds_share_a_search(pipeline):
    shared = {"prepare", "features", "clips", "autoencoder", "ceilings"}
    assert changed(pipeline(), pipeline(seed=1)) == set(AFTER) - shared - {"tune"}
    assert changed(pipeline(), pipeline(encoder="eegnet")) == set(AFTER) - shared


def test_another_revision_of_the_data_changes_everything(pipeline):
    assert changed(pipeline(), pipeline(revision="2")) == set(AFTER)


def test_the_content_of_a_weights_file_is_in_the_key_wherever_it_lies(pipeline, tmp_path):
    weights = tmp_path / "generator.ckpt"
    weights.write_bytes(b"one")
    before = pipeline(f"vocoder.checkpoint='{weights}'")
    assert list(before["ceilings"].parts.files) == [str(weights)]
    weights.write_bytes(b"two")
    assert changed(before, pipeline(f"vocoder.checkpoint='{weights}'")) == {"ceilings", "generate", "score"}


@pytest.mark.parametrize("typed", ["~/generator.ckpt", "generator.ckpt", "./generator.ckpt"])
def test_a_weights_file_may_be_named_from_the_home_or_the_working_folder(pipeline, tmp_path, monkeypatch, typed):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "generator.ckpt").write_bytes(b"one")
    before = pipeline(f"vocoder.checkpoint='{typed}'")
    (tmp_path / "generator.ckpt").write_bytes(b"two")
    assert changed(before, pipeline(f"vocoder.checkpoint='{typed}'")) == {"ceilings", "generate", "score"}


def test_a_folder_that_an_option_of_a_plugin_names_is_in_the_key(pipeline, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"one")
    option = f"target.options.wav2vec2.model='{tmp_path / 'model'}'"
    before = pipeline("target.name=wav2vec2", option)
    (tmp_path / "model" / "model.safetensors").write_bytes(b"two")
    assert changed(before, pipeline("target.name=wav2vec2", option)) >= {"features", "align", "score"}


def test_an_option_that_happens_to_be_called_like_a_folder_here_is_no_path(pipeline, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mel").mkdir()
    (tmp_path / "mel" / "anything").write_text("")
    assert not any(stage.parts.files for stage in pipeline("target.name=mel").values())


def test_a_better_sentence_about_a_metric_scores_nothing_again(pipeline, monkeypatch):
    import dataclasses

    before = pipeline()
    specs = [dataclasses.replace(spec, summary="another sentence") for spec in REGISTRY.all("metric")]
    monkeypatch.setattr(type(REGISTRY), "all", lambda self, kind: specs)
    assert changed(before, pipeline()) == set()

"""What a user meets who mistypes, or whose data cannot be used: the thing by name, what to do, and the exit code."""

from __future__ import annotations

import json
import shutil

import pytest

from eeg2speech_bench.core.cli import main
from eeg2speech_bench.core.records.record_store import RecordStore


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EEG2SPEECH_BENCH_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--encoder", "brainmagik"], "Unknown encoder: got 'brainmagik'"),
        (["--encoder", "ridge", "--dataset", "simulatd"], "Unknown dataset: got 'simulatd'"),
        (["--encoder", "ridge", "--dataset", "simulated:noise"], "no such variant: got 'noise', expected null"),
        (["--encoder", "ridge", "--dataset", "dtu"], "Data set 'dtu' needs a folder"),
        (["--encoder", "ridge", "--preset", "quik"], "Did you mean 'quick'"),
        (["--encoder", "ridge", "--set", "alignment.bach_size=3"], "Did you mean 'alignment.batch_size'"),
        (["--encoder", "ridge", "--set", "alignment.batch_size=many"], "'alignment.batch_size' is wrong: got 'many'"),
        (["--encoder", "ridge", "--seeds", "x"], "--seeds was not understood: got 'x'"),
        (["--encoder", "ridge", "--config", "none.toml"], "none.toml does not exist"),
        (["--encoder", "ridge", "--listeners", "3/2"], "'data.held_out_listeners' is wrong"),
        (["--encoder", "ridge", "--device", "cuda:99"], "cuda"),
        (["--encoder", "ridge", "--device", "gpu"], "Unknown device: got 'gpu'"),
    ],
)
def test_wrong_usage_is_explained_and_exits_with_2(capsys, arguments, said):
    assert main(["run", *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--time-limit", "--memory-limit"])
@pytest.mark.parametrize("value", ["0", "-1", "nan"])
def test_a_limit_that_is_no_amount_is_refused(capsys, option, value):
    with pytest.raises(SystemExit, match="2"):
        main(["run", "--encoder", "ridge", option, value])
    assert f"{value} is not a number above 0" in capsys.readouterr().err


def test_a_record_that_is_not_there_is_said_to_be_missing(capsys):
    assert main(["rerun", "none.json"]) == 1
    assert "Record none.json does not exist." in capsys.readouterr().err


def test_an_unknown_verb_gets_a_suggestion(capsys):
    assert main(["encodrs"]) == 2
    assert "Did you mean 'encoders'" in capsys.readouterr().err


def test_a_folder_that_is_no_bids_data_set_is_refused(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    assert main(["run", "--encoder", "ridge", "--dataset", str(tmp_path / "mine")]) == 1
    assert "is not a BIDS data set: got no dataset_description.json" in capsys.readouterr().err


def test_a_bids_folder_without_stimuli_is_refused(tmp_path, tiny_bids, capsys):
    root = tmp_path / "no_stimuli"
    shutil.copytree(tiny_bids, root)
    shutil.rmtree(root / "stimuli")
    assert main(["run", "--encoder", "ridge", "--dataset", str(root)]) == 1
    assert "stimuli" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("encoder.brainmagick.hiden=3", "option of encoder 'brainmagick': got 'hiden'"),
        ("target.options.deep_mel.n_band=3", "option of target 'deep_mel': got 'n_band'"),
    ],
)
def test_an_option_without_effect_is_refused_before_anything_runs(tmp_path, tiny_bids, capsys, option, said):
    assert main(["run", "--encoder", "brainmagick", "--dataset", str(tiny_bids), "--set", option]) == 2
    assert said in capsys.readouterr().err
    assert not any((tmp_path / "cache" / "stages").iterdir())


def test_results_that_cannot_be_written_are_found_out_before_training(tmp_path, tiny_bids, capsys):
    (tmp_path / "taken").write_text("")
    assert main(["run", "--encoder", "ridge", "--dataset", str(tiny_bids), "--results", str(tmp_path / "taken")]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert not (tmp_path / "cache" / "stages").exists() or not any((tmp_path / "cache" / "stages").iterdir())


def test_an_encoder_that_needs_positions_fails_alone_where_there_are_none(bench, tmp_path, tiny_bids):
    root = tmp_path / "no_positions"
    shutil.copytree(tiny_bids, root)
    for path in [*root.glob("sub-*/eeg/*electrodes*"), *root.glob("sub-*/eeg/*coordsystem*")]:
        path.unlink()
    for path in root.glob("sub-*/eeg/*"):  # names that no template head knows
        if path.suffix in (".tsv", ".vhdr"):
            text = path.read_text(encoding="utf8")
            for number, name in enumerate(_channel_names(tiny_bids)):
                text = text.replace(f"={name},", f"=E{number + 1},").replace(f"\n{name}\t", f"\nE{number + 1}\t")
            path.write_text(text, encoding="utf8")
    typed = ("--encoder", "brainmagick", "--encoder", "ridge", "--scores", "retrieval")
    done = bench.run(*typed, dataset=str(root))
    assert done.returncode == 1, done.stdout + done.stderr
    records = {r.cell.encoder: r for r in RecordStore(bench.folder / "results").read_all()}
    assert records["brainmagick"].status == "failed"
    assert records["brainmagick"].error.phase == "align"
    assert "needs electrode positions" in records["brainmagick"].error.message
    assert records["ridge"].status == "done"


def _channel_names(root):
    table = next(root.glob("sub-01/eeg/*channels.tsv")).read_text(encoding="utf8").splitlines()
    return [line.split("\t")[0] for line in table[1:]]


def test_a_diverging_encoder_is_a_failed_record_with_the_reason(prepared_bench):
    done = prepared_bench.run("--encoder", "brainmagick", "--set", "alignment.learning_rate=1e30")
    assert done.returncode == 1
    (failed,) = [
        json.loads(path.read_text())
        for path in (prepared_bench.folder / "results" / "records").glob("brainmagick*")
        if json.loads(path.read_text())["config"]["alignment"]["learning_rate"] == 1e30
    ]
    assert failed["status"] == "failed"
    assert "not finite" in failed["error"]["message"]
    assert failed["error"]["traceback"]

"""Plans: cells, seeds and data sets from what is typed."""

from __future__ import annotations

import argparse

import pytest

from eeg2speech_bench.benchmarks.commands import configure_run, read_request
from eeg2speech_bench.benchmarks.plan import (
    choose_encoders,
    make_cells,
    parse_seeds,
    refuse_unknown_names,
)
from eeg2speech_bench.core.errors import UnknownNameError, UsageError
from eeg2speech_bench.core.presets.config import load_config
from eeg2speech_bench.core.registry.registry import load_registry


def request(*typed: str):
    """Read what is typed after ``run --encoder ridge``."""
    parser = argparse.ArgumentParser()
    configure_run(parser)
    return read_request(parser.parse_args(["--encoder", "ridge", *typed]))


@pytest.mark.parametrize(
    ("text", "seeds"), [("1", [0]), ("3", [0, 1, 2]), ("0,1,2", [0, 1, 2]), ("7,", None), ("4,2,4", [2, 4])]
)
def test_seeds_are_a_count_or_a_list(text, seeds):
    if seeds is None:
        with pytest.raises(UsageError, match="--seeds was not understood"):
            parse_seeds(text)
    else:
        assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "many", "-1", "0", "1,99999999999", "99999999999"])
def test_seeds_that_make_no_sense_are_refused(text):
    with pytest.raises(UsageError, match="--seeds"):
        parse_seeds(text)


def test_cells_are_encoders_by_seeds_with_names_of_their_own():
    config = load_config("quick")
    cells = make_cells(
        ["ridge", "brainmagick"], "simulated", "simulated", [0, 1], config, load_registry(), revision="r"
    )
    assert [(cell.encoder, cell.seed) for cell in cells] == [
        ("ridge", 0),
        ("ridge", 1),
        ("brainmagick", 0),
        ("brainmagick", 1),
    ]
    assert len({cell.id for cell in cells}) == 4
    changed = load_config("quick", overrides=["data.stride_s=0.7"])
    (other,) = make_cells(["ridge"], "simulated", "simulated", [0], changed, load_registry(), revision="r")
    assert other.id != cells[0].id


def test_with_twins_every_trained_encoder_of_eeg_has_one():
    config, registry = load_config("quick"), load_registry()
    cells = make_cells(
        ["ridge", "brainmagick", "clap-audio"], "s", "s", [0], config, registry, revision="r", with_twins=True
    )
    assert [cell.label for cell in cells] == [
        "ridge",
        "brainmagick",
        "brainmagick, trained on surrogate EEG",
        "clap-audio",
    ]
    assert len({cell.id for cell in cells}) == 4


def test_an_encoder_that_is_named_twice_is_chosen_once():
    assert choose_encoders(["ridge", "brainmagick", "ridge"], load_registry()) == ["ridge", "brainmagick"]


def test_a_group_stands_for_the_floors_that_do_not_run_on_request_only():
    registry = load_registry()
    floors = choose_encoders(["baselines"], registry)
    assert {"ridge", "mean"} <= set(floors)
    assert all(registry.get("encoder", name).baseline for name in floors)


def test_an_encoder_that_does_not_exist_is_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'brainmagick'"):
        choose_encoders(["brainmagik"], load_registry())


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("encoder.brainmagik.hidden=3", "Did you mean 'brainmagick'"),
        ("target.name=deep_mell", "Did you mean 'deep_mel'"),
    ],
)
def test_settings_of_what_does_not_exist_are_refused(override, said):
    with pytest.raises(UnknownNameError, match=said):
        refuse_unknown_names(load_config("quick", overrides=[override]), load_registry())


WEIGHTS = {"encoder.labram.weights": "owner/labram"}


def labels(encoders, strategies, overrides=WEIGHTS):
    config = load_config("quick", overrides=overrides)
    cells = make_cells(encoders, "s", "s", [0], config, load_registry(), revision="r", strategies=strategies)
    assert len({cell.id for cell in cells}) == len(cells)
    return [cell.label for cell in cells]


def test_each_strategy_runs_beside_its_twin_with_random_weights_and_other_encoders_run_once():
    assert labels(["ridge", "labram"], ["full", "probe"]) == [
        "ridge",
        "labram (full, labram)",
        "labram (scratch)",
        "labram (probe, labram)",
        "labram (probe, random weights)",
    ]


def test_scratch_is_run_once_although_it_is_the_twin_of_full():
    assert labels(["labram"], ["scratch", "full"]) == ["labram (scratch)", "labram (full, labram)"]


def test_a_strategy_without_weights_is_refused_with_what_to_type():
    with pytest.raises(UsageError, match=r"--strategy .*encoder\.NAME\.weights=.*labram: braindecode/labram-pre"):
        labels(["ridge", "labram"], ["probe"], {})


def test_the_strategies_that_are_typed_are_those_that_are_planned():
    parser = argparse.ArgumentParser()
    configure_run(parser)
    typed = ["--encoder", "labram", "--strategy", "probe", "--strategy", "full", "--strategy", "probe"]
    request = read_request(parser.parse_args(typed))
    assert request.strategies == ("probe", "full")
    assert not request.is_single


@pytest.mark.parametrize(("typed", "held_out"), [("held-out", "1/3"), ("2/5", "2/5"), ("all", 0)])
def test_listeners_are_held_out_by_an_option_of_their_own(typed, held_out):
    assert request("--listeners", typed).config.data.held_out_listeners == held_out


@pytest.mark.parametrize("typed", ["some", "0/3", "3", "1/3/5"])
def test_listeners_that_are_no_fold_are_refused(typed, capsys):
    with pytest.raises(SystemExit):
        request("--listeners", typed)
    assert f"'{typed}' is not all, held-out, or a fold such as 2/3" in capsys.readouterr().err


def test_a_row_of_new_listeners_has_a_name_of_its_own():
    config = load_config("quick", overrides=["data.held_out_listeners=1/3"])
    (cell,) = make_cells(["ridge"], "s", "s", [0], config, load_registry(), revision="r")
    assert cell.label == "ridge, new listeners 1/3"

"""Linear models read planted labels out of embeddings, and noise stays at its error rate."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from eeg2speech_bench.benchmarks.probes import readout
from eeg2speech_bench.benchmarks.probes.labels import Labels
from eeg2speech_bench.benchmarks.probes.readout import read_out
from eeg2speech_bench.benchmarks.scoring.probe_scores import judge_probes, read_readings, write_readings
from eeg2speech_bench.core.presets.config import ScoresConfig

N_LISTENERS, N_WINDOWS, N_TOKENS, DIM = 6, 20, 4, 5
LISTENER, WINDOW = (a.ravel() for a in np.indices((N_LISTENERS, N_WINDOWS)))
N = len(LISTENER)
BLOCK = WINDOW // 4
NAMES = tuple(f"{i}" for i in range(N_LISTENERS))
TABLE = pd.DataFrame(
    {"recording": LISTENER, "subject": LISTENER, "stimulus": 0, "start_s": 2.0 * WINDOW, "block": BLOCK}
)
CONFIG = ScoresConfig(n_bootstrap=50, n_permutations=400)
CONSTANT = np.zeros((N, N_TOKENS, DIM), np.float32)
LOUDNESS = np.random.default_rng(7).standard_normal((N_WINDOWS, N_TOKENS))
VOICES = np.arange(N_WINDOWS) % 2


def course(of_windows: np.ndarray) -> Labels:
    segment, token = (a.ravel() for a in np.indices((N, N_TOKENS)))
    return Labels(segment, token, token + 1, of_windows[WINDOW[segment], token], BLOCK[segment])


def whole(value: np.ndarray, classes: tuple[str, ...]) -> Labels:
    return Labels(np.arange(N), np.zeros(N, int), np.full(N, N_TOKENS), value.astype(float), BLOCK, classes)


ENVELOPE, WHO = course(LOUDNESS), whole(LISTENER, NAMES)
LABELS = {"envelope": ENVELOPE, "listener": WHO, "speaker": whole(VOICES[WINDOW], ("a", "b"))}


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((N, N_TOKENS, DIM)).astype(np.float32)


def holding_envelope(seed: int) -> np.ndarray:
    made = noise(seed)
    made[:, :, 2] += 2 * LOUDNESS[WINDOW]
    return made


def holding_listener(seed: int) -> np.ndarray:
    return noise(seed) + np.random.default_rng(3).standard_normal((N_LISTENERS, 1, DIM)).astype(np.float32)[LISTENER]


def read_all(embeddings: np.ndarray, labels=LABELS) -> dict[str, np.ndarray]:
    return {name: read_out(embeddings, own) for name, own in labels.items()}


def judged(folder, read: dict[str, dict[str, np.ndarray]], labels=LABELS):
    """Judge what was read out, by condition and probe."""
    folder.mkdir(exist_ok=True)
    by_probe = {name: {condition: found[name] for condition, found in read.items()} for name in labels}
    write_readings(folder, TABLE, {name: own.classes for name, own in labels.items()}, by_probe, {})
    return judge_probes(read_readings(folder)[0], CONFIG, 0, "eeg", list(NAMES))[0]


def judge(folder, conditions: dict[str, np.ndarray]):
    return judged(folder, {name: read_all(made) for name, made in conditions.items()})


@pytest.fixture(scope="module")
def of_envelope(tmp_path_factory):
    made = {"eeg": holding_envelope(0), "shift": noise(1), "none": CONSTANT, "audio": holding_envelope(2)}
    return judge(tmp_path_factory.mktemp("envelope"), made)


@pytest.fixture(scope="module")
def of_listener(tmp_path_factory):
    # a wrong time is of the same listener
    made = {"eeg": holding_listener(0), "shift": holding_listener(1), "shuffle": noise(2), "none": CONSTANT}
    return judge(tmp_path_factory.mktemp("listener"), made | {"audio": holding_envelope(2)})


def test_an_envelope_that_embeddings_hold_is_read_out_and_nothing_else_is(of_envelope):
    assert {name for name, one in of_envelope.verdict.items() if one.distinguishable} == {"envelope"}
    read = of_envelope.entry("envelope")
    assert 0.5 < read.low < read.value < 1
    assert of_envelope.leak == ""


def test_without_a_signal_numbers_are_read_as_their_mean_and_classes_as_guesses(of_envelope):
    assert of_envelope.entry("envelope", "none").value == 0
    assert of_envelope.entry("envelope").chance == 0
    assert of_envelope.entry("listener", "none").value == pytest.approx(1 / N_LISTENERS)
    assert of_envelope.entry("listener").chance == pytest.approx(1 / N_LISTENERS)


def test_embeddings_of_the_listener_alone_look_like_a_leak(of_listener):
    assert {name for name, one in of_listener.verdict.items() if one.distinguishable} == {"listener"}
    assert of_listener.leak.startswith("The listener is read out of the embeddings (")
    assert "chance 0.17" in of_listener.leak


def test_the_listener_is_not_tested_against_eeg_of_the_same_listener(of_listener):
    assert {test.control for test in of_listener.tests if test.metric == "listener"} == {"shuffle", "none"}
    assert {test.control for test in of_listener.tests if test.metric == "envelope"} == {"shift", "shuffle", "none"}


def test_speech_beside_the_listener_is_no_leak(tmp_path):
    both = holding_listener(0) + holding_envelope(4)
    scores = judge(tmp_path, {"eeg": both, "shuffle": noise(2), "none": CONSTANT, "audio": holding_envelope(2)})
    assert scores.verdict["listener"].distinguishable
    assert scores.leak == ""


def test_speech_that_the_true_audio_does_not_show_either_makes_no_leak(tmp_path):
    made = {"eeg": holding_listener(0), "shuffle": noise(2), "none": CONSTANT, "audio": noise(5)}
    assert judge(tmp_path, made).leak == ""


def test_which_window_it_is_helps_nobody_because_audio_is_kept_apart():
    known = np.zeros((N, N_TOKENS, N_WINDOWS * N_TOKENS), np.float32)
    for token in range(N_TOKENS):
        known[np.arange(N), token, WINDOW * N_TOKENS + token] = 1
    assert np.mean(read_out(known, ENVELOPE)) < 0.01


def test_rare_classes_weigh_as_much_as_frequent_ones():
    rare = (WINDOW % 5 == 0).astype(int)
    always_frequent = np.zeros((N, 1, 1), np.float32)
    always_frequent[0] = 1e-3  # not constant, and says nothing
    labels = Labels(np.arange(N), np.zeros(N, int), np.ones(N, int), rare.astype(float), BLOCK, ("a", "b"))
    assert np.mean(read_out(always_frequent, labels)) == pytest.approx(0.5, abs=0.03)


def test_segments_without_labels_have_no_value():
    some = ENVELOPE.segment < 10
    labels = Labels(*(getattr(ENVELOPE, name)[some] for name in ("segment", "start", "stop", "value", "group")))
    read = read_out(noise(0), labels)
    assert np.isfinite(read[:10]).all()
    assert np.isnan(read[10:]).all()


def test_verdicts_on_noise_stay_at_their_error_rate(tmp_path, monkeypatch):
    monkeypatch.setattr(readout, "N_FOLDS", 2)  # takes less time
    rng = np.random.default_rng(11)
    labels = {name: course(rng.standard_normal((N_WINDOWS, N_TOKENS))) for name in ("envelope", "onsets", "pitch")}
    labels["speaker"] = LABELS["speaker"]
    nothing = read_all(CONSTANT, labels)
    read = [read_all(noise(100 + cell), labels) for cell in range(27)]
    found = [
        verdict.distinguishable
        for eeg, control in itertools.pairwise(read)
        for verdict in judged(tmp_path, {"eeg": eeg, "shuffle": control, "none": nothing}, labels).verdict.values()
    ]
    assert len(found) == 104
    # at 5 %, 12 or more of 104 come once in 200 times
    assert sum(found) < 12

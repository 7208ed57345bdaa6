"""The simulated data set: valid BIDS, honest about what was asked, calibrated, and a twin without any relation."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mne
import mne_bids
import numpy as np
import pandas as pd
import pytest
import soundfile

from eeg2speech_bench.core.errors import StorageError, UsageError
from eeg2speech_bench.core.stages.written_files import written_files
from eeg2speech_bench.datasets.simulation import dataset as simulated
from eeg2speech_bench.datasets.simulation.auditory import (
    N_BANDS,
    AuditoryCortex,
)
from eeg2speech_bench.datasets.simulation.background import Background
from eeg2speech_bench.datasets.simulation.check import ridge_following
from eeg2speech_bench.datasets.simulation.dataset import open_simulated_root, simulate
from eeg2speech_bench.datasets.simulation.head import SphericalHead
from eeg2speech_bench.datasets.simulation.listeners import Schedule, SimulatedListener, simulate_listener
from eeg2speech_bench.datasets.simulation.settings import SimulationSettings, folder_name

SMALL = SimulationSettings(n_listeners=2, n_chans=16, stories=2, snr_db=0.0)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("simulated") / "loud", SMALL)


@pytest.fixture(scope="module")
def null_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("simulated") / "null", replace(SMALL, null=True))


@pytest.fixture(scope="module")
def raw(root: Path) -> mne.io.BaseRaw:
    return _read(root, "01")


@pytest.fixture(scope="module")
def head() -> SphericalHead:
    return SphericalHead(16, 128.0)


@pytest.fixture(scope="module")
def drives() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal((N_BANDS, n)).astype(np.float32) for name, n in (("a", 900), ("b", 1200))}


def _read(root: Path, subject: str) -> mne.io.BaseRaw:
    path = mne_bids.BIDSPath(subject=subject, task="listening", datatype="eeg", suffix="eeg", root=root)
    with mne.use_log_level("ERROR"):
        return mne_bids.read_raw_bids(path, verbose="ERROR").load_data()


def _events(root: Path, subject: str) -> pd.DataFrame:
    return pd.read_csv(root / f"sub-{subject}" / "eeg" / f"sub-{subject}_task-listening_events.tsv", sep="\t")


@pytest.mark.parametrize("ending", ["eeg.vhdr", "eeg.eeg", "eeg.vmrk", "eeg.json", "channels.tsv", "events.tsv"])
def test_each_listener_has_the_files_of_a_bids_recording(root: Path, ending: str) -> None:
    for subject in ("01", "02"):
        assert (root / f"sub-{subject}" / "eeg" / f"sub-{subject}_task-listening_{ending}").is_file()


def test_root_describes_data_set_and_participants(root: Path) -> None:
    description = json.loads((root / "dataset_description.json").read_text())
    assert description["BIDSVersion"] and description["DatasetType"] == "raw"
    assert list(pd.read_csv(root / "participants.tsv", sep="\t")["participant_id"]) == ["sub-01", "sub-02"]
    assert (root / "README").is_file()


def test_electrodes_and_their_coordinate_system_are_written(root: Path) -> None:
    assert len(pd.read_csv(next(root.glob("sub-01/eeg/*_electrodes.tsv")), sep="\t")) == 16
    assert len(list(root.glob("sub-01/eeg/*_coordsystem.json"))) == 1


def test_every_event_names_a_sound_below_stimuli_and_its_length(root: Path) -> None:
    events = _events(root, "01")
    assert set(events["trial_type"]) == {"speech"}
    assert sorted(events["stim_file"]) == sorted(path.name for path in root.glob("stimuli/*.ogg"))
    for event in events.itertuples():
        assert soundfile.info(root / "stimuli" / event.stim_file).duration == pytest.approx(event.duration, abs=1e-3)


def test_stories_do_not_overlap_and_silence_lies_between_them(root: Path) -> None:
    events = _events(root, "02")
    stops = events["onset"] + events["duration"]
    assert 1.4 < events["onset"][1] - stops[0] < 3.1


def test_transcript_beside_each_sound_holds_times_of_words(root: Path) -> None:
    for sound in root.glob("stimuli/*.ogg"):
        words = pd.read_csv(sound.with_name(f"{sound.stem}_words.tsv"), sep="\t")
        assert list(words.columns) == ["onset", "duration", "word", "sentence"] and len(words) > 50
        assert words["onset"].is_monotonic_increasing and (words["duration"] > 0).all()
        assert (words["onset"] + words["duration"]).max() <= soundfile.info(sound).duration + 0.01
        assert set(words["sentence"].diff().dropna()) == {0, 1} and words["sentence"].value_counts().max() < 40


def test_first_sentence_of_the_lighthouse_has_its_nineteen_words(root: Path) -> None:
    words = pd.read_csv(root / "stimuli" / "01_the_lighthouse_words.tsv", sep="\t")
    assert list(words.loc[words["sentence"] == 0, "word"].iloc[[0, -1]]) == ["The", "toy"]


def test_licence_of_the_sounds_travels_with_them(root: Path) -> None:
    assert (root / "stimuli" / "LICENSE.md").is_file()


def test_mne_bids_reads_back_channels_rate_and_positions(raw: mne.io.BaseRaw, head: SphericalHead) -> None:
    assert raw.ch_names == head.info["ch_names"] and raw.info["sfreq"] == 128.0 and raw.info["line_freq"] == 50.0
    got, expected = (np.array([ch["loc"][:3] for ch in info["chs"]]) for info in (raw.info, head.info))
    np.testing.assert_allclose(got, expected, atol=1e-3)


def test_mne_bids_reads_back_the_stimulus_of_each_event(raw: mne.io.BaseRaw, root: Path) -> None:
    assert [note["extras"]["stim_file"] for note in raw.annotations] == list(_events(root, "01")["stim_file"])


def test_amplitudes_are_those_of_eeg(raw: mne.io.BaseRaw) -> None:
    eeg_uv = raw.get_data() * 1e6
    typical = np.median(eeg_uv.std(1))
    assert 8 < typical < 25
    assert 80 < eeg_uv[raw.ch_names.index("Fp1")].max() < 350  # blinks


def test_recording_is_referenced_to_the_average(raw: mne.io.BaseRaw, root: Path) -> None:
    assert np.abs(raw.get_data().mean(0)).max() < 1e-9
    sidecar = json.loads((root / "sub-01/eeg/sub-01_task-listening_eeg.json").read_text())
    assert sidecar["EEGReference"] == "average" and sidecar["PowerLineFrequency"] == 50.0


def test_same_seed_gives_the_same_data(root: Path, tmp_path: Path, raw: mne.io.BaseRaw) -> None:
    again = simulate(tmp_path / "again", replace(SMALL, n_listeners=1))
    np.testing.assert_array_equal(_read(again, "01").get_data(), raw.get_data())
    assert _events(again, "01").equals(_events(root, "01"))


def test_eeg_follows_speech_and_that_of_the_null_twin_does_not(root: Path, null_root: Path) -> None:
    following, unrelated = ridge_following(root), ridge_following(null_root)
    assert (following.r > 0.5).all()
    assert np.abs(unrelated.r).max() < 0.15  # 4 standard deviations of the shifts
    assert np.abs(following.shifted_r.mean()) < 0.05


def test_missing_folder_is_made_once_and_then_returned(tmp_path: Path) -> None:
    lines: list[str] = []
    settings = replace(SMALL, n_listeners=1, stories=1)
    first = open_simulated_root(tmp_path / "cache", settings, lines.append)
    second = open_simulated_root(tmp_path / "cache", settings, lines.append)
    assert first == second and first.name == folder_name(settings)
    assert lines == ["simulating listener 1 of 1"]


def _truncate(root: Path) -> None:
    (recording,) = root.glob("sub-01/eeg/*.eeg")
    recording.write_bytes(recording.read_bytes()[:-4000])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_truncate, r"_eeg\.eeg has \d+ bytes instead of \d+"),
        (lambda root: (root / "participants.tsv").unlink(), r"participants\.tsv is missing"),
        (lambda root: root.with_name(f".{root.name}.json").write_text("{"), "it is not known what it was made of"),
    ],
)
def test_a_damaged_data_set_of_the_cache_is_named_and_made_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, root: Path, damage: Callable[[Path], object], said: str
) -> None:
    monkeypatch.setattr(simulated, "simulate", lambda place, *_: shutil.copytree(root, place))
    made, lines = open_simulated_root(tmp_path, SMALL), list[str]()
    whole = written_files(made)
    damage(made)
    assert written_files(open_simulated_root(tmp_path, SMALL, lines.append)) == whole
    assert len(lines) == 1 and re.search(rf"{said}\. It is removed and made again", lines[0])


def test_what_a_killed_process_left_of_a_data_set_is_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(simulated, "simulate", lambda place, *_: place.mkdir())
    left, recent = (tmp_path / f".{folder_name(SMALL)}.{name}.partial" for name in ("old", "recent"))
    left.mkdir()
    recent.mkdir()
    os.utime(left, (0, 0))
    open_simulated_root(tmp_path, SMALL)
    assert (left.exists(), recent.exists()) == (False, True)


def test_folder_name_changes_with_every_setting() -> None:
    changes = {"n_listeners": 3, "n_chans": 32, "sfreq": 256.0, "snr_db": 1.0, "seed": 1, "null": True, "stories": 1}
    changes["session"] = 1
    names = {folder_name(replace(SMALL, **{key: value})) for key, value in changes.items()}
    assert len(names | {folder_name(SMALL)}) == 9
    assert set(changes) == set(SimulationSettings.__dataclass_fields__)


@pytest.mark.parametrize("changed", ["story.ogg", "story.json"])
def test_folder_name_changes_with_sound_and_transcript(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changed: str
) -> None:
    for file in ("story.ogg", "story.json"):
        (tmp_path / file).write_bytes(b"as it was")
    monkeypatch.setattr(simulated.speech, "story_path", lambda name: tmp_path / "story.ogg")
    before = folder_name(SMALL)
    (tmp_path / changed).write_bytes(b"changed")
    assert folder_name(SMALL) != before


def test_failure_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*args: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(simulated, "simulate_listener", fail)
    with pytest.raises(StorageError, match=rf"The disk of {tmp_path / 'root'} is full"):
        simulate(tmp_path / "root", replace(SMALL, stories=1))
    assert list(tmp_path.iterdir()) == []


def test_folder_that_holds_something_is_not_overwritten(root: Path) -> None:
    with pytest.raises(StorageError, match=r"is not empty\. Choose another folder"):
        simulate(root, SMALL)


def test_more_stories_than_there_are_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Too many stories asked for: got 1000, expected at most \d+"):
        simulate(tmp_path / "root", replace(SMALL, stories=1000))


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_listeners", 0), ("n_chans", 20), ("sfreq", 32.0), ("snr_db", np.nan), ("seed", -1), ("stories", 0)],
)
def test_setting_that_makes_no_data_set_is_refused(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"Simulation setting {name} is wrong: got {value}, expected"):
        SimulationSettings(**{name: value})


def test_power_of_response_follows_snr_and_background_stays(head: SphericalHead, drives: dict) -> None:
    quiet, loud = (simulate_listener(head, drives, replace(SMALL, snr_db=snr), 0) for snr in (-20.0, 0.0))
    np.testing.assert_allclose(loud.response, 10 * quiet.response, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(loud.background, quiet.background)


def test_other_seed_and_other_listener_differ(head: SphericalHead, drives: dict) -> None:
    base, *others = (
        simulate_listener(head, drives, replace(SMALL, seed=seed), listener)
        for seed, listener in ((0, 0), (1, 0), (0, 1))
    )
    for other in others:
        n_times = min(base.schedule.n_times, other.schedule.n_times)
        assert abs(np.corrcoef(base.eeg[0, :n_times], other.eeg[0, :n_times])[0, 1]) < 0.5


def test_null_twin_keeps_background_and_power_and_changes_only_what_is_heard(head: SphericalHead, drives: dict) -> None:
    true, null = (simulate_listener(head, drives, replace(SMALL, null=null), 0) for null in (False, True))
    np.testing.assert_array_equal(true.background, null.background)
    assert true.schedule == null.schedule
    assert np.mean(null.response**2) == pytest.approx(np.mean(true.response**2), rel=1e-4)
    correlation = np.corrcoef(true.response.ravel(), null.response.ravel())[0, 1]
    assert abs(correlation) < 0.1


def test_null_twin_does_not_show_where_stories_start(head: SphericalHead, drives: dict) -> None:
    true, null = (simulate_listener(head, drives, replace(SMALL, null=null), 0) for null in (False, True))
    before_first_story = slice(0, min(true.schedule.onsets.values()))
    assert np.abs(true.response[:, before_first_story]).max() < 1e-4
    assert np.abs(null.response[:, before_first_story]).max() > 0.1


def test_null_twin_hears_something_else_for_every_listener(head: SphericalHead, drives: dict) -> None:
    first, second = (simulate_listener(head, drives, replace(SMALL, null=True), n).response[0] for n in (0, 1))
    n_times = min(len(first), len(second))
    spectra = np.conj(np.fft.rfft(first, 2 * n_times)) * np.fft.rfft(second, 2 * n_times)
    aligned = np.fft.irfft(spectra) / np.linalg.norm(first) / np.linalg.norm(second)
    assert abs(aligned[0]) < 0.1


def test_schedule_presents_each_story_once_in_the_listeners_own_order() -> None:
    lengths = dict.fromkeys("abcdefgh", 100)
    orders = [list(Schedule.draw(lengths, 128.0, np.random.default_rng(seed)).onsets) for seed in (0, 1)]
    assert sorted(orders[0]) == sorted(orders[1]) == list("abcdefgh") and orders[0] != orders[1]


def test_response_to_a_click_has_the_polarity_and_times_of_p1_n1_p2() -> None:
    head, sfreq = SphericalHead(32, 512.0), 512.0
    click = np.zeros((N_BANDS, 512), dtype=np.float32)
    click[:, 0] = 1
    listeners = [AuditoryCortex(np.random.default_rng(seed)).respond(head, click) for seed in range(8)]
    vertex = np.mean(listeners, axis=0)[head.info["ch_names"].index("Cz")]
    n1 = vertex.argmin()
    assert n1 / sfreq == pytest.approx(0.110, abs=0.02)
    assert vertex[:n1].argmax() / sfreq == pytest.approx(0.055, abs=0.02)
    assert (n1 + vertex[n1:].argmax()) / sfreq == pytest.approx(0.190, abs=0.03)
    assert vertex[:n1].max() > 0 > vertex[n1] and vertex[n1:].max() > 0


def test_response_reverses_between_vertex_and_temporal_electrodes() -> None:
    """The Sylvian polarity reversal of tangential dipoles in the supratemporal plane."""
    head = SphericalHead(32, 128.0)
    gain = head.gain(np.array([[0.05, -0.01, 0.01]]), np.array([[0.0, 0.3, 0.9]]))[:, 0]
    names = head.info["ch_names"]
    assert gain[names.index("Cz")] > 0 > gain[names.index("T8")]
    assert abs(gain.mean()) < 1e-4


def test_dipole_outside_the_brain_is_drawn_in() -> None:
    head = SphericalHead(16, 128.0)
    far, rim = np.array([[0.0, 0.0, 0.2]]), np.array([[0.0, 0.0, 0.95 * head.brain_radius_m]])
    up = np.array([[0.0, 0.0, 1.0]])
    np.testing.assert_allclose(head.gain(far, up), head.gain(rim, up), rtol=1e-5)


def test_background_has_falling_spectrum_alpha_and_line_noise() -> None:
    head = SphericalHead(16, 128.0)
    eeg = Background(head, 128 * 60, np.random.default_rng(0)).total()
    power, hz = mne.time_frequency.psd_array_welch(eeg, 128.0, n_fft=512, verbose="ERROR")
    power = power.mean(0)

    def at(low_hz: float, high_hz: float) -> float:
        return float(power[(hz >= low_hz) & (hz <= high_hz)].mean())

    assert at(1, 3) > 3 * at(15, 25) > 3 * at(35, 45)
    assert at(9, 11) > 2 * at(5, 7)
    assert at(49.5, 50.5) > 2 * at(40, 45)


def test_background_of_neighbouring_electrodes_correlates() -> None:
    head = SphericalHead(32, 128.0)
    correlation = np.corrcoef(Background(head, 128 * 60, np.random.default_rng(0)).ongoing)
    names = head.info["ch_names"]
    assert correlation[names.index("CP1"), names.index("P3")] > 0.5
    assert correlation[names.index("CP1"), names.index("P3")] > correlation[names.index("CP1"), names.index("F8")]


@pytest.mark.slow
def test_default_is_calibrated_like_a_good_listener_and_its_twin_is_at_chance(tmp_path: Path) -> None:
    following = ridge_following(simulate(tmp_path / "true", SimulationSettings()))
    unrelated = ridge_following(simulate(tmp_path / "null", SimulationSettings(null=True)))
    assert 0.20 < following.r.mean() < 0.30 and following.r.min() > 0.1
    assert abs(unrelated.r.mean()) < 0.025


def _listener(listener: int, session: int) -> SimulatedListener:
    rng = np.random.default_rng(0)
    drives = {name: np.abs(rng.standard_normal((N_BANDS, 2000))) for name in "ab"}
    settings = SimulationSettings(n_chans=16, session=session)
    return simulate_listener(SphericalHead(16, settings.sfreq), drives, settings, listener)


def _pattern(listener: SimulatedListener) -> np.ndarray:
    """The direction over channels in which a response varies most."""
    return np.linalg.svd(listener.response, full_matrices=False)[0][:, 0]


def test_another_session_is_the_same_listener_with_another_background():
    first, again, other = _listener(0, 0), _listener(0, 1), _listener(1, 0)
    assert abs(_pattern(first) @ _pattern(again)) > 0.99 > abs(_pattern(first) @ _pattern(other))
    n = min(first.background.shape[1], again.background.shape[1])
    assert abs(np.corrcoef(first.background[0, :n], again.background[0, :n])[0, 1]) < 0.3


def test_the_first_session_keeps_its_name():
    assert folder_name(SimulationSettings()) == folder_name(SimulationSettings(session=0))
    assert folder_name(SimulationSettings()) != folder_name(SimulationSettings(session=1))

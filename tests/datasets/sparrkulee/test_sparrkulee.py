"""SparrKULee: BioSemi files placed by pulses, sounds as NumPy archives, and the authors' derivatives."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pytest
from planted import LATER_S, bumps, late_in_recordings_s, late_in_windows_s, prepared

from eeg2speech_bench.core.errors import DataError, UsageError
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.datasets.opening import open_sparrkulee_folder
from eeg2speech_bench.datasets.sparrkulee.alignment import place_by_pulses
from eeg2speech_bench.datasets.sparrkulee.bdf_status import status_facts
from eeg2speech_bench.datasets.sparrkulee.dataset import open_sparrkulee
from eeg2speech_bench.datasets.sparrkulee.raw_release import load_recording
from eeg2speech_bench.datasets.sparrkulee.sounds import pulse_facts

#: the published rate is 8192 Hz; all else of the container is as published
SFREQ, RATE_HZ, N_ELECTRODES = 1024, 48_000, 64
#: seconds of the sounds, of the EEG before them, and by how much its clock is fast
SOUNDS_S, LEAD_S, RATIO = {"audiobook_7_5": 16.401, "podcast_1": 19.37, "audiobook_1": 18.3}, 2.71828, 1.0001
CLICKS_S = np.arange(1.337, 15.5, 1.2113)
IDLE, PULSE = 0x80, 0x81
RUNS = [
    ("sub-001", "varyingStories01", "listeningActive_run-01", "audiobook_7_5"),
    ("sub-001", "varyingStories01", "listeningActive_run-02", "podcast_1"),
    ("sub-002", "varyingStories01", "listeningActive_run-01", "audiobook_1"),
]


def played_pulses_s(sound):
    """Pulses are a second apart, and the last is at the end of the sound."""
    return [*np.arange(np.floor(SOUNDS_S[sound]) + 1).tolist(), SOUNDS_S[sound] - 0.009]


def write_npz(path, samples):
    path.parent.mkdir(parents=True, exist_ok=True)
    held = io.BytesIO()
    np.savez(held, audio=samples.astype(np.float32), fs=np.int64(RATE_HZ))
    path.write_bytes(gzip.compress(held.getvalue(), 1))


def write_bdf(path, eeg_uv, triggers, compressed=True):
    """Write a BioSemi file of one-second records: electrodes, an external electrode and the status, 24 bits each."""
    labels = [f"{row}{k}" for row in "AB" for k in range(1, 33)] + ["EXG1", "Status"]
    n, n_records = len(labels), eeg_uv.shape[1] // SFREQ
    scaled = np.round(eeg_uv[:, : n_records * SFREQ] * 32).astype(np.int32)
    status = triggers[: n_records * SFREQ].astype(np.int32) | 0x100000  # a bit of the amplifier's own
    digital = np.concatenate([scaled, np.zeros((1, scaled.shape[1]), np.int32), status[None]])
    fields = [
        (labels, 16), (["electrode"] * n, 80), (["uV"] * (n - 1) + ["Boolean"], 8), (["-262144"] * n, 8),
        (["262144"] * n, 8), (["-8388608"] * n, 8), (["8388607"] * n, 8), ([""] * n, 80), ([str(SFREQ)] * n, 8),
        ([""] * n, 32),
    ]  # fmt: skip
    head = b"\xffBIOSEMI" + b" " * 160 + b"01.01.2101.01.01" + f"{256 * (n + 1):<8}{'24BIT':<44}".encode()
    head += f"{n_records:<8}{'1':<8}{n:<4}".encode()
    signals = "".join(value.ljust(width) for values, width in fields for value in values).encode()
    records = digital.reshape(n, n_records, SFREQ).transpose(1, 0, 2)
    body = np.ascontiguousarray(records).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(head + signals + body, 1) if compressed else head + signals + body)


def write_run(root, subject, session, task, sound, lost=slice(None)):
    """Write a run whose recording lacks the pulses that ``lost`` leaves out."""
    n = round((LEAD_S + (SOUNDS_S[sound] + 3) * RATIO) * SFREQ)
    eeg = np.random.default_rng(len(task)).standard_normal((N_ELECTRODES, n)) + 4000.0
    eeg[0] = 0.1 * eeg[0] + bumps(n, SFREQ, LEAD_S + CLICKS_S * RATIO + LATER_S, 40.0)
    triggers = np.full(n, IDLE)
    for pulse_s in np.array(played_pulses_s(sound)[lost]):
        first = round((LEAD_S + pulse_s * RATIO) * SFREQ)
        triggers[first : first + 3] = PULSE
    folder = root / subject / f"ses-{session}" / "eeg"
    name = f"{subject}_ses-{session}_task-{task}"
    write_bdf(folder / f"{name}_eeg.bdf.gz", eeg, triggers)
    header = "onset\tduration\tstim_file\ttrigger_file\tnoise_file\tvideo_file\tcondition\tsnr\n"
    row = f"2.6\t16.4\teeg/{sound}.npz.gz\teeg/t_{sound}.npz.gz\teeg/noise.npz.gz\tn/a\tin_noise\t-4\n"
    (folder / f"{name}_events.tsv").write_text(header + row)
    return folder / f"{name}_eeg.bdf.gz"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("sparrkulee")
    for k, (sound, seconds) in enumerate(SOUNDS_S.items()):
        samples = 1e-2 * np.random.default_rng(k).standard_normal(round(seconds * RATE_HZ))
        samples[np.round(CLICKS_S * RATE_HZ).astype(int)] += 0.7
        write_npz(root / "stimuli" / "eeg" / f"{sound}.npz.gz", samples)
        track = np.zeros(len(samples))
        for pulse_s in played_pulses_s(sound):
            track[round(pulse_s * RATE_HZ) :][:48] = 0.999
        write_npz(root / "stimuli" / "eeg" / f"t_{sound}.npz.gz", track)
    # the third recording lost the first pulse, which leaves the rest a second late
    for (subject, session, task, sound), lost in zip(RUNS, (slice(None), slice(0, -1), slice(1, None)), strict=True):
        write_run(root, subject, session, task, sound, lost)
    rest = root / "sub-001" / "ses-varyingStories01" / "eeg" / "sub-001_ses-varyingStories01_task-restingState_run-03"
    rest.with_name(f"{rest.name}_eeg.bdf.gz").write_bytes(b"")
    rest.with_name(f"{rest.name}_events.tsv").write_text("onset\tduration\tstim_file\ttrigger_file\n0\t60\tn/a\tn/a\n")
    return root


@pytest.fixture(scope="module")
def hashes(tmp_path_factory):
    return FileHashes(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def dataset(root, hashes):
    return open_sparrkulee(root, hashes=hashes)


def planted(dataset):
    return {stimulus.name: CLICKS_S for stimulus in dataset.stimuli}


def test_clicks_meet_their_answers_whichever_pulse_was_lost(dataset):
    late_s = late_in_recordings_s(dataset, planted(dataset))
    assert len(late_s) == len(RUNS) * len(CLICKS_S)
    assert np.abs(late_s).max() < 1e-3


def test_eeg_and_sound_meet_in_prepared_windows(dataset, tmp_path):
    late_s = late_in_windows_s(prepared(dataset, tmp_path, 128.0, fractions=[0.4, 0.2, 0.4]), planted(dataset))
    assert len(late_s) > 10
    assert abs(late_s.mean()) < 1e-3


def test_the_clocks_are_fitted_and_the_record_says_so(dataset):
    first = dataset.recordings[0]
    (heard,) = first.presentations
    assert heard.onset_s == pytest.approx(LEAD_S, abs=5e-4)
    assert heard.clock_ratio == pytest.approx(RATIO, abs=3e-5)
    assert first.notes[0].startswith("placed by 18 pulses, +118 ms from events.tsv")
    assert "heard in_noise at -4 dB" in first.notes


def test_rest_is_skipped_with_the_reason(dataset):
    name = "sub-001_ses-varyingStories01_task-restingState_run-03"
    assert dataset.skipped == ((name, "its events name no sound (rest)"),)


def test_eeg_is_thinned_in_volts_on_the_cap(dataset):
    raw = dataset.recordings[0].load()
    assert (len(raw.ch_names), raw.ch_names[47], raw.info["sfreq"]) == (64, "Cz", 512.0)
    assert raw.get_data(picks=["Cz"]).mean() == pytest.approx(4e-3, rel=0.01)


def test_recordings_that_the_authors_leave_out_are_left_out(root, tmp_path):
    (tmp_path / "stimuli").symlink_to(root / "stimuli")
    write_run(tmp_path, "sub-006", "shortstories01", "listeningActive_run-06", "podcast_1")
    with pytest.raises(DataError, match="its sound is not the one that is named, as the authors found"):
        open_sparrkulee(tmp_path)


def test_a_truncated_recording_is_named(root, tmp_path):
    (tmp_path / "stimuli").symlink_to(root / "stimuli")
    path = write_run(tmp_path, *RUNS[0])
    path.write_bytes(path.read_bytes()[:200_000])
    with pytest.raises(DataError, match=r"run-01_eeg\.bdf\.gz cannot be read: got EOFError.*Download it again"):
        open_sparrkulee(tmp_path)


def test_an_unpacked_recording_that_lacks_records_is_named(tmp_path):
    write_bdf(tmp_path / "a.bdf", np.zeros((N_ELECTRODES, 3 * SFREQ)), np.full(3 * SFREQ, IDLE), compressed=False)
    content = (tmp_path / "a.bdf").read_bytes()
    (tmp_path / "a.bdf").write_bytes(content[: len(content) - 3 * SFREQ * 66])
    with pytest.raises(DataError, match=r"a\.bdf cannot be read: got 2 records of 3"):
        status_facts(tmp_path / "a.bdf")


def test_a_missing_sound_is_named(root, tmp_path):
    write_run(tmp_path, *RUNS[0])
    with pytest.raises(DataError, match=r"is not there: got 'eeg/audiobook_7_5\.npz\.gz'"):
        open_sparrkulee(tmp_path)


def test_a_damaged_sound_is_named(root, tmp_path):
    write_run(tmp_path, *RUNS[0])
    path = tmp_path / "stimuli" / "eeg" / "audiobook_7_5.npz.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes((root / "stimuli" / "eeg" / "audiobook_7_5.npz.gz").read_bytes()[:1000])
    with pytest.raises(DataError, match=r"audiobook_7_5\.npz\.gz cannot be read"):
        open_sparrkulee(tmp_path)


# Pulses


UNIFORM_S = np.arange(10.0)


def test_pulses_of_equal_distance_are_told_apart_by_the_events():
    recorded_s = 5.0 + UNIFORM_S[1:]
    assert place_by_pulses(recorded_s, UNIFORM_S, 5.2, "x")[0] == pytest.approx(5.0)
    assert place_by_pulses(recorded_s, UNIFORM_S, 6.2, "x")[0] == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("recorded_s", "message"),
    [
        (5.0 + UNIFORM_S[1:], "got 9 pulses, 0 placements"),
        (5.0 + UNIFORM_S[2:], "got 8 pulses, 0 placements"),
        (5.0 + 1.01 * UNIFORM_S, "got 10 pulses, 0 placements"),
        (5.0 + UNIFORM_S + [0, 0, 0, 0, 0.01, 0, 0, 0, 0, 0], "got 10 pulses, 0 placements"),
    ],
)
def test_pulses_that_place_no_sound_are_refused(recorded_s, message):
    with pytest.raises(DataError, match=message):
        place_by_pulses(recorded_s, UNIFORM_S, float("nan"), "x")


# Derivatives, and published files


@pytest.fixture
def published(realdata):
    return realdata / "sparrkulee_brainpipe" / "tests" / "test_data"


def test_the_published_derivatives_are_two_listeners_of_one_story(published):
    dataset = open_sparrkulee(published / "truncated_sparrKULee")
    assert [r.subject for r in dataset.recordings] == ["027", "031"]
    (stimulus,) = dataset.stimuli
    assert (stimulus.name, stimulus.duration_s) == ("audiobook_7_5", 7642 / 64)
    assert {r.presentations[0].duration_s for r in dataset.recordings} == {7642 / 64}
    raw = dataset.recordings[0].load()
    assert (raw.n_times, raw.ch_names[0]) == (7808, "Fp1")
    assert 1e-6 < raw.get_data().std() < 1e-4


def test_the_published_trigger_track_has_a_pulse_each_second_and_one_at_the_end(published):
    path = published / "truncated_sparrKULee" / "stimuli" / "eeg" / "t_audiobook_7_5.npz.gz"
    pulses_s = pulse_facts(path)["pulses_s"]
    assert pulses_s[:3] == pytest.approx([0.0, 1.0, 2.0], abs=1e-4)
    assert pulses_s[-1] == pytest.approx(119.401, abs=1e-3)


def test_the_published_files_of_biosemi_are_read(published):
    facts = status_facts(published / "Newtest17-2048.bdf.gz")
    assert (facts["sfreq"], facts["n_samples"], facts["labels"][-1]) == (2048.0, 60 * 2048, "Status")
    raw = load_recording(published / "Newtest17-2048.bdf.gz")
    assert (raw.info["sfreq"], raw.n_times, len(raw.ch_names)) == (512.0, 60 * 512, 16)


def test_derivatives_without_their_envelope_are_refused(tmp_path):
    folder = tmp_path / "derivatives" / "preprocessed_eeg" / "sub-001" / "ses-shortstories01"
    folder.mkdir(parents=True)
    name = "sub-001_ses-shortstories01_task-listeningActive_run-01_desc-preproc-audio-audiobook_1_eeg.npy"
    np.save(folder / name, np.zeros((64, 640)))
    with pytest.raises(DataError, match=r"is not there: got no audiobook_1_-_envelope\.npy"):
        open_sparrkulee(tmp_path)


def test_another_value_of_the_option_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"Unknown value of option eeg of data set 'sparrkulee': got 'row'"):
        open_sparrkulee_folder(f"{tmp_path},eeg=row", tmp_path, lambda line: None)


def test_a_folder_without_recordings_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no recording of SparrKULee that can be used: got no file"):
        open_sparrkulee(tmp_path)


@pytest.mark.slow
def test_the_command_of_its_page_runs_to_a_record(root, typed):
    ran = typed(f"sparrkulee:{root}")
    assert ran.record.dataset.name == "sparrkulee"

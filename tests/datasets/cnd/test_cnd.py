"""Data sets in CND, written in both versions of MATLAB's files and with the quirks of the published ones."""

from __future__ import annotations

import matio
import numpy as np
import pytest
from planted import LATER_S, bumps, late_in_recordings_s, late_in_windows_s, prepared

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.datasets.cnd.dataset import open_cnd

SFREQ, RATE_HZ = 128.0, 64.0
#: seconds of each stimulus, by which the EEG is longer, and before the sound; what is planted in each
SOUNDS_S, LONGER_S, PADDING_S = (24.0, 27.5, 26.25, 30.0, 25.0, 24.5), 0.75, 0.5
PLANTED_S = np.arange(1.337, 23.5, 1.7113)
FEATURES = ["Speech Envelope Vectors", "Word Onset Vectors", "Spectrogram"]


def cells(values, shape):
    array = np.empty(shape, dtype=object)
    for place, value in zip(np.ndindex(shape), values, strict=True):
        array[place] = value
    return array


def chanlocs(n_chans):
    """EEGLAB's structures: x to the nose, y to the left ear, without a unit; MATLAB has 1 x n_chans of them."""
    kinds = [(name, object) for name in ("labels", "X", "Y", "Z", "urchan")]
    located = np.empty((1, n_chans), dtype=kinds)
    for k, angle in enumerate(np.linspace(0, 2 * np.pi, n_chans, endpoint=False)):
        located[0, k] = (f"A{k + 1}", np.cos(angle), np.sin(angle), 0.25, k + 1.0)
    return located


def neural(listener, order, **changes):
    rng = np.random.default_rng(listener)
    trials = []
    for k in order:
        n = round((PADDING_S + SOUNDS_S[k] + LONGER_S) * SFREQ)
        trial = rng.standard_normal((n, 8)) + 7000.0  # published files keep BioSemi's offsets
        trial[:, 0] = 0.1 * trial[:, 0] + bumps(n, SFREQ, PADDING_S + PLANTED_S + LATER_S, 40.0)
        trials.append(trial)
    fields = {
        "dataType": "EEG",
        "deviceName": "BioSemi",
        "origTrialPosition": np.arange(len(order))[::-1][None] + 1.0,
        "fs": SFREQ,
        "data": cells(trials, (1, len(order))),
        "extChan": {"description": "Mastoids", "data": cells([t[:, :2] for t in trials], (1, len(order)))},
        "chanlocs": chanlocs(8),
        "paddingStartSample": PADDING_S * SFREQ,
    }
    return {key: value for key, value in (fields | changes).items() if value is not None}


def stimuli(order, **changes):
    columns = []
    for feature, width in zip(FEATURES, (1, 1, 16), strict=True):
        for k in order:
            rng = np.random.default_rng(100 + k)
            values = 0.1 * rng.random((round(SOUNDS_S[k] * RATE_HZ), width))
            if feature == FEATURES[0]:
                values[:, 0] += bumps(len(values), RATE_HZ, PLANTED_S, 5.0)
            columns.append(values)
    fields = {
        "names": cells(FEATURES, (1, 3)),
        "data": cells(columns, (3, len(order))),
        "stimIdxs": np.array([[k + 1.0 for k in order]]),
        "condIdxs": np.ones((1, len(order))),
        "condNames": cells(["Listening"], (1, 1)),
        "fs": RATE_HZ,
    }
    return {key: value for key, value in (fields | changes).items() if value is not None}


def write(path, version="v7", **variables):
    path.parent.mkdir(parents=True, exist_ok=True)
    matio.save_to_mat(str(path), variables, version=version, do_compression=False)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two listeners; the second hears the sounds in an order of its own, by a stimulus file of its own."""
    root = tmp_path_factory.mktemp("cnd") / "LalorNatSpeech"
    order, other = list(range(6)), [3, 1, 0, 5, 4, 2]
    write(root / "dataCND" / "dataSub1.mat", eeg=neural(1, order))
    write(root / "dataCND" / "dataStim.mat", stim=stimuli(order))
    write(root / "dataCND" / "dataSub2.mat", neural=neural(2, other))
    write(root / "dataCND" / "dataStim2.mat", stim=stimuli(other))
    return root


@pytest.fixture
def edited(tmp_path):
    """Write one listener with two sounds, changed by a test; the folder it returns is a data set."""

    def edit(eeg=None, stim=None, version="v7"):
        write(tmp_path / "set" / "dataSub1.mat", version, eeg=neural(1, [0, 1], **(eeg or {})))
        write(tmp_path / "set" / "dataStim.mat", version, stim=stimuli([0, 1], **(stim or {})))
        return tmp_path / "set"

    return edit


def planted(dataset):
    return {stimulus.name: PLANTED_S for stimulus in dataset.stimuli}


def test_what_is_planted_is_where_the_recordings_say(root):
    dataset = open_cnd(root)
    late_s = late_in_recordings_s(dataset, planted(dataset))
    assert len(late_s) == 2 * 6 * len(PLANTED_S)
    assert np.abs(late_s).max() < 1e-3


def test_eeg_and_envelope_meet_in_prepared_windows(root, tmp_path):
    dataset = open_cnd(root)
    late_s = late_in_windows_s(prepared(dataset, tmp_path, SFREQ), planted(dataset))
    assert len(late_s) > 100
    assert abs(late_s.mean()) < 1e-3


def test_files_of_version_7_3_are_read_alike(edited, tmp_path):
    dataset = open_cnd(edited(version="v7.3"))
    late_s = late_in_recordings_s(dataset, planted(dataset))
    assert len(late_s) == 2 * len(PLANTED_S)
    assert np.abs(late_s).max() < 1e-3
    assert (tmp_path / "set" / "dataSub1.mat").read_bytes()[512:520] == b"\x89HDF\r\n\x1a\n"


def test_listeners_of_one_sound_hear_one_stimulus_in_their_own_order(root):
    dataset = open_cnd(root)
    assert (dataset.name, dataset.sound_kind, len(dataset.stimuli)) == ("LalorNatSpeech", "envelope", 6)
    first, second = ([p.stimulus_id for p in r.presentations] for r in dataset.recordings)
    assert second == [first[k] for k in [3, 1, 0, 5, 4, 2]]
    assert [p.duration_s for p in dataset.recordings[0].presentations] == list(SOUNDS_S)


def test_positions_turn_from_the_axes_of_eeglab_to_metres(root):
    raw = open_cnd(root).recordings[0].load()
    assert raw.ch_names[0] == "A1"
    right, front, up = raw.info["chs"][0]["loc"][:3]  # x = 1 points to the nose
    assert (right, front) == pytest.approx((0.0, 0.0922), abs=1e-3)
    assert up == pytest.approx(0.023, abs=1e-3)


def test_a_second_opening_reads_no_trial_again(root, tmp_path, monkeypatch):
    first = open_cnd(root, hashes=FileHashes(tmp_path))
    monkeypatch.setattr(matio, "load_from_mat", lambda *args, **named: pytest.fail("read again"))
    second = open_cnd(root, hashes=FileHashes(tmp_path))
    assert (second.revision, second.recordings[1].presentations) == (first.revision, first.recordings[1].presentations)


def test_the_revision_follows_the_envelopes_and_the_choice_of_one(edited):
    before = open_cnd(edited()).revision
    assert open_cnd(edited(), feature="Word Onset Vectors").revision != before
    changed = stimuli([0, 1])["data"]
    changed[0, 0][5] += 0.1
    assert open_cnd(edited(stim={"data": changed})).revision != before


def test_a_single_trial_may_have_lost_its_cell(tmp_path):
    write(tmp_path / "dataSub1.mat", eeg=neural(1, [0], data=neural(1, [0])["data"][0, 0]))
    one = stimuli([0])["data"][0, 0]
    write(tmp_path / "dataStim.mat", stim=stimuli([0], names="Speech Envelope Vectors", data=one))
    (recording,) = open_cnd(tmp_path).recordings
    assert [p.duration_s for p in recording.presentations] == [24.0]


def test_what_was_imagined_is_left_out(edited):
    names = cells(["Listening", "Imagery"], (1, 2))
    dataset = open_cnd(edited(stim={"condIdxs": np.array([[2.0, 1.0]]), "condNames": names}))
    (recording,) = dataset.recordings
    assert [p.duration_s for p in recording.presentations] == [27.5]
    assert "left out 1 trials in which nothing was heard but imagined" in recording.notes


def test_files_without_indices_and_names_are_read(edited):
    dataset = open_cnd(edited({"chanlocs": None, "deviceName": None}, {"stimIdxs": None, "condIdxs": None}))
    assert dataset.recordings[0].channels[:2] == ("E1", "E2")
    assert "channels have neither names nor positions" in dataset.recordings[0].notes
    assert [s.name for s in dataset.stimuli] == ["stimulus 1 of dataStim.mat", "stimulus 2 of dataStim.mat"]


def test_an_unnamed_cap_of_biosemi_is_that_of_mne(edited):
    trials = cells([np.random.default_rng(0).standard_normal((4000, 64)) for _ in range(2)], (1, 2))
    dataset = open_cnd(edited({"chanlocs": None, "data": trials}))
    raw = dataset.recordings[0].load()
    assert (raw.ch_names[0], raw.ch_names[63]) == ("Fp1", "O2")
    assert np.linalg.norm(raw.info["chs"][0]["loc"][:3]) == pytest.approx(0.095, abs=0.01)


def test_an_empty_file_of_the_archive_is_skipped_with_the_reason(edited):
    root = edited()
    (root / "dataSub2.mat").write_bytes(b"")
    assert open_cnd(root).skipped == (("dataSub2", "the file is empty"),)


@pytest.mark.parametrize(
    ("eeg", "stim", "message"),
    [
        ({"dataType": "fNIRS"}, {}, r"holds no EEG: got dataType 'fNIRS'"),
        ({"chanlocs": chanlocs(7)}, {}, r"got 8 columns in a trial, 7 in chanlocs"),
        ({"data": neural(1, [0, 1, 2])["data"]}, {}, r"got 3 trials of EEG, 2 of stimuli"),
        ({"fs": 0.0}, {}, r"has no sampling rate"),
        ({}, {"names": cells(["Spectrogram", "Words", "Phonemes"], (1, 3))}, r"not one feature that is 'envelope'"),
        ({}, {"names": cells(["a", "b", "Envelope"], (1, 3))}, r"Feature 'Envelope' of .* is no envelope"),
        ({}, {"data": None}, r"is not a stimulus file of CND: got no field data"),
    ],
)
def test_files_that_contradict_each_other_are_named(edited, eeg, stim, message):
    with pytest.raises(DataError, match=message):
        open_cnd(edited(eeg, stim))


def test_a_truncated_file_is_named(edited):
    root = edited()
    path = root / "dataSub1.mat"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"dataSub1\.mat cannot be read.*Download it again"):
        open_cnd(root)


def test_a_missing_stimulus_file_is_named(edited):
    root = edited()
    (root / "dataStim.mat").unlink()
    with pytest.raises(DataError, match=r"has no stimulus file: got neither dataStim1\.mat nor dataStim\.mat"):
        open_cnd(root)


def test_a_folder_without_files_is_refused(tmp_path):
    with pytest.raises(DataError, match="is not one data set in CND: got no neural file"):
        open_cnd(tmp_path)


def test_the_published_excerpt_is_read(realdata):
    dataset = open_cnd(realdata / "cnd_naplib_tests")
    (recording,) = dataset.recordings
    assert (recording.channels, len(recording.presentations)) == (("A1", "A2", "A3", "A4"), 20)
    raw = recording.load()
    assert (raw.info["sfreq"], raw.n_times, len(raw.annotations)) == (128.0, 220, 19)
    assert raw.get_data()[0, 0] == pytest.approx(6953.64599609e-6)
    (top,) = (c["loc"][:3] for c in raw.info["chs"] if c["ch_name"] == "A1")
    assert top == pytest.approx([0.0, 0.0, 0.095], abs=1e-6)
    assert dataset.stimuli[0].load().values[0] == pytest.approx(0.03043431)


@pytest.mark.slow
def test_the_command_of_its_page_runs_to_a_record(root, typed):
    ran = typed(f"cnd:{root}")
    assert ran.record.dataset.name == "LalorNatSpeech"

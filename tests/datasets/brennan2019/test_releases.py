"""Each release is found, typed and referred as it is; what lacks a part or holds another is refused by name."""

from __future__ import annotations

import os
import shutil

import mne
import numpy as np
import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.brennan2019.dataset import open_brennan2019
from eeg2speech_bench.datasets.brennan2019.electrodes import places
from eeg2speech_bench.datasets.brennan2019.options import Options

ELECTRODES = [str(n) for n in range(1, 62) if n != 29]
ONE, TWO = Options(listeners="1"), Options(listeners="1+26")


@pytest.fixture
def copy(releases, tmp_path):
    """Copy a release as links to its files, which a test may replace and not write into."""
    return lambda kind: shutil.copytree(releases(kind), tmp_path / kind, copy_function=os.symlink)


@pytest.mark.parametrize("kind", ["v2", "nm000180"])
def test_the_same_listeners_hear_the_same_at_the_same_time_in_every_release(kind, opened):
    dataset, first = opened(kind, TWO), opened("v1", TWO)
    assert [s.stimulus_id for s in dataset.stimuli] == [s.stimulus_id for s in first.stimuli]
    assert [len(s.words) for s in dataset.stimuli] == [174, 177, 184, 214]
    for recording, other in zip(dataset.recordings, first.recordings, strict=True):
        onsets = [p.onset_s for p in recording.presentations]
        assert onsets == pytest.approx([p.onset_s for p in other.presentations], abs=1e-4)


def test_the_part_of_the_first_sound_that_nobody_recorded_is_left_out(opened):
    first = opened("v1", TWO).recordings[1].presentations[0]
    assert first.onset_s == 0.0
    assert first.start_s == pytest.approx(3.67, abs=0.02)
    assert first.start_s + first.duration_s == pytest.approx(57.54, abs=0.01)


def test_a_recording_whose_labels_are_shifted_says_so(opened):
    notes = opened("v2", TWO).recordings[1].notes
    assert any(note.startswith("segments are labelled one too low: repaired") for note in notes)


def test_a_recording_whose_labels_are_shifted_may_be_dropped(opened):
    dataset = opened("v2", Options(listeners="1+26", shifted="drop"))
    assert [r.subject for r in dataset.recordings] == ["S01"]
    assert dataset.skipped == (("S26", "its segments are labelled one too low (shifted=drop)"),)


def test_options_are_part_of_the_revision(opened):
    assert opened("v2", ONE).revision != opened("v2", TWO).revision


@pytest.mark.parametrize("kind", ["v1", "v2", "nm000180"])
def test_sixty_channels_are_eeg_and_the_sound_is_not(kind, opened):
    (recording,) = opened(kind, ONE).recordings
    raw = recording.load()
    kinds = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
    assert [name for name, kind in kinds.items() if kind == "eeg"] == ELECTRODES == list(recording.channels)
    assert [kinds.pop(name) for name in list(kinds)[60:]] == ["eog", "misc"]
    vertex = raw.info["chs"][raw.ch_names.index("33")]["loc"][:3]
    assert vertex == pytest.approx([0.0, 0.0, 0.095])
    assert np.std(raw.get_data(picks=["2"])) == pytest.approx(10e-6, rel=0.05)


def test_a_file_without_the_sound_s_channel_is_read(opened):
    raw = opened("v1", TWO).recordings[1].load()
    assert raw.ch_names[60:] == ["VEOG"]


def test_the_mastoids_bring_the_reference_back_as_a_channel(opened):
    (recording,) = opened("v2", Options(listeners="1", reference="mastoids")).recordings
    plain = opened("v2", ONE).recordings[0].load().get_data(picks=["2", "25"], stop=50)
    raw = recording.load().pick("eeg")
    assert tuple(raw.ch_names) == recording.channels == (*ELECTRODES, "29")
    np.testing.assert_allclose(raw.get_data(picks=["2"], stop=50)[0], plain[0] - plain[1] / 2, atol=1e-12)
    np.testing.assert_allclose(raw.get_data(picks=["29"], stop=50)[0], -plain[1] / 2, atol=1e-12)
    assert raw.info["chs"][-1]["loc"][:3] == pytest.approx(places()["29"])


def test_channels_that_the_authors_rejected_are_marked_where_asked_for(opened):
    (recording,) = opened("v1", Options(listeners="1", bads="authors")).recordings
    assert recording.load().info["bads"] == ["31"]
    assert "interpolated, because the authors rejected them: 31" in recording.notes
    assert opened("v1", ONE).recordings[0].load().info["bads"] == []


def test_no_rejected_channel_is_an_empty_array(opened):
    (recording,) = opened("v2", Options(listeners="1", bads="authors")).recordings
    assert recording.load().info["bads"] == []


def test_the_re_host_cannot_be_referred_to_the_mastoids(opened):
    with pytest.raises(DataError, match=r"nm000180 cannot be referred to the mastoids"):
        opened("nm000180", Options(reference="mastoids"))


def test_listeners_that_are_not_there_are_skipped_with_the_reason(opened):
    skipped = dict(opened("v2").skipped)
    assert len(skipped) == 31
    assert skipped["S03"] == "no EEG of this listener in the folder"


@pytest.mark.parametrize(
    ("kind", "part", "said"),
    [
        ("v1", "audio", "lacks the twelve sound files: got no audio/.*Unzip audio.zip"),
        ("v2", "timelock-preprocessing", "lacks the word times .*Unzip proc.zip"),
        ("nm000180", "sourcedata", "lacks the table of words: got no AliceChapterOne-EEG.csv"),
        ("v1", "audio/DownTheRabbitHoleFinal_SoundFile2.wav", "sound of segment 2 is not there"),
    ],
)
def test_a_part_that_is_missing_is_named(kind, part, said, copy, hashes):
    root = copy(kind)
    shutil.rmtree(root / part) if (root / part).is_dir() else (root / part).unlink()
    with pytest.raises(DataError, match=said):
        open_brennan2019(root, ONE, hashes)


def test_a_folder_without_a_release_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"holds no release of Brennan and Hale: got no recording"):
        open_brennan2019(tmp_path)


def test_a_recording_that_is_a_pointer_is_skipped(copy, hashes):
    root = copy("v2")
    (root / "S01.eeg").unlink()
    (root / "S01.eeg").write_text("/annex/objects/SHA256E-s90898200--e101.eeg\n")
    with pytest.raises(DataError, match=r"S01\.eeg was not downloaded"):
        open_brennan2019(root, ONE, hashes)


def test_a_recording_that_ends_before_its_words_is_refused(copy, write_recording, hashes):
    root = copy("v1")
    (root / "S01.mat").unlink()
    write_recording(root / "S01.mat", np.random.default_rng(0).standard_normal((62, 5000)), ["VEOG", "AUD"])
    with pytest.raises(DataError, match=r"S01\.mat ends before the sounds do: got 10\.00 s"):
        open_brennan2019(root, ONE, hashes).recordings[0].load()


def test_a_recording_with_other_channels_is_refused(copy, write_recording, hashes):
    root = copy("v1")
    (root / "S01.mat").unlink()
    write_recording(root / "S01.mat", np.zeros((61, 100_000)), ["EXG1"])
    with pytest.raises(DataError, match=r"S01\.mat has other channels than the release: got has EXG1"):
        open_brennan2019(root, ONE, hashes).recordings[0].load()


def test_a_truncated_mat_file_is_refused(copy, hashes):
    root = copy("v1")
    content = (root / "S01.mat").read_bytes()
    (root / "S01.mat").unlink()
    (root / "S01.mat").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"S01\.mat cannot be read.*Download it again"):
        open_brennan2019(root, ONE, hashes).recordings[0].load()


def test_the_template_of_that_name_numbers_other_places():
    template = mne.channels.make_standard_montage("easycap-M10").get_positions()["ch_pos"]
    directions = {name: place / np.linalg.norm(place) for name, place in template.items()}
    own = {name: place / np.linalg.norm(place) for name, place in places().items()}
    assert directions["1"] == pytest.approx(own["33"], abs=1e-6)
    degrees = [np.degrees(np.arccos(np.clip(directions[n] @ own[n], -1, 1))) for n in own]
    assert np.median(degrees) > 20

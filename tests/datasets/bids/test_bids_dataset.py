from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import soundfile

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.datasets.bids.bids_dataset import open_bids
from eeg2speech_bench.datasets.preparation.preprocessing import load_eeg

SETTINGS = DataConfig()


def replace_samples(root, subject, channel, values):
    """Overwrite one channel (float32, interleaved) of a BrainVision file."""
    path = next((root / f"sub-{subject}" / "eeg").glob("*.eeg"))
    data = np.fromfile(path, dtype="<f4").reshape(-1, 8)
    data[:, channel] = values
    data.tofile(path)


# What is read


def test_the_folder_gives_its_name_recordings_and_stimuli(bids_original):
    dataset = open_bids(bids_original)
    assert dataset.name == "tiny"
    assert [r.subject for r in dataset.recordings] == ["01", "02"]
    assert [s.name for s in dataset.stimuli] == ["a.wav", "b.wav", "c.flac", "d.wav"]
    assert dataset.skipped == ()


@pytest.mark.parametrize(
    ("content", "about"),
    [
        ('{"Name": "Story\\nhour \\u202e of 2020"}', "Story hour of 2020"),
        ('{"Name": "' + 300 * "x" + '"}', 200 * "x"),
        ("{}", ""),
        ("[1]", ""),
        ("no json", ""),
    ],
)
def test_a_folder_says_what_it_is_in_one_line(bids_root, content, about):
    (bids_root / "dataset_description.json").write_text(content)
    assert open_bids(bids_root).about == about


def test_a_row_with_a_stim_file_is_the_start_of_that_file(bids_original):
    dataset = open_bids(bids_original)
    names = {s.stimulus_id: s.name for s in dataset.stimuli}
    heard = [(names[p.stimulus_id], p.onset_s, p.duration_s, p.start_s) for p in dataset.recordings[1].presentations]
    assert heard[:2] == [("c.flac", 1.5, 16.0, 0.0), ("a.wav", 20.25, 12.0, 0.0)]


def test_sound_is_the_mean_of_its_channels_at_16_khz(bids_original):
    stereo = next(s for s in open_bids(bids_original).stimuli if s.name == "b.wav")
    sound = stereo.load()
    assert (sound.kind, sound.rate_hz, len(sound.values)) == ("waveform", 16000.0, 232000)
    original, rate = soundfile.read(bids_original / "stimuli" / "b.wav")
    # Resampling from 22,050 Hz keeps the power below 8 kHz of the white noise.
    kept = np.mean(original.mean(1) ** 2) * 16000 / rate
    assert np.mean(sound.values**2) == pytest.approx(kept, rel=0.03)


def test_words_beside_a_sound_file_are_its_transcript(bids_original):
    words = {s.name: s.words for s in open_bids(bids_original).stimuli}
    assert [w.text for w in words["c.flac"]] == ["down", "the", "hole"]
    assert (words["c.flac"][0].start_s, words["c.flac"][0].stop_s) == (5.0, 5.4)
    assert words["a.wav"] == ()


def test_copies_of_a_sound_under_other_names_are_one_stimulus(bids_root, events_of):
    shutil.copy(bids_root / "stimuli" / "a.wav", bids_root / "stimuli" / "copy.wav")
    events_of("02", "onset|duration|stim_file\n1|12|copy.wav\n")
    dataset = open_bids(bids_root)
    assert len(dataset.stimuli) == 4
    assert dataset.recordings[1].presentations[0].stimulus_id == dataset.recordings[0].presentations[0].stimulus_id


def test_electrodes_keep_their_positions(bids_original):
    chs_info = load_eeg(open_bids(bids_original).recordings[0], SETTINGS).chs_info
    assert all(np.any(c["loc"][:3]) for c in chs_info)
    assert json.loads(json.dumps(chs_info, allow_nan=False)) == chs_info


def test_without_electrodes_tsv_known_names_take_the_template_positions(bids_root):
    for path in bids_root.rglob("*_electrodes.tsv"):
        path.unlink()
    for path in bids_root.rglob("*_coordsystem.json"):
        path.unlink()
    chs_info = load_eeg(open_bids(bids_root).recordings[0], SETTINGS).chs_info
    assert all(np.any(c["loc"][:3]) for c in chs_info)


# Rows that are not file starts


def test_word_rows_without_in_file_time_are_refused(bids_root, events_of):
    events_of("01", "onset|duration|stim_file|word\n2.0|.3|a.wav|down\n2.4|.3|a.wav|the\n3.0|.3|a.wav|hole\n")
    with pytest.raises(DataError, match=r"events\.tsv names 'a\.wav' in rows .*0\.40 s apart.*Add a column stim_onset"):
        open_bids(bids_root)


@pytest.mark.parametrize("column", ["stim_onset", "start"])
def test_an_in_file_column_places_the_file(bids_root, events_of, column):
    events_of("01", f"onset|duration|stim_file|{column}\n3.5|.3|a.wav|0.5\n3.9|.3|a.wav|0.91\n30|1|n/a|n/a\n")
    (heard,) = open_bids(bids_root).recordings[0].presentations
    assert (heard.onset_s, heard.start_s, heard.duration_s) == (pytest.approx(2.995), 0.0, pytest.approx(12.0))


def test_in_file_times_that_start_over_are_a_second_presentation(bids_root, events_of):
    rows = "3|.3|a.wav|1\n5|.3|a.wav|3\n33|.3|a.wav|1\n34|.3|a.wav|2\n"
    events_of("01", "onset|duration|stim_file|stim_onset\n" + rows)
    assert [p.onset_s for p in open_bids(bids_root).recordings[0].presentations] == [2.0, 32.0]


def test_a_file_that_started_before_the_recording_is_heard_from_within(bids_root, events_of):
    events_of("01", "onset|duration|stim_file|stim_onset\n1|.3|d.wav|2\n2|.3|d.wav|3\n")
    (heard,) = open_bids(bids_root).recordings[0].presentations
    assert (heard.onset_s, heard.start_s, heard.duration_s) == (0.0, 1.0, 17.0)


def test_rows_that_disagree_on_the_start_are_refused(bids_root, events_of):
    events_of("01", "onset|duration|stim_file|stim_onset\n3|.3|a.wav|1\n5|.3|a.wav|2\n")
    with pytest.raises(DataError, match=r"Row 2 of .* on when 'a\.wav' started: got -1\.000 s off"):
        open_bids(bids_root)


def test_an_in_file_time_beyond_the_file_is_refused(bids_root, events_of):
    events_of("01", "onset|duration|stim_file|start\n30|.3|a.wav|30\n")
    with pytest.raises(DataError, match=r"outside 'a\.wav': got 30 s inside the file, expected 0 to 12\.00 s"):
        open_bids(bids_root)


def test_two_stimuli_at_the_same_time_are_refused(bids_root, events_of):
    events_of("01", "onset|duration|stim_file\n2|12|a.wav\n5|16|c.flac\n")
    with pytest.raises(DataError, match=r"'a\.wav' at 2\.00 s.*9\.00 of 12\.00 s lost.*before the next stimulus"):
        open_bids(bids_root)


# Folders and files that cannot be used


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere does not exist"):
        open_bids(tmp_path / "nowhere")


def test_a_folder_that_is_not_bids_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"is not a BIDS data set: got no dataset_description\.json"):
        open_bids(tmp_path)


def test_a_folder_without_eeg_is_refused(bids_root):
    for subject in ("01", "02"):
        shutil.rmtree(bids_root / f"sub-{subject}")
    with pytest.raises(DataError, match="has no EEG or MEG recordings"):
        open_bids(bids_root)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "no sub-01_task-listening_events.tsv"),
        ("onset|duration|trial_type\n1|1|go\n", "has no column stim_file"),
        ("onset|duration|stim_file\n1|1|n/a\n", "no row of .* names a stim_file"),
    ],
)
def test_a_folder_whose_events_name_no_stimuli_is_refused(bids_root, events_of, text, reason):
    events_of("01", text)
    events_of("02", text)
    with pytest.raises(DataError, match=rf"can be joined to its stimuli: got .*{reason}.*and 1 more"):
        open_bids(bids_root)


def test_a_recording_without_stimuli_is_listed_as_skipped(bids_root, events_of):
    events_of("01", None)
    dataset = open_bids(bids_root)
    assert [r.subject for r in dataset.recordings] == ["02"]
    assert dataset.skipped == (("sub-01_task-listening_eeg", "no sub-01_task-listening_events.tsv"),)


def test_a_recording_that_was_not_downloaded_is_listed_as_skipped(bids_root):
    eeg = next(bids_root.rglob("sub-01*.eeg"))
    eeg.unlink()
    eeg.symlink_to("../../.git/annex/objects/F9/7M/SHA256E-s1--0.eeg/SHA256E-s1--0.eeg")
    ((name, reason),) = open_bids(bids_root).skipped
    assert name == "sub-01_task-listening_eeg"
    assert "was not downloaded (git-annex pointer); run: datalad get" in reason


def test_a_stim_file_that_does_not_exist_is_named(bids_root):
    (bids_root / "stimuli" / "a.wav").unlink()
    with pytest.raises(DataError, match=r"does not exist: got 'a\.wav', expected the file .*stimuli/a\.wav"):
        open_bids(bids_root)


@pytest.mark.parametrize("stim_file", ["/etc/passwd", "../secret.wav", "stimuli/a.wav", "x/../../y.wav", "C:\\a.wav"])
def test_a_stim_file_outside_the_folder_is_refused(bids_root, events_of, stim_file):
    events_of("01", f"onset|duration|stim_file\n1|1|{stim_file}\n")
    with pytest.raises(DataError, match="is not a path inside the folder stimuli"):
        open_bids(bids_root)


@pytest.mark.parametrize(
    "pointer",
    [
        "/annex/objects/SHA256E-s1729--86568dcb.wav\n",
        "../.git/annex/objects/F9/7M/x.wav",
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    ],
)
def test_a_sound_file_that_was_not_downloaded_says_how_to_get_it(bids_root, pointer):
    (bids_root / "stimuli" / "a.wav").write_text(pointer)
    with pytest.raises(DataError, match=r"a\.wav was not downloaded: .*Run: datalad get"):
        open_bids(bids_root)


@pytest.mark.parametrize("name", ["a.wav", "c.flac"])
def test_a_truncated_sound_file_is_refused(bids_root, name):
    path = bids_root / "stimuli" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"{name} is truncated or damaged"):
        for stimulus in open_bids(bids_root).stimuli:
            stimulus.load()


def test_a_file_that_is_no_sound_is_refused(bids_root):
    (bids_root / "stimuli" / "a.wav").write_text("this is no sound")
    with pytest.raises(DataError, match=r"a\.wav is truncated or damaged"):
        open_bids(bids_root)


def test_a_transcript_without_its_columns_is_refused(bids_root):
    (bids_root / "stimuli" / "c_words.tsv").write_text("time\tword\n1\thole\n")
    with pytest.raises(DataError, match=r"c_words\.tsv lacks columns: got \['time', 'word'\]"):
        open_bids(bids_root)


def test_a_sentence_column_numbers_the_words_and_must_hold_numbers(bids_root):
    table = bids_root / "stimuli" / "c_words.tsv"
    table.write_text("onset\tduration\tword\tsentence\n1\t1\thole\t4\n")
    stimulus = next(s for s in open_bids(bids_root).stimuli if s.words)
    assert [w.sentence for w in stimulus.words] == [4]
    table.write_text("onset\tduration\tword\tsentence\n1\t1\thole\tfirst\n")
    with pytest.raises(DataError, match=r"Row 2 of table .*c_words\.tsv has no number in column 'sentence'"):
        open_bids(bids_root)


def test_a_recording_that_ends_long_before_its_stimulus_is_refused(bids_root, events_of):
    events_of("01", "onset|duration|stim_file\n60|18|d.wav\n")
    with pytest.raises(
        DataError, match=r"'d\.wav' at 60\.00 s.*6\.00 of 18\.00 s lost.*within the recording \(72\.00 s"
    ):
        open_bids(bids_root)


def test_a_short_tail_outside_the_recording_is_cut(bids_root, events_of):
    events_of("01", "onset|duration|stim_file\n55|18|d.wav\n")
    assert open_bids(bids_root).recordings[0].presentations[0].duration_s == pytest.approx(17.0)


def test_a_truncated_recording_is_refused(bids_root):
    next(bids_root.rglob("sub-01*.vhdr")).write_text("Brain Vision Data Exchange Header File Version 1.0\n")
    with pytest.raises(DataError, match=r"sub-01_task-listening_eeg\.vhdr cannot be read"):
        open_bids(bids_root)


# Samples and channels that cannot be used


def test_samples_that_are_not_finite_are_refused(bids_root):
    values = np.random.default_rng(0).standard_normal(9216)
    values[640] = np.nan
    replace_samples(bids_root, "01", 2, values)
    with pytest.raises(DataError, match=r"not finite: got 1 of them, first in channel 'Pz' at 5\.000 s"):
        load_eeg(open_bids(bids_root).recordings[0], SETTINGS)


def test_a_flat_channel_that_is_not_marked_bad_is_refused(bids_root):
    replace_samples(bids_root, "01", 5, 3.0)
    with pytest.raises(DataError, match=r"flat channels that are not marked bad: got F4"):
        load_eeg(open_bids(bids_root).recordings[0], SETTINGS)


def test_a_bad_channel_is_interpolated(bids_root, channel_status):
    replace_samples(bids_root, "01", 5, 0.0)
    channel_status("01", "F4", "bad")
    loaded = load_eeg(open_bids(bids_root).recordings[0], SETTINGS)
    eeg, chs_info = loaded.eeg, loaded.chs_info
    assert [c["ch_name"] for c in chs_info][5] == "F4"
    assert eeg[:, 5].std() > 0.5


def test_a_bad_channel_without_positions_is_refused(bids_root, channel_status):
    for path in [*bids_root.rglob("*_electrodes.tsv"), *bids_root.rglob("*_coordsystem.json")]:
        path.unlink()
    for path in [*bids_root.rglob("*.vhdr"), *bids_root.rglob("*_channels.tsv")]:
        path.write_text(path.read_text(encoding="utf-8-sig").replace("F4", "E4"), encoding="utf8")
    channel_status("01", "E4", "bad")
    with pytest.raises(DataError, match=r"cannot be interpolated: got bad: E4; electrodes without positions"):
        load_eeg(open_bids(bids_root).recordings[0], SETTINGS)


def test_eeg_is_in_microvolts_at_the_asked_rate(bids_original):
    eeg = load_eeg(open_bids(bids_original).recordings[0], SETTINGS).eeg
    assert eeg.shape == (8640, 8)
    assert eeg.dtype == np.float32
    # White noise of 10 uV at 128 Hz keeps 60/64 of its power at 120 Hz.
    assert eeg[:, 1].std() == pytest.approx(10 * np.sqrt(60 / 64), rel=0.03)


def test_a_filter_edge_above_the_recording_is_refused(bids_original):
    with pytest.raises(DataError, match=r"got 70 Hz, expected below 64 Hz"):
        load_eeg(open_bids(bids_original).recordings[0], DataConfig(lowpass_hz=70))


def test_filters_keep_what_lies_between_their_edges(bids_original):
    filtered = load_eeg(open_bids(bids_original).recordings[0], DataConfig(highpass_hz=1, lowpass_hz=8)).eeg
    power = np.abs(np.fft.rfft(filtered[:, 1])) ** 2
    hz = np.fft.rfftfreq(len(filtered), 1 / 120)
    assert power[(hz > 2) & (hz < 6)].mean() > 100 * power[(hz > 30)].mean()


# Published folders


def test_the_published_alice_folder_without_payload_is_refused_with_the_way_out(realdata):
    with pytest.raises(DataError, match=r"not downloaded \(git-annex pointer\); run: datalad get"):
        open_bids(realdata / "brennan2019_nm000180")

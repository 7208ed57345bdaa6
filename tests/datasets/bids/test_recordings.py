from __future__ import annotations

import re

import mne
import numpy as np
import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.datasets.bids.bids_dataset import open_bids
from eeg2speech_bench.datasets.bids.recordings import open_recording
from eeg2speech_bench.datasets.preparation.preprocessing import load_eeg

SETTINGS = DataConfig()
N_TIMES = 9216


def eeg_folder(root, subject="01"):
    return root / f"sub-{subject}" / "eeg"


def rewrite(root, pattern, change):
    for path in eeg_folder(root).glob(pattern):
        path.write_text(change(path.read_text(encoding="utf-8-sig")), encoding="utf8")


def replace_samples(root, subject, channel, values):
    """Overwrite one channel (float32, interleaved) of a BrainVision file."""
    path = next(eeg_folder(root, subject).glob("*.eeg"))
    data = np.fromfile(path, dtype="<f4").reshape(-1, 8)
    data[:, channel] = values
    data.tofile(path)


def without_positions(root):
    for path in [*root.rglob("*_electrodes.tsv"), *root.rglob("*_coordsystem.json")]:
        path.unlink()


def as_edf(root, names, unit="uV"):
    """Replace a listener's BrainVision files by an EDF of the same samples under other labels, written by hand."""
    header = next(eeg_folder(root).glob("*.vhdr"))
    data = 1e6 * mne.io.read_raw(header, verbose="ERROR").get_data()
    for ending in (".vhdr", ".vmrk", ".eeg"):
        header.with_suffix(ending).unlink()
    n = len(names)
    fields = [(names, 16), ([""] * n, 80), ([unit] * n, 8), (["-900"] * n, 8), (["900"] * n, 8)]
    fields += [(["-32768"] * n, 8), (["32767"] * n, 8), ([""] * n, 80), (["128"] * n, 8), ([""] * n, 32)]
    fixed = ["0", "X X X X", "Startdate X X X X", "01.01.20", "10.00.00", str(256 * (n + 1)), "", "72", "1", str(n)]
    text = "".join(v.ljust(width) for v, width in zip(fixed, (8, 80, 80, 8, 8, 8, 44, 8, 8, 4), strict=True))
    text += "".join(value.ljust(width) for values, width in fields for value in values)
    records = np.round(data * 65535 / 1800 - 0.5).astype("<i2").reshape(n, 72, 128).transpose(1, 0, 2)
    if "EDF Annotations" in names:
        text = text[:192] + "EDF+C".ljust(44) + text[236:]
        for second, record in enumerate(records):
            note = f"+{second}\x14\x14\0+{second}\x14f\N{LATIN SMALL LETTER U WITH DIAERESIS}nf\x14\0"
            record[-1] = np.frombuffer(note.encode("latin-1").ljust(256, b"\0"), "<i2")
    header.with_suffix(".edf").write_bytes(text.encode("latin-1") + records.tobytes())


# What is read


def test_an_opened_recording_tells_duration_channels_and_notes(bids_original):
    recording = open_bids(bids_original).recordings[0]
    opened = open_recording(recording.load.args[0])
    assert opened.duration_s == 72.0
    assert opened.channels == recording.channels == ("Fz", "Cz", "Pz", "Oz", "F3", "F4", "T7", "T8")
    assert opened.notes == recording.notes == ("8 EEG channels: Fz Cz Pz Oz F3 F4 T7 T8",)


def test_samples_are_in_volts_and_stay_on_the_disk_until_they_are_needed(bids_original):
    raw = open_bids(bids_original).recordings[0].load()
    assert not raw.preload
    assert raw.get_data(picks=["Cz"]).std() == pytest.approx(1e-5, rel=0.03)


def test_a_table_in_another_order_gives_each_channel_its_own_row(bids_root, channel_status):
    channel_status("01", "Pz", "bad")
    rewrite(bids_root, "*_channels.tsv", lambda text: "\n".join([text.split("\n")[0], *sorted(text.split("\n")[1:])]))
    raw = open_bids(bids_root).recordings[0].load()
    assert raw.ch_names[:3] == ["Fz", "Cz", "Pz"]
    assert raw.info["bads"] == ["Pz"]


def test_positions_are_joined_in_another_order_and_case(bids_root, bids_original):
    rewrite(bids_root, "*_electrodes.tsv", lambda text: "\n".join([text.split("\n")[0], *text.split("\n")[:0:-1]]))
    rewrite(bids_root, "*_electrodes.tsv", lambda text: text.replace("Fz", "FZ"))
    raws = [open_bids(root).recordings[0].load() for root in (bids_root, bids_original)]
    places = [np.array([c["loc"][:3] for c in raw.info["chs"]]) for raw in raws]
    np.testing.assert_allclose(places[0], places[1], atol=1e-9)


def test_positions_agree_with_mne_bids(bids_original):
    import mne_bids

    recording = open_bids(bids_original).recordings[0]
    theirs = mne_bids.read_raw_bids(recording.load.args[0], verbose="ERROR")
    for mine, other in zip(recording.load().info["chs"], theirs.info["chs"], strict=True):
        np.testing.assert_allclose(mine["loc"][:3], other["loc"][:3], atol=1e-6)
        assert mine["coord_frame"] == other["coord_frame"]


def test_an_electrode_without_a_position_is_said_and_keeps_none(bids_root):
    rewrite(
        bids_root, "*_electrodes.tsv", lambda text: "\n".join(r for r in text.split("\n") if not r.startswith("T8"))
    )
    recording = open_bids(bids_root).recordings[0]
    assert recording.notes[1:] == ("no electrode position: T8",)
    assert load_eeg(recording, SETTINGS).chs_info[7]["loc"][:3] == [0, 0, 0]


def test_the_template_head_is_used_where_nothing_gives_positions_and_said(bids_root):
    without_positions(bids_root)
    recording = open_bids(bids_root).recordings[0]
    assert recording.notes[1:] == ("electrode positions are those of MNE's template head (colin27_1005), by name",)


def test_positions_of_other_electrodes_are_refused_by_name(bids_root):
    rewrite(bids_root, "*_electrodes.tsv", lambda text: re.sub(r"^(\w+)(?=\t-?\d)", r"X\1", text, flags=re.MULTILINE))
    with pytest.raises(
        DataError, match=r"electrodes\.tsv names no channel of the recording: got XFz, XCz, .*such as Fz"
    ):
        open_bids(bids_root)


def test_positions_in_millimetres_called_metres_are_a_head_and_said(bids_root):
    def in_millimetres(text):
        head, *rows = text.strip().split("\n")
        cells = [row.split("\t") for row in rows]
        return "\n".join([head, *("\t".join([c[0], *(str(1000 * float(v)) for v in c[1:4]), *c[4:]]) for c in cells)])

    rewrite(bids_root, "*_electrodes.tsv", in_millimetres)
    recording = open_bids(bids_root).recordings[0]
    radii = [np.linalg.norm(c["loc"][:3]) for c in load_eeg(recording, SETTINGS).chs_info]
    assert 0.07 < np.median(radii) < 0.15
    assert "electrode positions are read in mm (coordsystem.json says 'm')" in recording.notes[1]


def test_edf_labels_are_read_as_electrodes(bids_root):
    without_positions(bids_root)
    for path in eeg_folder(bids_root).glob("*_channels.tsv"):
        path.unlink()
    names = ["EEG Fz-Ref", "EEG Cz-Ref", "EEG PZ-Ref", "EEG Oz-Ref", "EEG F3-Ref", "EEG F4-Ref", "ECG", "Audio"]
    as_edf(bids_root, names)
    recording = open_bids(bids_root).recordings[0]
    assert recording.channels == ("Fz", "Cz", "Pz", "Oz", "F3", "F4")
    assert "left out: ECG Audio (no electrode of that name)" in recording.notes[0]
    assert all(np.any(c["loc"][:3]) for c in load_eeg(recording, SETTINGS).chs_info)


def test_an_edf_file_with_text_in_latin_1_is_read(bids_root):
    without_positions(bids_root)
    rewrite(bids_root, "*_channels.tsv", lambda text: text.replace("T8\tEEG", "T8\tMISC"))
    as_edf(bids_root, ["Fz", "Cz", "Pz", "Oz", "F3", "F4", "T7", "EDF Annotations"], unit="\N{MICRO SIGN}V")
    loaded = load_eeg(open_bids(bids_root).recordings[0], SETTINGS)
    assert loaded.eeg[:, 1].std() == pytest.approx(9.7, rel=0.03)


def test_recordings_of_another_kind_beside_eeg_are_ignored_with_a_note(bids_root):
    nirs = bids_root / "sub-01" / "nirs"
    nirs.mkdir()
    (nirs / "sub-01_task-listening_nirs.snirf").write_bytes(b"")
    recordings = open_bids(bids_root).recordings
    assert recordings[0].notes[-1] == "recordings of the same session that are not read: nirs"
    assert len(recordings) == 2


# Files that cannot be read


def renamed_inside(root, **lines):
    def change(text):
        for key, value in lines.items():
            old = next(row for row in text.split("\n") if row.startswith(f"{key}="))
            text = text.replace(old, f"{key}={value}")
        return text

    rewrite(root, "*.vhdr", change)


@pytest.mark.parametrize("old", ["subject7", "$b"])
def test_a_renamed_brainvision_file_says_what_to_write(bids_root, old):
    renamed_inside(bids_root, DataFile=f"{old}.eeg", MarkerFile=f"{old}.vmrk")
    expected = (
        rf"points at a file that does not exist: got DataFile={re.escape(old)}\.eeg, .*"
        r"Write DataFile=sub-01_task-listening_eeg\.eeg and MarkerFile=sub-01_task-listening_eeg\.vmrk into it"
    )
    with pytest.raises(DataError, match=expected) as raised:
        open_bids(bids_root)
    assert "ownload" not in str(raised.value)


def test_a_brainvision_file_whose_samples_are_missing_is_to_be_downloaded(bids_root):
    next(eeg_folder(bids_root).glob("*.eeg")).unlink()
    with pytest.raises(DataError, match=r"got DataFile=.*Download sub-01_task-listening_eeg\.eeg into the same folder"):
        open_bids(bids_root)


def test_a_blank_behind_the_name_of_the_file_stops_nothing(bids_root):
    renamed_inside(bids_root, DataFile="sub-01_task-listening_eeg.eeg ")
    assert open_bids(bids_root).recordings[0].load().n_times == N_TIMES


def test_a_stale_marker_file_stops_nothing(bids_root):
    renamed_inside(bids_root, MarkerFile="subject7.vmrk")
    assert open_bids(bids_root).recordings[0].load().n_times == N_TIMES


# Samples that cannot be used


def test_nan_in_a_channel_marked_bad_is_interpolated(bids_root, channel_status):
    values = np.full(N_TIMES, np.nan)
    replace_samples(bids_root, "01", 5, values)
    channel_status("01", "F4", "bad")
    eeg = load_eeg(open_bids(bids_root).recordings[0], SETTINGS).eeg
    assert np.isfinite(eeg).all()
    assert eeg[:, 5].std() > 0.5


def test_nan_in_another_channel_than_the_bad_one_is_refused(bids_root, channel_status):
    values = np.random.default_rng(0).standard_normal(N_TIMES)
    values[640] = np.inf
    replace_samples(bids_root, "01", 2, values)
    channel_status("01", "F4", "bad")
    with pytest.raises(DataError, match=r"first in channel 'Pz' at 5\.000 s, .*Set the channel's status to bad"):
        load_eeg(open_bids(bids_root).recordings[0], SETTINGS)


def test_a_recording_of_bad_channels_alone_is_refused_in_words(bids_root, channel_status):
    for channel in ("Fz", "Cz", "Pz", "Oz", "F3", "F4", "T7", "T8"):
        channel_status("01", channel, "bad")
    with pytest.raises(DataError, match=r"cannot be interpolated: got bad: Fz, Cz, .*; no good channel"):
        load_eeg(open_bids(bids_root).recordings[0], SETTINGS)


def test_a_bad_channel_of_one_recording_is_good_in_another(bids_root, channel_status):
    for subject in ("01", "02"):
        replace_samples(bids_root, subject, 5, 0.0)
    channel_status("01", "F4", "bad")
    first, second = open_bids(bids_root).recordings
    assert load_eeg(first, SETTINGS).eeg[:, 5].std() > 0.5
    with pytest.raises(DataError, match=r"sub-02.* flat channels that are not marked bad: got F4"):
        load_eeg(second, SETTINGS)


@pytest.mark.parametrize(
    ("volts", "likely"),
    [(1e4, "nanovolts"), (10.0, "microvolts"), (0.2, "millivolts"), (1e-11, r"had been multiplied by 1e-6")],
)
def test_a_channel_on_a_scale_that_eeg_cannot_have_is_named(bids_root, volts, likely):
    # The file counts in tenths of a microvolt.
    replace_samples(bids_root, "01", 5, 1e7 * volts * np.random.default_rng(0).standard_normal(N_TIMES))
    with pytest.raises(DataError, match=rf"on a scale that EEG cannot have: got F4 \S+ V.*values (were )?{likely}"):
        load_eeg(open_bids(bids_root).recordings[0], SETTINGS)


def test_the_offset_of_an_amplifier_is_no_scale(bids_root):
    replace_samples(bids_root, "01", 5, 2e5 + 10 * np.random.default_rng(0).standard_normal(N_TIMES))
    assert load_eeg(open_bids(bids_root).recordings[0], SETTINGS).eeg.shape[1] == 8

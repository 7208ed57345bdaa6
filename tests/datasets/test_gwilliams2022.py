"""MEG-MASC: KIT files beside tables as the authors wrote them, and as nm000229 spells them out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from meg_files import write_kit
from planted_bump import bump, error_s

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.segment_store import SegmentStore, TargetInfo
from eeg2speech_bench.datasets.bids.events import read_stimulus_rows
from eeg2speech_bench.datasets.gwilliams2022 import DESCRIPTION, _rewritten, open_gwilliams2022
from eeg2speech_bench.datasets.preparation.prepare import prepare

SFREQ, N_SENSORS = 1000.0, 24
SETTINGS = DataConfig(picks="mag", sfreq=250.0)
#: where each sound starts in a recording, as its rows spell it; the file, and its seconds
SOUNDS = {
    "stimuli/audio/lw1_0.wav": ("lw1_0.wav", 12.0),
    "stimuli/audio/lw1_1.wav": ("lw1_1.wav", 10.0),
    "stimuli/audio/The_Black_Willow_0.wav": ("the_black_willow_0.wav", 14.0),
}
STARTS_S = {"01": (2.506, 16.185, 28.048), "02": (3.1, 17.0, 29.25)}
RECORDING_S = 45.0
#: seconds inside each sound, the word, and the number of its sentence
WORDS = ((0.0, "Tara", 0), (0.31, "stood", 0), (4.0, "still", 1), (8.5, "it's", 2))
BUMP_S = 4.0
COLUMNS = [
    "story",
    "story_uid",
    "sound_id",
    "kind",
    "start",
    "sound",
    "phoneme",
    "word",
    "sequence_id",
    "condition",
    "word_index",
]


def rows_of(subject: str) -> list[tuple[float, float, dict]]:
    """Return onset, duration and what trial_type says of each row."""
    rows = []
    for sound_id, (sound, start_s) in enumerate(zip(SOUNDS, STARTS_S[subject], strict=True)):
        common = {"story": "lw1", "story_uid": 0.0, "sound_id": float(sound_id)}
        rows.append((start_s, 0.0, {**common, "kind": "sound", "start": 0.0, "sound": sound.replace(".wav", ".0.wav")}))
        for inside_s, word, sentence in WORDS:
            said = {**common, "start": inside_s, "sound": sound, "sequence_id": float(sentence)}
            said |= {"condition": "sentence", "word_index": 0.0}
            rows.append((start_s + inside_s, 0.08, {**said, "kind": "phoneme", "phoneme": "t_B", "word": float("nan")}))
            rows.append((start_s + inside_s, 0.3, {**said, "kind": "word", "word": word}))
    return rows


def write_events(path: Path, subject: str) -> None:
    """Write a table: of the first listener with dictionaries, of the second with columns."""
    if subject == "01":
        lines = ["onset\tduration\ttrial_type\tvalue\tsample"]
        lines += [f"{t:.3f}\t{d}\t{said!r}\t1\t{round(t * SFREQ)}" for t, d, said in rows_of(subject)]
    else:
        lines = ["\t".join(["onset", "duration", "trial_type", "value", "sample", *COLUMNS])]
        for t, d, said in rows_of(subject):
            cells = [str(said.get(name, "n/a")).removesuffix(".0").replace("nan", "n/a") for name in COLUMNS]
            cells[COLUMNS.index("start")] = str(said["start"])
            cells[COLUMNS.index("sound")] = said["sound"]
            lines.append("\t".join([f"{t:.3f}", str(d), said["kind"], "1", str(round(t * SFREQ)), *cells]))
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("masc") / "meg-masc"
    (root / "stimuli" / "audio").mkdir(parents=True)
    (root / "dataset_description.json").write_text('{"Name": "MEG-MASC", "BIDSVersion": "1.9.0"}')
    rng = np.random.default_rng(0)
    for name, seconds in SOUNDS.values():
        samples = 0.1 * rng.standard_normal(round(seconds * 16000))
        soundfile.write(root / "stimuli" / "audio" / name, samples, 16000)
    for subject, starts in STARTS_S.items():
        folder = root / f"sub-{subject}" / "ses-0" / "meg"
        folder.mkdir(parents=True)
        stem = f"sub-{subject}_ses-0_task-0"
        data = 1e-12 * rng.standard_normal((N_SENSORS, round(RECORDING_S * SFREQ)))
        data[0] += 5e-11 * bump(np.arange(data.shape[1]) / SFREQ, starts[1] + BUMP_S)
        write_kit(folder / f"{stem}_meg.con", data, SFREQ)
        names = [f"MEG {k:03d}" for k in range(1, N_SENSORS + 4)] + [f"MISC {k:03d}" for k in range(1, 10)]
        types = ["MEGGRADAXIAL"] * N_SENSORS + ["MEGREFMAG"] * 3 + ["MISC"] * 9
        rows = [f"{name}\t{kind}\tT\tgood" for name, kind in zip(names, types, strict=True)]
        table = "name\ttype\tunits\tstatus\n" + "\n".join(rows) + "\n"
        (folder / f"{stem}_channels.tsv").write_text(table, encoding="utf-8-sig")
        write_events(folder / f"{stem}_events.tsv", subject)
    return root


@pytest.fixture(scope="module")
def dataset(original):
    return open_gwilliams2022(original)


@pytest.mark.parametrize("listener", [0, 1], ids=["dictionaries", "columns"])
def test_a_planted_bump_is_found_within_a_millisecond(dataset, listener):
    stimulus = next(s for s in dataset.stimuli if s.name.endswith("lw1_1.wav"))
    assert abs(error_s(dataset.recordings[listener], stimulus.stimulus_id, BUMP_S, SETTINGS)) < 0.001


def test_both_spellings_of_the_tables_give_the_same(dataset):
    first, second = dataset.recordings
    assert [p.stimulus_id for p in first.presentations] == [p.stimulus_id for p in second.presentations]
    assert [p.onset_s for p in first.presentations] == pytest.approx(STARTS_S["01"], abs=1e-6)
    assert [p.onset_s for p in second.presentations] == pytest.approx(STARTS_S["02"], abs=1e-6)


def test_sounds_are_found_whatever_the_case_of_their_names(dataset):
    assert [s.name for s in dataset.stimuli] == [f"audio/{name}" for name, _ in SOUNDS.values()]


def test_words_come_with_their_sentences_and_phonemes_do_not(dataset):
    words = dataset.stimuli[0].words
    assert [(w.start_s, w.text, w.sentence) for w in words] == list(WORDS)


def test_all_208_sensors_would_be_magnetometers_in_words_of_mne(dataset):
    assert dataset.recordings[0].channel_types == ("mag",) * N_SENSORS
    assert "3 (type ref_meg in the file)" in dataset.recordings[0].notes[0]


def test_the_published_network_runs_on_the_prepared_sensors(dataset, tmp_path):
    torch = pytest.importorskip("torch")
    from eeg2speech_bench.plugins.encoders.brainmagick import Brainmagick

    settings = DataConfig(picks="mag", sfreq=50.0, window_s=1.0, guard_s=0.5, fractions=(0.5, 0.25, 0.25))
    prepare(dataset, settings, tmp_path / "out")
    store = SegmentStore(tmp_path / "out")
    batch = store.gather(np.arange(4))
    target = TargetInfo(8, 10, 10.0)
    sizes = {"hidden": 8, "depth": 1, "virtual_channels": 8, "initial_linear": 8, "fourier_dim": 32}
    with torch.no_grad():
        tokens = Brainmagick(store.signal, target, **sizes).eval()(batch).embeddings
    assert (store.meta.picks, tuple(tokens.shape)) == ("mag", (4, 10, 8))
    assert bool(tokens.isfinite().all())


@pytest.mark.parametrize(
    ("cell", "match"),
    [("{'kind': __import__('os')}", "no Python dictionary"), ("{'kind': 'word'", "no Python dictionary")],
)
def test_a_cell_that_is_no_dictionary_of_values_is_refused_by_its_row(original, tmp_path, cell, match):
    root = Path(shutil.copytree(original, tmp_path / "masc"))
    path = root / "sub-01" / "ses-0" / "meg" / "sub-01_ses-0_task-0_events.tsv"
    lines = path.read_text().splitlines()
    lines[3] = "\t".join([*lines[3].split("\t")[:2], cell, "1", "1"])
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match=f"Row 4 of .*{match}"):
        open_gwilliams2022(root)


def test_a_table_of_another_data_set_is_refused(original, tmp_path):
    root = Path(shutil.copytree(original, tmp_path / "masc"))
    path = root / "sub-01" / "ses-0" / "meg" / "sub-01_ses-0_task-0_events.tsv"
    path.write_text("onset\tduration\ttrial_type\n1.0\t2.0\tword\n")
    with pytest.raises(DataError, match="is no table of MEG-MASC"):
        open_gwilliams2022(root)


def test_the_real_table_of_nm000229_places_its_four_sounds(realdata):
    root = realdata / "bids_skeletons" / "nm000229"
    recording = root / "sub-01" / "ses-0" / "meg" / "sub-01_ses-0_task-0_meg.con"
    sounds = {f"lw1_{k}.wav": f"audio/lw1_{k}.wav" for k in range(4)}
    rows = read_stimulus_rows(root, recording, DESCRIPTION, lambda table, source: _rewritten(table, source, sounds))
    starts = (rows.table["onset"] - rows.table["in_file"]).groupby(rows.table["stim_file"]).agg(["min", "max", "size"])
    assert starts.index.tolist() == list(sounds.values())
    assert starts["min"].to_numpy() == pytest.approx([23.506, 127.185, 210.048, 311.027], abs=1e-6)
    assert float((starts["max"] - starts["min"]).max()) < 1e-6
    assert int(starts["size"].sum()) == 668 + 4


@pytest.mark.slow
def test_the_command_of_its_page_runs_to_a_record(original, typed):
    ran = typed(f"gwilliams2022:{original}", "--picks", "mag")
    assert ran.record.dataset.name == "gwilliams2022"
    assert ran.speaks_of_meg()

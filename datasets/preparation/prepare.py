"""Prepares a data set: writes the arrays and tables that `SegmentStore` reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.machine.forks import each_in_a_fork
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.channel_types import Picks, signal_name
from eeg2speech_bench.core.segments.prepared import (
    Prepared,
    PreparedDataset,
    PreparedRecording,
    PreparedSignal,
    PreparedSound,
    PreparedStimulus,
    ReadingNote,
    ScaleOrigin,
    SkippedRecording,
)
from eeg2speech_bench.core.segments.recordings import Recording, SpeechDataset, Stimulus
from eeg2speech_bench.core.stages.checkpoints import StageCheckpoints
from eeg2speech_bench.datasets.preparation.channel_picks import picked
from eeg2speech_bench.datasets.preparation.channel_sets import with_equal_channels
from eeg2speech_bench.datasets.preparation.eeg_file import FILE, EegFile, WrittenRecording
from eeg2speech_bench.datasets.preparation.originals import Originals, find_originals
from eeg2speech_bench.datasets.preparation.preprocessing import (
    PART_VALUES,
    StreamedEeg,
    check_scale,
    open_eeg,
    robust_scale,
)
from eeg2speech_bench.datasets.preparation.sound_track import SoundTrack, write_sounds
from eeg2speech_bench.datasets.preparation.splits.plan import DEFAULT_FRACTIONS, SplitPlan, plan_split
from eeg2speech_bench.datasets.preparation.windows import (
    count_segments,
    drop_unheard,
    phone_table,
    prove_eeg_apart,
    segment_table,
    window_table,
    word_table,
    zone_table,
)

if TYPE_CHECKING:
    import pandas as pd

#: (what is being done, share that is done)
Progress = Callable[[str, float], None]

#: seconds at the end of a stimulus that may be unheard and still count as heard
UNHEARD_S = 0.1

#: times that a part of a recording is in memory while it is prepared
COPIES = 3

#: settings that the meta data repeat, for whoever reads the folder without its configuration
REPEATED = ("window_s", "stride_s", "shift_s", "baseline_s", "clamp_iqr", "highpass_hz", "lowpass_hz", "picks")


def prepare(
    dataset: SpeechDataset,
    settings: DataConfig,
    out: Path,
    progress: Progress | None = None,
    checkpoints: StageCheckpoints | None = None,
) -> None:
    """Write the prepared data set that `SegmentStore` reads into the folder ``out``.

    Parts of recordings pass through memory one per core at a time, and sounds one at a time, so memory grows neither
    with hours of data nor with the length of a recording.

    Parameters
    ----------
    dataset : SpeechDataset
    settings : DataConfig
    out : Path
        Made if it does not exist; ``meta.json`` is written last.
    progress : callable, optional
        Called with a line of text and the share (0 to 1) that is done.
    checkpoints : StageCheckpoints, optional
        Where recordings are written to, so that those that are complete stay when this process is killed.

    Raises
    ------
    LeakageError
        If the split shares stimulus audio, or EEG samples, between its parts.
    DataError
        If a recording or sound cannot be used, or a split has no segment.
    """
    report = progress or (lambda text, share: None)
    out.mkdir(parents=True, exist_ok=True)
    dataset = picked(dataset, settings.picks)
    stimuli = heard_stimuli(dataset)
    track = write_sounds(stimuli, out / "sound.npy", lambda text, share: report(text, 0.1 * share))
    originals = find_originals(stimuli, track.sound, getattr(dataset, "heard_together", ()))
    if originals.excerpts:
        stimuli = originals.stimuli
        track = write_sounds(stimuli, out / "sound.npy", lambda text, share: report(text, 0.1))
    recordings = originals.presented(dataset.recordings)
    plan = planned_split(dataset, settings, recordings, originals)
    zones = zone_table(plan, stimuli, track)
    windows = window_table(zones, stimuli, settings, track)
    recordings = tuple(with_equal_channels(recordings, settings))
    with _kept(checkpoints, out) as folder:
        file = EegFile(folder, len(recordings), lambda: checkpoints.seconds if checkpoints else 0.0)
        if checkpoints and file.n_found:
            checkpoints.goes_on(signal_name(settings.picks), file.n_found + 1, file.earlier_s, unit="recording")
        eeg = _write_eeg(recordings, settings, plan, windows, track, file, report)
        file.complete(eeg.last, out / FILE)
    np.save(out / "scale.npy", eeg.scale)
    windows, segments = drop_unheard(windows, eeg.segments)
    tables = {"zones": zones, "windows": windows, "segments": segments, "words": word_table(zones, stimuli)}
    if len(phones := phone_table(zones, stimuli)):
        tables["phones"] = phones
    for name, table in tables.items():
        table.to_parquet(out / f"{name}.parquet", index=False)
    _describe(dataset, settings, stimuli, plan, track, eeg, segments).write(out)
    report("prepared", 1.0)


@contextmanager
def _kept(checkpoints: StageCheckpoints | None, out: Path) -> Iterator[Path]:
    """Give the folder that recordings are written to: one that outlives this process, or one for now."""
    if checkpoints:
        checkpoints.make_folder()
        yield checkpoints.folder
    else:
        with TemporaryDirectory(prefix=".recordings-", dir=out) as folder:
            yield Path(folder)


def _describe(
    dataset: SpeechDataset,
    settings: DataConfig,
    stimuli: list[Stimulus],
    plan: SplitPlan,
    track: SoundTrack,
    eeg: _Eeg,
    segments: pd.DataFrame,
) -> Prepared:
    notes = [ReadingNote(recording=s.name, note=note) for s in stimuli for note in s.notes]
    skipped = [SkippedRecording(recording=name, reason=reason) for name, reason in getattr(dataset, "skipped", ())]
    signal = PreparedSignal(n_chans=len(eeg.chs_info), n_times=eeg.n_times, sfreq=settings.sfreq, chs_info=eeg.chs_info)
    return Prepared(
        **{key: getattr(settings, key) for key in REPEATED},
        signal=signal,
        subjects=eeg.subjects,
        recordings=eeg.recordings,
        stimuli=[
            PreparedStimulus(stimulus_id=s.stimulus_id, name=s.name, duration_s=s.duration_s, speaker=s.speaker)
            for s in stimuli
        ],
        sound=PreparedSound(kind=track.kind, rate_hz=track.rate_hz),
        dataset=PreparedDataset(name=dataset.name, revision=dataset.revision, skipped=skipped, notes=notes + eeg.notes),
        split=plan.proven(prove_eeg_apart(segments, eeg.n_times, settings.sfreq)),
        n_segments=count_segments(segments),
        has_transcripts=any(s.words for s in stimuli),
    )


def heard_stimuli(dataset: SpeechDataset) -> list[Stimulus]:
    """Return the stimuli that recordings present, in the data set's order; a `DataError` if there are none."""
    heard = {p.stimulus_id for r in dataset.recordings for p in r.presentations}
    unknown = heard - {s.stimulus_id for s in dataset.stimuli}
    if unknown or not heard:
        raise DataError(
            f"Data set '{dataset.name}' cannot be prepared",
            got=f"presentations of unknown stimuli {sorted(unknown)}" if unknown else "no presentation",
            expected="recordings of listeners to its stimuli",
        )
    return [s for s in dataset.stimuli if s.stimulus_id in heard]


def planned_split(
    dataset: SpeechDataset, settings: DataConfig, recordings: tuple[Recording, ...], originals: Originals
) -> SplitPlan:
    """Split the time of the stimuli as ``settings`` and the data set ask; errors as in `plan_split`."""
    published = settings.protocol != "own"
    fractions = None if published else settings.fractions or dataset.split_fractions
    plan = plan_split(
        settings.protocol if published else settings.split,
        heard_durations(originals.stimuli, recordings),
        recordings,
        fractions or DEFAULT_FRACTIONS,
        0.0 if published else settings.guard_s,
        settings.window_s,
        originals.shared,
        originals.names,
        sentence_ends_s={s.stimulus_id: sentence_ends(s) for s in originals.stimuli},
        words={s.stimulus_id: s.words for s in originals.stimuli},
    )
    return replace(plan, evidence=plan.evidence.model_copy(update=originals.evidence()))


def heard_durations(stimuli: Sequence[Stimulus], recordings: Sequence[Recording]) -> dict[str, float]:
    """Return how much of each stimulus anybody heard, in seconds from its start, by id.

    Where playback stopped early, the rest would take a share of the split that no EEG goes with.
    """
    until_s: dict[str, float] = {}
    for p in (p for recording in recordings for p in recording.presentations):
        until_s[p.stimulus_id] = max(until_s.get(p.stimulus_id, 0.0), p.start_s + p.duration_s)
    return {
        s.stimulus_id: until_s[s.stimulus_id] if s.duration_s - until_s[s.stimulus_id] > UNHEARD_S else s.duration_s
        for s in stimuli
    }


def sentence_ends(stimulus: Stimulus) -> list[float]:
    """Return the times in the middle between two sentences, in seconds; empty without numbered sentences."""
    return [
        (word.stop_s + after.start_s) / 2
        for word, after in pairwise(stimulus.words)
        if None not in (word.sentence, after.sentence) and word.sentence != after.sentence
    ]


@dataclass(frozen=True)
class _Eeg:
    """What writing the recordings yields beside their rows; ``last`` is the last of them."""

    chs_info: list[dict[str, Any]]
    n_times: int
    subjects: list[str]
    recordings: list[PreparedRecording]
    notes: list[ReadingNote]
    segments: pd.DataFrame
    scale: np.ndarray
    last: WrittenRecording


def _write_eeg(
    recordings: tuple[Recording, ...],
    settings: DataConfig,
    plan: SplitPlan,
    windows: pd.DataFrame,
    track: SoundTrack,
    file: EegFile,
    report: Progress,
) -> _Eeg:
    """Write the recordings to the file; channels are in the order of the first one."""
    import pandas as pd

    subjects = sorted({r.subject for r in recordings})
    n_times, n_baseline = (round(seconds * settings.sfreq) for seconds in (settings.window_s, settings.baseline_s))
    tables, scales = [], []
    written: list[WrittenRecording] = []
    notes: list[ReadingNote] = []

    def read(number: int) -> tuple[WrittenRecording, pd.DataFrame, np.ndarray | None]:
        recording = recordings[number]
        own = file.known(number) or file.write(number, StreamedEeg(recording, settings, track.sound))
        table = segment_table(own.presentations, windows, track.stimulus_ids, settings, own.n_rows)
        starts = table.loc[table["split"] == "train", "eeg_start"].to_numpy()
        if not len(starts):
            return own, table, None
        scale = robust_scale(file.rows(own), starts, n_times, n_baseline)
        return own, table, check_scale(recording, scale, [c["ch_name"] for c in own.chs_info])

    read_ones = each_in_a_fork(read, range(len(recordings)), _fitting_at_once(recordings[0], settings.picks))
    with closing(read_ones):
        for i, recording in enumerate(recordings):
            report(
                f"{signal_name(settings.picks)} {i + 1} of {len(recordings)}: {recording.recording_id}",
                0.1 + 0.9 * i / len(recordings),
            )
            own, table, scale = next(read_ones)
            written.append(own)
            scales.append(scale)
            notes += [ReadingNote(recording=recording.recording_id, note=note) for note in own.notes]
            table["eeg_start"] += own.start
            tables.append(table.assign(recording=i, subject=subjects.index(recording.subject)))
    filled, origins = _fill_scales(scales, [r.subject for r in recordings])
    rows = [
        PreparedRecording(
            recording_id=r.recording_id,
            subject=r.subject,
            start=own.start,
            stop=own.start + own.n_rows,
            scale_from=origin,
            recorded_sfreq=own.recorded_sfreq,
        )
        for r, origin, own in zip(recordings, origins, written, strict=True)
    ]
    columns = ["recording", "subject", "window", "eeg_start", "split"]
    segments = pd.concat(tables, ignore_index=True)[columns]
    return _Eeg(written[0].chs_info, n_times, subjects, rows, notes, segments, filled, written[-1])


def _fitting_at_once(recording: Recording, picks: Picks = "eeg") -> int:
    """Return how many recordings like this one fit into half of the memory that is free."""
    raw = open_eeg(recording, picks)
    n_values = raw.n_times * len(raw.ch_names)
    n_bytes = COPIES * np.dtype(np.float64).itemsize * (n_values if raw.preload else min(n_values, PART_VALUES))
    return max(1, psutil.virtual_memory().available // 2 // max(n_bytes, 1))


def _fill_scales(scales: list[np.ndarray | None], subjects: list[str]) -> tuple[np.ndarray, list[ScaleOrigin]]:
    """Give recordings without training windows the median scale of their listener's others, or of all others.

    A data set with one story per recording has such recordings; scaling them by their own windows would let
    the scaler see validation and test data.
    """
    known = {i: scale for i, scale in enumerate(scales) if scale is not None}
    if not known:
        raise DataError("No recording holds a training window", then="Change data.fractions or data.split.")
    filled: list[np.ndarray] = []
    origins: list[ScaleOrigin] = []
    for i, subject in enumerate(subjects):
        same = [scale for k, scale in known.items() if subjects[k] == subject]
        filled.append(known[i] if i in known else np.median(same or list(known.values()), axis=0))
        origins.append("recording" if i in known else "subject" if same else "all")
    return np.stack(filled).astype(np.float32), origins

"""Makes segments of embeddings that a data set brings: one per item, every number as it was published."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eeg2speech_bench.core.errors import DataError, LeakageError, UsageError
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.prepared import (
    Prepared,
    PreparedDataset,
    PreparedRecording,
    PreparedSignal,
    PreparedSound,
    PreparedStimulus,
    ReadingNote,
)
from eeg2speech_bench.core.segments.recordings import Stimulus
from eeg2speech_bench.core.segments.segment_store import MISC_KIND, SPLITS
from eeg2speech_bench.core.terminal.progress import Progress
from eeg2speech_bench.datasets.audioeeg.audioeeg_dataset import LISTENER, AudioEegDataset
from eeg2speech_bench.datasets.audioeeg.embedding_file import read_embedding
from eeg2speech_bench.datasets.preparation.growing_array import GrowingArray
from eeg2speech_bench.datasets.preparation.sound_track import SoundTrack, write_sounds
from eeg2speech_bench.datasets.preparation.splits.plan import DEFAULT_FRACTIONS, SplitPlan, plan_split
from eeg2speech_bench.datasets.preparation.splits.proof import prove_disjoint, split_evidence
from eeg2speech_bench.datasets.preparation.splits.zones import TOLERANCE_S, Zone
from eeg2speech_bench.datasets.preparation.windows import (
    count_segments,
    drop_unheard,
    prove_eeg_apart,
    word_table,
    zone_table,
)
from eeg2speech_bench.datasets.sounds.shared_stretches import SharedStretch, find_shared_stretches

#: of the parts that a data set brings
PUBLISHED = "published"
#: what a scale of 1, no baseline and a clamp that nothing reaches leave as it is
NO_CLAMP = 1e30
#: MNE's number for no unit
NO_UNIT = -1
AS_THEY_ARE = "embeddings are used as they were published: no shift, baseline, scale or clamp"


def prepare_embeddings(
    dataset: AudioEegDataset, settings: DataConfig, out: Path, progress: Progress | None = None
) -> None:
    """Write the segments of a data set of embeddings into the folder ``out``, for `SegmentStore`.

    A segment is an item: the start of its sound and all frames of its embedding, which take the place of samples,
    their dimensions that of channels. The parts are those of the data set, or with ``split="story"`` new ones in
    which sounds that share audio are together.

    Raises
    ------
    LeakageError
        If parts of the data set share audio.
    UsageError
        If ``settings`` ask for what embeddings do not have: filters, listeners, sentences.
    DataError
        If an embedding has not as many frames as a window, a sound is shorter than one, or a part is empty.
    """
    report = progress or (lambda text, share: None)
    _refuse_settings(settings)
    out.mkdir(parents=True, exist_ok=True)
    stimuli = list(dataset.stimuli)
    _check_lengths(stimuli, settings.window_s)
    track = write_sounds(stimuli, out / "sound.npy", lambda text, share: report(text, 0.3 * share))
    plan = _plan(dataset, settings, stimuli, track)
    zones = zone_table(plan, stimuli, track)
    windows = _windows(zones, settings, track)
    recordings, n_dims, segments = _write(dataset, settings, windows, stimuli, out, report)
    windows, segments = drop_unheard(windows, segments)
    tables = {"zones": zones, "windows": windows, "segments": segments, "words": word_table(zones, stimuli)}
    for name, table in tables.items():
        table.to_parquet(out / f"{name}.parquet", index=False)
    notes = [ReadingNote(recording=r.recording_id, note=note) for r in dataset.recordings for note in r.notes]
    notes.append(ReadingNote(recording="all", note=AS_THEY_ARE))
    n_times = round(settings.window_s * settings.sfreq)
    signal = PreparedSignal(n_chans=n_dims, n_times=n_times, sfreq=settings.sfreq, chs_info=_dimensions(n_dims))
    Prepared(
        window_s=settings.window_s,
        stride_s=settings.stride_s,
        shift_s=0.0,
        baseline_s=0.0,
        clamp_iqr=NO_CLAMP,
        highpass_hz=None,
        lowpass_hz=None,
        signal=signal,
        subjects=[LISTENER],
        recordings=recordings,
        stimuli=[PreparedStimulus(stimulus_id=s.stimulus_id, name=s.name, duration_s=s.duration_s) for s in stimuli],
        sound=PreparedSound(kind=track.kind, rate_hz=track.rate_hz),
        dataset=PreparedDataset(name=dataset.name, revision=dataset.revision, notes=notes),
        split=plan.proven(prove_eeg_apart(segments, n_times, settings.sfreq)),
        n_segments=count_segments(segments),
        has_transcripts=False,
    ).write(out)
    report("prepared", 1.0)


def _refuse_settings(settings: DataConfig) -> None:
    usual = DataConfig()
    for key in ("highpass_hz", "lowpass_hz", "held_out_listeners", "channels"):
        if getattr(settings, key) != getattr(usual, key):
            raise UsageError(f"Configuration key 'data.{key}' does nothing to embeddings", got=getattr(settings, key))
    if settings.split not in ("stimulus-time", "story"):
        expected = "stimulus-time (the parts of the data set) or story"
        raise UsageError(
            "Configuration key 'data.split' does not fit embeddings", got=settings.split, expected=expected
        )
    if settings.split == "stimulus-time" and settings.fractions is not None:
        then = "Add --set data.split=story to share the sounds out anew."
        raise UsageError("Configuration key 'data.fractions' does nothing to published parts", then=then)


def _check_lengths(stimuli: Sequence[Stimulus], window_s: float) -> None:
    shortest = min(stimuli, key=lambda s: s.duration_s)
    if shortest.duration_s < window_s - TOLERANCE_S:
        raise DataError(
            f"Sound '{shortest.name}' is shorter than a window",
            got=f"{shortest.duration_s:.3f} s",
            expected=f"{window_s:.3f} s (data.window_s), which its embedding describes",
            then="It is probably truncated: download it again.",
        )


def _plan(dataset: AudioEegDataset, settings: DataConfig, stimuli: Sequence[Stimulus], track: SoundTrack) -> SplitPlan:
    """Take the parts of the data set if they are proven to share nothing, or make new ones."""
    shared = find_shared_stretches({s.stimulus_id: partial(track.sound, s.stimulus_id) for s in stimuli})
    names = {s.stimulus_id: s.name for s in stimuli}
    if settings.split == "story":
        durations_s = {s.stimulus_id: s.duration_s for s in stimuli}
        fractions = settings.fractions or DEFAULT_FRACTIONS
        arguments = (fractions, settings.guard_s, settings.window_s, shared, names)
        plan = plan_split("story", durations_s, dataset.recordings, *arguments)
    else:
        plan = _published(dataset, settings, stimuli, shared, names)
    evidence = plan.evidence.model_copy(update={"n_shared_audio": len(shared)})
    return SplitPlan(plan.kind, plan.fractions, plan.guard_s, plan.zones, evidence)


def _published(
    dataset: AudioEegDataset,
    settings: DataConfig,
    stimuli: Sequence[Stimulus],
    shared: Sequence[SharedStretch],
    names: dict[str, str],
) -> SplitPlan:
    duration_s = {s.stimulus_id: s.duration_s for s in stimuli}
    pairs = sorted({(name, item.part) for name, item in zip(dataset.stimulus_ids, dataset.items, strict=True)})
    zones = tuple(Zone(name, 0.0, duration_s[name], part) for name, part in pairs)
    try:
        shared_s = prove_disjoint(PUBLISHED, zones, 0.0, shared, names)
    except LeakageError as error:
        then = "Use --set data.split=story: sounds that share audio then lie in one part."
        raise LeakageError(error.problem, got=error.got, expected=error.expected, then=then) from error
    sizes = [sum(zone.duration_s for zone in zones if zone.split == split) for split in SPLITS]
    train, valid, test = (size / sum(sizes) for size in sizes)
    evidence = split_evidence(zones, shared_s, settings.window_s)
    return SplitPlan(PUBLISHED, (train, valid, test), 0.0, zones, evidence)


def _windows(zones: pd.DataFrame, settings: DataConfig, track: SoundTrack) -> pd.DataFrame:
    """Make one window at the start of each sound, if the split left that whole."""
    whole = (zones["start_s"] < TOLERANCE_S) & (zones["stop_s"] >= settings.window_s - TOLERANCE_S)
    windows = zones.loc[whole, ["stimulus", "split"]].reset_index(drop=True)
    windows.insert(1, "start_s", 0.0)
    stimulus = windows["stimulus"].to_numpy()
    room = round(settings.window_s * track.rate_hz)
    windows["sound_start"] = track.row(stimulus, windows["start_s"].to_numpy(), room)
    windows["text"] = ""
    return windows


def _write(
    dataset: AudioEegDataset,
    settings: DataConfig,
    windows: pd.DataFrame,
    stimuli: Sequence[Stimulus],
    out: Path,
    report: Progress,
) -> tuple[list[PreparedRecording], int, pd.DataFrame]:
    """Write eeg.npy and scale.npy, one embedding after the other; return recordings, dimensions and segments."""
    window_of = {stimuli[number].stimulus_id: window for window, number in enumerate(windows["stimulus"])}
    split_of = windows["split"].to_list()
    number_of = {recording.recording_id: number for number, recording in enumerate(dataset.recordings)}
    shape: tuple[int, int] | None = None
    rows: list[dict[str, Any]] = []
    bounds: dict[str, list[int]] = {}
    with GrowingArray(out / "eeg.npy") as array:
        for k, (item, name) in enumerate(zip(dataset.items, dataset.stimulus_ids, strict=True)):
            report(f"embedding {k + 1} of {len(dataset.items)}", 0.3 + 0.7 * k / len(dataset.items))
            values = read_embedding(item.embedding, shape)
            if shape is None:
                shape = (values.shape[1], values.shape[0])
                _check_frames(item.embedding, shape, settings)
            bounds.setdefault(item.part, [array.n_rows, 0])
            if name in window_of:
                window = window_of[name]
                row = {"recording": number_of[item.part], "subject": 0, "window": window, "eeg_start": array.n_rows}
                rows.append({**row, "split": split_of[window]})
            array.append(values)
            bounds[item.part][1] = array.n_rows
    assert shape is not None
    np.save(out / "scale.npy", np.ones((len(dataset.recordings), shape[0]), dtype=np.float32))
    recordings = [
        PreparedRecording(
            recording_id=part, subject=LISTENER, start=start, stop=stop, scale_from="recording", recorded_sfreq=None
        )
        for part, (start, stop) in bounds.items()
    ]
    return recordings, shape[0], pd.DataFrame(rows, columns=["recording", "subject", "window", "eeg_start", "split"])


def _check_frames(path: Path, shape: tuple[int, int], settings: DataConfig) -> None:
    n_times = round(settings.window_s * settings.sfreq)
    if shape[1] != n_times:
        raise DataError(
            f"Embedding {path} does not describe a window",
            got=f"{shape[1]} frames",
            expected=f"{n_times}: {settings.window_s:g} s (data.window_s) at {settings.sfreq:g} Hz (data.sfreq)",
            then=f"Use --preset eeg2speech, or --set data.window_s={shape[1] / settings.sfreq:.6g}.",
        )


def _dimensions(n_dims: int) -> list[dict[str, Any]]:
    """Describe the dimensions of an embedding as channels that are no EEG and lie nowhere."""
    common = {"loc": [0.0] * 12, "kind": MISC_KIND, "coil_type": 0, "unit": NO_UNIT, "coord_frame": 0}
    return [{"ch_name": f"embedding {k + 1}", **common} for k in range(n_dims)]

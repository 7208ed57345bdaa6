"""Takes from a data set what preparing takes: the sounds that were heard, the recordings, and the split."""

from __future__ import annotations

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.presets.config import DataConfig
from eeg2speech_bench.core.segments.recordings import SpeechDataset, Stimulus
from eeg2speech_bench.datasets.preparation.splits import DEFAULT_FRACTIONS, SplitPlan, plan_split


def heard_stimuli(dataset: SpeechDataset) -> list[Stimulus]:
    """Return the stimuli that recordings present, in the data set's order.

    Raises
    ------
    DataError
        If there are none.
    """
    heard = {p.stimulus_id for r in dataset.recordings for p in r.presentations}
    stimuli = [s for s in dataset.stimuli if s.stimulus_id in heard]
    if len(stimuli) < max(1, len(heard)):
        raise DataError(
            f"Data set '{dataset.name}' cannot be prepared",
            got=f"{len(stimuli)} of {len(heard)} stimuli that recordings present",
            expected="recordings of listeners to its stimuli",
        )
    return stimuli


def planned_split(dataset: SpeechDataset, settings: DataConfig, stimuli: list[Stimulus]) -> SplitPlan:
    """Split the time of the stimuli as ``settings`` and the data set ask; errors as in `plan_split`."""
    durations_s = {s.stimulus_id: s.duration_s for s in stimuli}
    fractions = settings.fractions or dataset.split_fractions or DEFAULT_FRACTIONS
    return plan_split(settings.split, durations_s, dataset.recordings, fractions, settings.guard_s, settings.window_s)

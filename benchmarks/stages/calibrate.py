"""Finds the known listener whose place serves each new one best, by a few minutes of theirs (stage ``calibrate``)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from eeg2speech_bench.benchmarks.inputs.target_frames import FrameStore
from eeg2speech_bench.benchmarks.models.pair import Pair
from eeg2speech_bench.benchmarks.stage_inputs import CalibrateInputs
from eeg2speech_bench.core.contrastive.loss import clip_scores
from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.core.generator.conditioner import Conditioner
from eeg2speech_bench.core.segments.segment_store import SegmentStore
from eeg2speech_bench.core.stages.json_files import read_json, write_json
from eeg2speech_bench.core.statistics.spacing import evenly_spaced
from eeg2speech_bench.core.terminal.progress import Progress

#: segments of a listener that decide, evenly spaced where the minutes hold more
N_SEGMENTS = 256
BATCH_SIZE = 128
#: relative difference that rounding explains
SAME = 1e-6
FILE = "stand_ins.json"


def calibration_rows(store: SegmentStore, listener: int, minutes: float) -> tuple[np.ndarray, float]:
    """Return the training segments of a new listener that lie in the first minutes of such audio.

    Parameters
    ----------
    store : SegmentStore
    listener : int
    minutes : float
        Of EEG; segments may overlap, and each moment counts once.

    Returns
    -------
    rows : array of int
        In the order of recordings and time.
    used_min : float
        Minutes that they hold.

    Raises
    ------
    UsageError
        If not even one segment fits.
    """
    table = store.segments
    rows = store.indices("train", "new")
    rows = rows[table["subject"].to_numpy()[rows] == listener]
    start = table["eeg_start"].to_numpy(dtype=np.int64)[rows]
    order = np.argsort(start, kind="stable")
    rows, start, n_times = rows[order], start[order], store.signal.n_times
    held = np.cumsum(np.minimum(np.diff(start, prepend=start[:1] - n_times), n_times)) / (60 * store.signal.sfreq)
    n_used = int(np.searchsorted(held, minutes + 1e-9, side="right"))
    if not n_used:
        name = store.meta.subjects[listener]
        raise UsageError(
            f"Listener '{name}' cannot be calibrated",
            got=f"data.calibration_min={minutes:g}, {len(rows)} segments of training audio",
            expected=f"at least one segment of {store.window_s:g} s",
            then="Raise data.calibration_min, set it to 0, or hold out others.",
        )
    return rows[:n_used], float(held[n_used - 1])


def read_stand_ins(folder: Path) -> dict[int, int]:
    """Read who stands in for whom; empty where the encoder does not read who listens."""
    return {int(listener): told for listener, told in read_json(folder / FILE).items()}


def run(inputs: CalibrateInputs, out: Path, progress: Progress) -> None:
    """Write who stands in for each new listener, and what decided it."""
    store, pair = inputs.store(), inputs.pair
    conditioner = pair.load(store, inputs.aligned).conditioner(pair.encoder.name, standardise=False).to(inputs.device)
    frames = FrameStore(inputs.features, store)
    stand_ins, facts = dict[int, int](), {}
    for listener in range(store.n_known, len(store.meta.subjects)):
        progress(store.meta.subjects[listener], (listener - store.n_known) / len(store.meta.split.held_out))
        rows, used_min = calibration_rows(store, listener, inputs.minutes)
        rows = rows[evenly_spaced(len(rows), N_SEGMENTS)]
        places = [listener, *range(store.n_known)]  # first what it has without calibration
        found = [_recognised(store.standing_in({listener: told}), pair, conditioner, frames, rows) for told in places]
        best = int(np.argmax(found))
        if np.ptp(found) > SAME * max(map(abs, found)):
            stand_ins[listener] = places[best]
        facts[store.meta.subjects[listener]] = {
            "minutes": used_min,
            "stand_in": store.meta.subjects[places[best]] if best else "",
            "recognised": found[best],
            "uncalibrated": found[0],
        }
    write_json(out / FILE, stand_ins)
    method = "nearest known listener" if stand_ins else "none: it makes no difference who listens"
    write_json(out / "training.json", {"method": method, "chosen": facts})


def _recognised(
    store: SegmentStore, pair: Pair, conditioner: Conditioner, frames: FrameStore, rows: np.ndarray
) -> float:
    """Return by how many standard deviations the true windows score above the others, on average."""
    windows = store.segments["window"].to_numpy(dtype=np.int64)[rows]
    pool, true = np.unique(windows, return_inverse=True)
    estimates = list(_estimates(store, pair, conditioner, rows))  # first: they say how many tokens there are
    candidates = conditioner.embed_audio(torch.from_numpy(frames.gather(pool)).to(next(iter(estimates)).device))
    scores = torch.cat([clip_scores(part, candidates) for part in estimates]).cpu().numpy()
    spread = scores.std(axis=1)
    own = scores[np.arange(len(rows)), true] - scores.mean(axis=1)
    return float(np.divide(own, spread, out=np.zeros_like(own), where=spread > 0).mean())


def _estimates(store: SegmentStore, pair: Pair, conditioner: Conditioner, rows: np.ndarray) -> Iterator[Tensor]:
    device = next(conditioner.parameters(), torch.zeros(())).device
    for first in range(0, len(rows), BATCH_SIZE):
        yield conditioner.estimate(pair.gather(store, rows[first : first + BATCH_SIZE]).to(device))

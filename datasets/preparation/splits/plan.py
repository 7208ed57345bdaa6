"""Splits stimulus time into train, valid and test, and proves that they share no audio."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eeg2speech_bench.core.errors import DataError, UsageError
from eeg2speech_bench.core.segments.recordings import Recording, Word
from eeg2speech_bench.core.segments.segment_store import SPLITS
from eeg2speech_bench.core.segments.split import Evidence, Split
from eeg2speech_bench.datasets.preparation.splits.placement import zones_by_listener, zones_by_time
from eeg2speech_bench.datasets.preparation.splits.proof import prove_disjoint, split_evidence
from eeg2speech_bench.datasets.preparation.splits.sentence_blocks import zones_by_sentence_blocks
from eeg2speech_bench.datasets.preparation.splits.shared_audio import without_shared_passages
from eeg2speech_bench.datasets.preparation.splits.zones import TOLERANCE_S, Zone, merged
from eeg2speech_bench.datasets.sounds.shared_stretches import SharedStretch

#: shares of stimulus time (train, valid, test) where neither the data set nor the user names others
DEFAULT_FRACTIONS = (0.7, 0.1, 0.2)

#: seconds of which a window is a multiple, so that the generator of each preset halves it evenly at all its levels
WINDOW_STEP_S = 0.32


@dataclass(frozen=True)
class SplitPlan:
    """Which stretches of stimulus train, validate and test, and the proof that they share nothing.

    Attributes
    ----------
    kind : str
        ``"stimulus-time"``, ``"story"``, ``"sentence"``, ``"subject"`` or ``"recording"``, or the name of a protocol.
    fractions : tuple of float
        Shares of (train, valid, test) that were asked for.
    guard_s : float
        Stimulus time kept free between zones of different splits.
    zones : tuple of Zone
        Sorted; zones of different splits never share stimulus time.
    evidence : Evidence
        Of the stimuli; what concerns the EEG is known later.
    """

    kind: str
    fractions: tuple[float, float, float]
    guard_s: float
    zones: tuple[Zone, ...]
    evidence: Evidence

    @property
    def hash(self) -> str:
        """SHA-256 of the zones: equal for equal splits of equal audio."""
        rows = [[z.stimulus_id, round(z.start_s, 6), round(z.stop_s, 6), z.split] for z in self.zones]
        return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()

    def proven(self, eeg_gap_s: float | None) -> Split:
        """Return the split without its zones, with the smallest time between EEG samples of different parts."""
        return Split(
            kind=self.kind,
            fractions=list(self.fractions),
            guard_s=self.guard_s,
            evidence=self.evidence.model_copy(update={"eeg_gap_s": eeg_gap_s}),
            hash=self.hash,
        )


def plan_split(
    kind: str,
    durations_s: Mapping[str, float],
    recordings: Sequence[Recording],
    fractions: tuple[float, float, float] = DEFAULT_FRACTIONS,
    guard_s: float = 3.0,
    window_s: float = 2.88,
    shared: Sequence[SharedStretch] = (),
    names: Mapping[str, str] | None = None,
    sentence_ends_s: Mapping[str, Sequence[float]] | None = None,
    words: Mapping[str, Sequence[Word]] | None = None,
) -> SplitPlan:
    """Plan zones of stimulus time for train, valid and test, and prove them disjoint.

    ``"stimulus-time"`` orders the stimuli by a hash of their id. Where every stimulus is at most as long as the
    smallest share, whole stimuli are held out (test is rounded up); else the line of all stimuli is cut at the
    asked shares, with ``guard_s`` left unused around a cut. ``"story"`` never cuts a stimulus, ``"sentence"`` cuts
    between two sentences, nearest to the asked shares. ``"subject"`` and ``"recording"`` hold out listeners
    or recordings, which is refused where they heard the same audio (reference: datasets, section 0, point 4).

    Stimuli that share at least half of the shorter one are split along one line of time. Of other audio that stimuli
    of different parts share, training keeps what it has and the others lose it.

    Parameters
    ----------
    kind : str
    durations_s : mapping of str to float
        Length of every stimulus that is heard, by id.
    recordings : sequence of Recording
    fractions : tuple of float
        Shares of (train, valid, test); they sum to 1.
    guard_s, window_s : float
        Seconds.
    shared : sequence of SharedStretch
        Audio that stimuli have in common, by their ids.
    names : mapping of str to str, optional
        What the data set calls the stimuli, for messages.
    sentence_ends_s : mapping of str to sequence of float, optional
        Times between two sentences of each stimulus; needed for ``"sentence"`` alone.
    words : mapping of str to sequence of Word, optional
        What is spoken in each stimulus; needed for ``"brainmagick2023"`` alone, which has shares of its own.

    Returns
    -------
    SplitPlan

    Raises
    ------
    UsageError
        If the fractions are not three positive numbers that sum to 1.
    LeakageError
        If two splits share stimulus audio, or come closer than the guard.
    DataError
        If a split holds no window, or there are fewer than three listeners or recordings to share out.
    """
    fractions = _checked_fractions(fractions)
    if kind in ("subject", "recording"):
        zones = zones_by_listener(kind, recordings, fractions)
    elif kind == "brainmagick2023":
        zones = without_shared_passages(zones_by_sentence_blocks(durations_s, words or {}), shared)
    else:
        zones = zones_by_time(kind, durations_s, fractions, guard_s, shared, sentence_ends_s or {})
    shared_s = prove_disjoint(kind, zones, guard_s, shared, names)
    kept = tuple(z for z in merged(zones) if z.n_windows(window_s))
    _check_not_empty(kind, kept, durations_s, guard_s, window_s, shared)
    return SplitPlan(kind, fractions, guard_s, kept, split_evidence(kept, shared_s, window_s))


def _checked_fractions(fractions: Sequence[float]) -> tuple[float, float, float]:
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise UsageError(
            "Configuration key 'data.fractions' is wrong",
            got=list(fractions),
            expected="three positive shares (train, valid, test) that sum to 1",
            then="For example --set data.fractions=[0.7,0.1,0.2].",
        )
    train, valid, test = fractions
    return train, valid, test


def _check_not_empty(
    kind: str,
    zones: Sequence[Zone],
    durations_s: Mapping[str, float],
    guard_s: float,
    window_s: float,
    shared: Sequence[SharedStretch],
) -> None:
    longest_s = max(durations_s.values())
    if longest_s < window_s - TOLERANCE_S:
        raise _too_short(longest_s, sorted(durations_s.values()), window_s)
    missing = [split for split in SPLITS if not any(z.split == split for z in zones)]
    if not missing:
        return
    got = f"{sum(durations_s.values()):.1f} s of audio in {len(durations_s)} stimuli"
    then = "Use --set data.fractions=[0.4,0.2,0.4] or a smaller data.guard_s."
    if shared:
        got += f", {max(s.duration_s for s in shared):.1f} s of it at a stretch in two of them, which training keeps"
        then = "Name one sound file for each story, so that a story in another order or sound is still one story."
    if kind == "brainmagick2023":
        then = "It draws parts by the words and needs more text than this; use --protocol own."
    raise DataError(
        f"Split '{kind}' leaves no window for '{missing[0]}'",
        got=got,
        expected=f"a stretch of {window_s:g} s beside guards of {guard_s:g} s",
        then=then,
    )


def _too_short(longest_s: float, durations_s: Sequence[float], window_s: float) -> DataError:
    """Advise a window that fits into nine of ten sounds, and that the generator's levels can halve."""
    fitting_s = durations_s[len(durations_s) // 10] // WINDOW_STEP_S * WINDOW_STEP_S
    return DataError(
        "No sound is as long as a window",
        got=f"{len(durations_s)} sounds of at most {longest_s:.2f} s",
        expected=f"sounds of data.window_s = {window_s:g} s and longer",
        then=f"Use --set data.window_s={fitting_s:g}."
        if fitting_s
        else f"Join them to longer files; the shortest window is {WINDOW_STEP_S:g} s.",
    )

"""Finds audio that stimuli share, and replaces excerpts and copies by the stretch of their original."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from eeg2speech_bench.core.segments.recordings import Recording, Sound, Stimulus
from eeg2speech_bench.core.segments.split import SharedAudio
from eeg2speech_bench.datasets.sounds.copies import copy_start_s
from eeg2speech_bench.datasets.sounds.shared_stretches import SharedStretch, find_shared_stretches

#: stretches that the evidence lists, the longest ones
MAX_LISTED = 100


@dataclass(frozen=True)
class Originals:
    """The stimuli that are no part of another, and where the others are in them.

    Attributes
    ----------
    stimuli : list of Stimulus
    excerpts : dict of str to (str, float)
        Per excerpt or copy: its original, and the second of the original at which it starts.
    found : list of SharedStretch
        Audio that any two stimuli share, by their ids.
    names : dict of str to str
        What the data set calls the stimuli, excerpts too.
    together : list of SharedStretch
        Sounds that played at the same time, as of two talkers; they are no copies, and are split as if they were.
    """

    stimuli: list[Stimulus]
    excerpts: dict[str, tuple[str, float]]
    found: list[SharedStretch] = field(repr=False)
    names: dict[str, str] = field(repr=False)
    together: list[SharedStretch] = field(default_factory=list, repr=False)

    @property
    def shared(self) -> list[SharedStretch]:
        """What originals share with each other, also by way of their excerpts, and which played together."""
        return [moved for s in (*self.found, *self.together) for moved in self._between_originals(s)]

    def _between_originals(self, stretch: SharedStretch) -> Iterator[SharedStretch]:
        one, shift_s = self.excerpts.get(stretch.one, (stretch.one, 0.0))
        other, other_shift_s = self.excerpts.get(stretch.other, (stretch.other, 0.0))
        start_s, other_start_s = stretch.start_s + shift_s, stretch.other_start_s + other_shift_s
        if one != other or abs(start_s - other_start_s) > 1.0:
            yield replace(stretch, one=one, other=other, start_s=start_s, other_start_s=other_start_s)

    def presented(self, recordings: Sequence[Recording]) -> tuple[Recording, ...]:
        """Return the recordings with presentations of originals in place of those of excerpts."""
        return tuple(
            replace(
                recording,
                presentations=tuple(
                    replace(p, stimulus_id=original, start_s=p.start_s + start_s)
                    for p in recording.presentations
                    for original, start_s in [self.excerpts.get(p.stimulus_id, (p.stimulus_id, 0.0))]
                ),
            )
            for recording in recordings
        )

    def evidence(self) -> dict[str, Any]:
        """Return what `Evidence` says of shared audio."""
        longest = sorted(self.found, key=lambda s: (-s.duration_s, s))[:MAX_LISTED]
        listed = [
            SharedAudio(
                one=self.names[s.one],
                other=self.names[s.other],
                start_s=s.start_s,
                other_start_s=s.other_start_s,
                duration_s=s.duration_s,
                correlation=s.correlation,
                kept_as="one part" if any(self._between_originals(s)) else "one stimulus",
            )
            for s in longest
        ]
        return {"shared_audio": listed, "n_shared_audio": len(self.found)}


def find_originals(
    stimuli: Sequence[Stimulus], sound: Callable[[str], Sound], heard_together: Sequence[tuple[str, str]] = ()
) -> Originals:
    """Find the audio that stimuli share, and which of them lie in others with all their samples.

    Parameters
    ----------
    stimuli : sequence of Stimulus
    sound : callable
        Returns the samples of a stimulus by its id.
    heard_together : sequence of (str, str)
        Pairs of stimuli that played at the same time, from the start of both.
    """
    found = find_shared_stretches({s.stimulus_id: partial(sound, s.stimulus_id) for s in stimuli})
    duration_s = {s.stimulus_id: s.duration_s for s in stimuli}
    excerpts: dict[str, tuple[str, float]] = {}
    # The longest comes first, so that an excerpt of an excerpt is one of the original.
    for stretch in sorted(found, key=lambda s: -max(duration_s[s.one], duration_s[s.other])):
        whole, part = sorted((stretch.one, stretch.other), key=lambda name: (-duration_s[name], name))
        if whole == part or whole in excerpts or part in excerpts:
            continue
        about_s = stretch.start_s - stretch.other_start_s
        start_s = copy_start_s(sound(whole), sound(part), about_s if whole == stretch.one else -about_s)
        if start_s is not None:
            excerpts[part] = (whole, start_s)
    kept = [s for s in stimuli if s.stimulus_id not in excerpts]
    together = [
        SharedStretch(min(pair), max(pair), 0.0, 0.0, min(duration_s[name] for name in pair), 1.0)
        for pair in heard_together
        if duration_s.keys() >= set(pair)
    ]
    return Originals(kept, excerpts, found, {s.stimulus_id: s.name for s in stimuli}, together)

"""Labels test segments with what is looked for in their embeddings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from eeg2speech_bench.benchmarks.metrics.word_retrieval import identity
from eeg2speech_bench.benchmarks.probes import sound_course
from eeg2speech_bench.benchmarks.probes.phoneme_classes import phoneme_class
from eeg2speech_bench.core.segments.segment_store import SegmentStore

#: tokens per second at most; finer ones are averaged first
TOKENS_PER_S = 12.5
#: stretches of audio that are kept apart, at least; stretches of one sound where there are fewer sounds
MIN_GROUPS = 5
#: stimulus windows whose sound is in memory at once
_BATCH = 64
#: share of the symbols of phonemes that must be known
KNOWN_PHONEMES = 0.9
#: parts of a token that are rounding
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Labels:
    """Holds items with their labels.

    Attributes
    ----------
    segment : array of int, shape (n_items,)
        The test segment that an item lies in.
    start, stop : array of int, shape (n_items,)
        Its first token, and the one after its last.
    value : array of float, shape (n_items,)
        A number, or that of a class.
    group : array of int, shape (n_items,)
        Items of one group are never on both sides of a fit and its test.
    classes : tuple of str
        Names of classes; empty for numbers.
    """

    segment: np.ndarray = field(repr=False)
    start: np.ndarray = field(repr=False)
    stop: np.ndarray = field(repr=False)
    value: np.ndarray = field(repr=False)
    group: np.ndarray = field(repr=False)
    classes: tuple[str, ...] = ()

    @property
    def n_classes(self) -> int:
        """How many classes there are; 0 for numbers."""
        return len(self.classes)


@dataclass(frozen=True)
class Labelled:
    """Holds what is labelled.

    Attributes
    ----------
    store : SegmentStore
    table : DataFrame
        The test segments: subject, stimulus, block, and ``true``, the row of ``pool``.
    pool : array of int, shape (n_pool,)
        Their stimulus windows.
    n_tokens : int
        Tokens of each segment.
    """

    store: SegmentStore = field(repr=False)
    table: pd.DataFrame = field(repr=False)
    pool: np.ndarray = field(repr=False)
    n_tokens: int

    @property
    def groups(self) -> np.ndarray:
        """Number what is kept apart: sounds, or stretches of them where there are few sounds."""
        stimuli = self.table["stimulus"]
        kept_apart = stimuli if stimuli.nunique() >= MIN_GROUPS else self.table["block"]
        return pd.factorize(kept_apart)[0]

    def course(self, of_windows: np.ndarray) -> Labels:
        """Label every token by a number of its window, shape (n_pool, n_tokens); NaN is no label."""
        values = of_windows[self.table["true"].to_numpy()]
        segment, token = np.nonzero(np.isfinite(values))
        return Labels(segment, token, token + 1, values[segment, token], self.groups[segment])

    def whole(self, segment: np.ndarray, names: np.ndarray, groups: np.ndarray) -> Labels:
        """Label some segments as a whole by classes."""
        value, classes = pd.factorize(names, sort=True)
        stop = np.full(len(segment), self.n_tokens)
        return Labels(segment, 0 * segment, stop, value.astype(float), groups, tuple(map(str, classes)))

    def spans(self, spans: pd.DataFrame, classes: tuple[str, ...] = ()) -> Labels:
        """Label stretches of windows.

        Parameters
        ----------
        spans : DataFrame
            Columns ``true`` (row of ``pool``), ``from_s`` and ``to_s`` (in the window) and ``value``.
        classes : tuple of str
        """
        places = pd.DataFrame({"true": self.table["true"], "segment": np.arange(len(self.table))})
        items = places.merge(spans, on="true")
        per_s = self.n_tokens / self.store.window_s
        start = np.floor(items["from_s"] * per_s + _ROUNDING).clip(0, self.n_tokens - 1).astype(int)
        stop = np.ceil(items["to_s"] * per_s - _ROUNDING).clip(upper=self.n_tokens).astype(int).clip(lower=start + 1)
        segment = items["segment"].to_numpy()
        value = items["value"].to_numpy(dtype=float)
        return Labels(segment, start.to_numpy(), stop.to_numpy(), value, self.groups[segment], classes)


def count_tokens(n_tokens: int, window_s: float) -> int:
    """Return how many tokens of a window are looked at, of those that an encoder gives."""
    return min(n_tokens, round(window_s * TOKENS_PER_S))


def make_labels(about: Labelled) -> tuple[dict[str, Labels], dict[str, str]]:
    """Label test segments with all that is known of them.

    Returns
    -------
    labels : dict of str to Labels
        By probe.
    skipped : dict of str to str
        Probes without labels, with the reason.
    """
    labels: dict[str, Labels] = {}
    skipped: dict[str, str] = {}
    for name, make in LABELLING.items():
        made = make(about)
        reason = made if isinstance(made, str) else _why_untestable(made)
        if reason:
            skipped[name] = reason
        elif isinstance(made, Labels):
            labels[name] = made
    return labels, skipped


def _why_untestable(labels: Labels) -> str:
    """Say why nothing can be read out of held-out audio; empty if it can."""
    if not len(labels.value):
        return "no test segment has any"
    if (n_groups := len(np.unique(labels.group))) < 2:
        return f"{n_groups} stretch of audio in the test split cannot be learnt from and tested on"
    if np.ptp(labels.value) == 0:
        return f"it is the same in all test segments{f' ({labels.classes[0]})' if labels.n_classes == 1 else ''}"
    return ""


def _loudness(about: Labelled) -> np.ndarray:
    store = about.store
    parts = np.split(about.pool, range(_BATCH, len(about.pool), _BATCH))
    courses = [sound_course.envelope(store.gather_sound(one), store.meta.sound.kind, store.window_s) for one in parts]
    return np.concatenate(courses)


def _envelope(about: Labelled) -> Labels:
    return about.course(sound_course.mean_in_bins(_loudness(about), about.n_tokens))


def _onsets(about: Labelled) -> Labels:
    return about.course(sound_course.mean_in_bins(sound_course.onsets(_loudness(about)), about.n_tokens))


def _pitch(about: Labelled) -> Labels | str:
    store = about.store
    if not store.has_audio:
        return "the data set publishes an envelope and no audio"
    parts = np.split(about.pool, range(_BATCH, len(about.pool), _BATCH))
    found = np.concatenate([sound_course.pitch(store.gather_sound(one), store.sound_rate_hz) for one in parts])
    voiced = np.isfinite(found)
    shares = sound_course.mean_in_bins(voiced.astype(float), about.n_tokens)
    means = sound_course.mean_in_bins(np.where(voiced, found, 0.0), about.n_tokens) / np.maximum(shares, 1e-9)
    return about.course(np.where(shares >= 0.5, means, np.nan))


def _phoneme_class(about: Labelled) -> Labels | str:
    phones = about.store.phones
    if phones.empty:
        return "the data set has no phonemes with their times"
    manner = phones["symbol"].map(phoneme_class)
    if (share := (manner != "").mean()) < KNOWN_PHONEMES:
        return f"its phonemes are not written in ARPAbet: {share:.0%} of the symbols are known"
    spans = _inside(about, phones.assign(value=manner)[manner != ""])
    value, classes = pd.factorize(spans["value"], sort=True)
    return about.spans(spans.assign(value=value), tuple(map(str, classes)))


def _word_frequency(about: Labelled) -> Labels | str:
    words = about.store.words
    if words.empty:
        return "the data set has no words with their times"
    spelling = words["text"].map(identity)
    share = spelling.map(spelling.value_counts(normalize=True))
    return about.spans(_inside(about, words.assign(value=np.log2(share))))


def _inside(about: Labelled, spoken: pd.DataFrame) -> pd.DataFrame:
    """Return what is spoken in the windows, see `Labelled.spans`; a word is of the window that its middle lies in."""
    windows = about.store.windows.iloc[about.pool]
    by_stimulus = dict(iter(spoken.groupby("stimulus", sort=False)))
    parts = []
    for row, (stimulus, begin) in enumerate(zip(windows["stimulus"], windows["start_s"], strict=True)):
        if (own := by_stimulus.get(stimulus)) is None:
            continue
        middle = (own["start_s"] + own["stop_s"]) / 2 - begin
        own = own[(middle >= 0) & (middle < about.store.window_s)]
        spans = {"from_s": own["start_s"] - begin, "to_s": own["stop_s"] - begin, "value": own["value"]}
        parts.append(pd.DataFrame({"true": row, **spans}))
    return pd.concat(parts) if parts else pd.DataFrame({n: [] for n in ("true", "from_s", "to_s", "value")})


def _speaker(about: Labelled) -> Labels | str:
    """Label segments by whose voice they are; of each voice one recording is learnt from and another one tested on."""
    if not any(stimulus.speaker for stimulus in about.store.meta.stimuli):
        return "the data set does not say whose voices it has"
    of_stimulus = pd.Series([stimulus.speaker for stimulus in about.store.meta.stimuli])
    heard = about.table["stimulus"]
    names = heard.map(of_stimulus)
    n_recordings = heard.groupby(names).nunique()
    known = names.isin(n_recordings[n_recordings >= 2].index) & (names != "")
    if names[known].nunique() < 2:
        return "fewer than two voices are heard in two recordings each"
    return about.whole(np.flatnonzero(known), names[known].to_numpy(), pd.factorize(heard[known])[0])


def _listener(about: Labelled) -> Labels:
    names = np.asarray(about.store.meta.subjects)[about.table["subject"].to_numpy()]
    return about.whole(np.arange(len(names)), names, about.groups)


LABELLING: dict[str, Callable[[Labelled], Labels | str]] = {
    "envelope": _envelope,
    "onsets": _onsets,
    "pitch": _pitch,
    "phoneme_class": _phoneme_class,
    "word_frequency": _word_frequency,
    "speaker": _speaker,
    "listener": _listener,
}

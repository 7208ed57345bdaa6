"""Tells the names of electrodes from the names of other channels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Sequence
from functools import cache

#: ear lobes and mastoids: most recordings use them as the reference, and few as EEG
EARS = frozenset({"A1", "A2", "M1", "M2"})

#: what amplifiers, exporters and published data call channels that are no electrode of the scalp
_OTHER_WORDS = (
    "aud|audio|sound|speech|voice|mic|microphone|env|envelope|loudspeaker|speaker|aux|ext|ana|analog|bip|bipolar|misc|"
    "stim|stimtrak|stimulus|sti|trig|trigger|ttl|status|marker|event|events|annotations|digital|din|counter|sample|"
    "samples|packet|timestamp|time|battery|photo|photodiode|diode|light|"
    "eog|[hv]eog[lruobd]?|eog[lrhv]|[lr]eog|lo|io|so|exg|ecg|ekg|emg|gsr|eda|resp|respiration|plet|pleth|ppg|pulse|"
    "spo2|hr|bp|temp|temperature|erg|snore|flow|thor|abdo|acc[xyz]?|gyro[xyz]?|mag[xyz]?|x|y|z|pupil|gaze|eye|"
    "ref|reference|gnd|ground|cms|drl"
)
_OTHER = re.compile(rf"(?:[eb]df )?(?:{_OTHER_WORDS})(?![a-z])")

#: numbered caps: EGI's E1, plain numbers (easycap), "EEG 001", an amplifier's Ch1
_NUMBERED = re.compile(r"(e|eeg|ch|chan|channel|)[ _-]?\d{1,3}")
#: what the number of an amplifier's input says: nothing of what is plugged in there
_INPUTS = ("ch", "chan", "channel")
#: fewer numbered channels than this are no cap: A1 and A2 are ears, E1 and E2 the eyes of a sleep recording
SMALLEST_CAP = 8
_BIOSEMI = re.compile(r"[a-h](?:[1-9]|[12]\d|3[0-2])")

_EARS_AS_REFERENCE = ("a1", "a2", "a1a2", "a1+a2", "m1", "m2", "m1m2", "m1+m2")
_REFERENCES = frozenset(
    {"ref", "reference", "le", "re", "av", "avg", "avr", "average", "ar", "car", *_EARS_AS_REFERENCE}
)
_REFERENCED = re.compile(r"(.+?)\s*[-_/]\s*([a-z][a-z0-9+]*)")


def is_other_name(name: str) -> bool:
    """Whether a channel is called like something that is recorded beside EEG: sound, eyes, heart, triggers."""
    return _OTHER.match(_plain(name)) is not None


def _plain(name: str) -> str:
    """Put a name in lower case, without the "EEG" of EDF before it and the dots of EEGBCI behind it."""
    return re.sub(r"^eeg[ _:-]+(?=\D)", "", name.strip().strip(".").casefold())


@cache
def electrodes_10_05() -> dict[str, str]:
    """Return the electrodes of the 10-05 system, by their names in lower case."""
    import mne

    montages = (mne.channels.make_standard_montage(name) for name in ("colin27_1005", "easycap-M1"))
    return {name.casefold(): name for montage in montages for name in montage.ch_names}


def bare_names(names: Sequence[str]) -> dict[str, str]:
    """Return channel names in lower case, without "EEG" before and the reference behind the electrode.

    Parameters
    ----------
    names : sequence of str
        All channels of a recording: "Fp1-CPz" is Fp1 against CPz where most channels end in CPz, and a pair of
        electrodes where each ends in another.

    Returns
    -------
    dict of str to str
    """
    plain = {name: _plain(name) for name in names}
    parts = {name: found.groups() for name, text in plain.items() if (found := _REFERENCED.fullmatch(text))}
    known = electrodes_10_05()
    shared = {reference for _, reference in parts.values() if reference in known and reference not in _REFERENCES}
    is_common = len(shared) == 1 and 2 * len(parts) >= len(names)
    accepted = _REFERENCES | (shared if is_common else frozenset())
    stripped = {name: text for name, (text, reference) in parts.items() if reference in accepted}
    return plain | stripped


def electrode_names(names: Sequence[str], declared: Collection[str] = ()) -> dict[str, str]:
    """Return the electrode that each channel is named after, for those that are.

    Electrodes are those of the 10-05 system, BioSemi's A1 to H32, and numbered caps (E1, "EEG 001", 1, Ch1). A number
    counts if its channel is declared to be EEG, or if 8 channels are numbered in its way, which are not an
    amplifier's inputs (Ch1). Two channels that would be one electrode are none.

    Parameters
    ----------
    names : sequence of str
        All channels of a recording.
    declared : collection of str
        Those of them that channels.tsv calls EEG.

    Returns
    -------
    dict of str to str
        Channel to electrode, in the 10-05 system's own spelling.
    """
    bare, known = bare_names(names), electrodes_10_05()
    numbered = {name: found[1] for name, text in bare.items() if (found := _NUMBERED.fullmatch(text))}
    caps = {prefix for prefix, count in Counter(numbered.values()).items() if count >= SMALLEST_CAP}
    caps -= set(_INPUTS)
    is_biosemi = is_biosemi_cap(names)
    electrodes: dict[str, str] = {}
    for name, text in bare.items():
        of_cap = name in numbered and (name in declared or numbered[name] in caps)
        if of_cap or (is_biosemi and _BIOSEMI.fullmatch(text)):
            electrodes[name] = name.strip() if text == _plain(name) else text.upper()
        elif text in known:
            electrodes[name] = known[text]
    counts = Counter(electrodes.values())
    return {name: electrode for name, electrode in electrodes.items() if counts[electrode] == 1}


def is_biosemi_cap(names: Sequence[str]) -> bool:
    """Whether channels are numbered as BioSemi's caps are, where A1 is no ear."""
    bare = bare_names(names).values()
    return sum(bool(_BIOSEMI.fullmatch(text)) and text[0] == "a" for text in bare) >= SMALLEST_CAP


def joined_by_name(wanted: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Pair the names of a table with those of a recording.

    Names that are equal come first, then those that differ in upper and lower case, then those that differ in
    "EEG" before or the reference behind the electrode; a name with two partners has none.

    Parameters
    ----------
    wanted, names : sequence of str
        Names without repetition in a table and in a recording.

    Returns
    -------
    dict of str to str
        Name in the table to name in the recording.
    """
    pairs: dict[str, str] = {}
    bare_wanted, bare = bare_names(wanted), bare_names(names)
    keys: list[tuple[Callable[[str], Hashable], Callable[[str], Hashable]]] = [
        (str, str),
        (str.casefold, str.casefold),
        (bare_wanted.__getitem__, bare.__getitem__),
    ]
    for key_wanted, key in keys:
        open_wanted = _unique([n for n in wanted if n not in pairs], key_wanted)
        open_names = _unique([n for n in names if n not in pairs.values()], key)
        pairs |= {open_wanted[k]: open_names[k] for k in open_wanted.keys() & open_names.keys()}
    return pairs


def _unique(names: list[str], key: Callable[[str], Hashable]) -> dict[Hashable, str]:
    counts = Counter(map(key, names))
    return {key(name): name for name in names if counts[key(name)] == 1}

"""Gives a recording the channels that a model was trained on, or says why it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from eeg2speech_bench.core.errors import DataError, UsageError
from eeg2speech_bench.core.segments.channel_types import sensor_name, type_of
from eeg2speech_bench.core.segments.segment_store import has_position

if TYPE_CHECKING:
    import mne

#: word that stands for interpolation among ``FILE=MODEL`` pairs
INTERPOLATE = "interpolate"
#: median distance in metres between electrodes of one name at which two montages are two; caps are placed within 1 cm
FAR_M = 0.03
#: share of channels that must be there to interpolate the others from
LEAST_SHARE = 0.5


@dataclass(frozen=True)
class ChannelMap:
    """How the channels of a file become those of a model.

    Attributes
    ----------
    names : dict of str to str
        Names of the model by those of the file; others are the same in both.
    interpolate : bool
        Whether channels that the file lacks are interpolated.
    """

    names: dict[str, str] = field(default_factory=dict)
    interpolate: bool = False

    @property
    def is_told(self) -> bool:
        """Whether the user said anything about the montage."""
        return bool(self.names) or self.interpolate

    @classmethod
    def read(cls, text: str) -> ChannelMap:
        """Read ``FILE=MODEL,FILE=MODEL,interpolate``.

        Raises
        ------
        UsageError
            If it is anything else.
        """
        names: dict[str, str] = {}
        parts = [part.strip() for part in text.split(",") if part.strip()]
        for part in parts:
            own, separator, other = part.partition("=")
            if part != INTERPOLATE and not (separator and own.strip() and other.strip()):
                expected = "FILE=MODEL pairs, 'interpolate', or both, with commas between"
                raise UsageError("Option --map-channels was not understood", got=part, expected=expected)
            if separator:
                names[own.strip()] = other.strip()
        return cls(names, INTERPOLATE in parts)


def match_channels(
    raw: mne.io.BaseRaw, chs_info: Sequence[dict[str, Any]], channels: ChannelMap, source: str
) -> tuple[mne.io.BaseRaw, tuple[str, ...]]:
    """Return a recording with the channels of a model in their order, and what was done.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        Is not changed.
    chs_info : sequence of dict
        The channels of the model.
    channels : ChannelMap
    source : str
        The recording's name, for messages.

    Raises
    ------
    DataError
        If it lacks channels, or electrodes of the same names lie elsewhere, and nobody said what to do.
    """
    wanted = [str(channel["ch_name"]) for channel in chs_info]
    raw = _of_types(raw, list(dict.fromkeys(map(type_of, chs_info))))
    _refuse_unknown(channels, raw.ch_names, wanted, source)
    if channels.names:
        raw.rename_channels(channels.names, verbose="ERROR")
    lacking = [name for name in wanted if name not in raw.ch_names]
    extra = [name for name in raw.ch_names if name not in wanted]
    notes = [f"left out, since the model has no such channels: {' '.join(extra)}"] if extra else []
    notes += [f"renamed: {', '.join(f'{a} to {b}' for a, b in channels.names.items())}"] if channels.names else []
    if lacking:
        if not channels.interpolate or len(lacking) > (1 - LEAST_SHARE) * len(wanted):
            raise _lacking(source, raw.ch_names, wanted, lacking)
        raw.pick([name for name in wanted if name in raw.ch_names], verbose="ERROR")
        raw = _with_flat(raw, chs_info, lacking, source)
        notes.append(f"interpolated, since the file lacks them: {' '.join(lacking)}")
    raw.pick(wanted, verbose="ERROR")
    if not channels.is_told:
        _refuse_elsewhere(raw, chs_info, source)
    return raw, tuple(notes)


def _of_types(raw: mne.io.BaseRaw, types: Sequence[str]) -> mne.io.BaseRaw:
    """Return a copy with the channels of the model's types alone, MEG sensors by their plain names."""
    there = [kind for kind in types if kind in raw]
    if not there:
        raise DataError(
            "The recording has no channel of the model's types",
            got=", ".join(sorted(set(raw.get_channel_types()))),
            expected=" or ".join(types),
            then="Use a recording of the same kind as in training.",
        )
    raw = raw.copy().pick(there, exclude=(), verbose="ERROR")
    if "eeg" not in types:
        raw.rename_channels({n: sensor_name(n) for n in raw.ch_names if sensor_name(n) != n}, verbose="ERROR")
    return raw


def _refuse_unknown(channels: ChannelMap, own: Sequence[str], wanted: Sequence[str], source: str) -> None:
    for name, other in channels.names.items():
        if name not in own or other not in wanted:
            got = f"'{name}', which {source} lacks" if name not in own else f"'{other}', which the model lacks"
            expected = ", ".join(own if name not in own else wanted)
            raise UsageError("Option --map-channels names a channel that is not there", got=got, expected=expected)


def _lacking(source: str, own: Sequence[str], wanted: Sequence[str], lacking: Sequence[str]) -> DataError:
    folded = {name.casefold(): name for name in own}
    likely = {folded[name.casefold()]: name for name in lacking if name.casefold() in folded}
    pairs = ",".join(f"{a}={b}" for a, b in likely.items()) or "FILE=MODEL,..."
    some = len(lacking) <= (1 - LEAST_SHARE) * len(wanted)
    also = ", or let them be interpolated with --map-channels interpolate" if some else ""
    return DataError(
        f"{source} has another montage than the model",
        got=f"{len(own)} channels, without {', '.join(lacking)}",
        expected=", ".join(wanted),
        then=f"Say which channels they are with --map-channels {pairs}{also}.",
    )


def _with_flat(
    raw: mne.io.BaseRaw, chs_info: Sequence[dict[str, Any]], lacking: Sequence[str], source: str
) -> mne.io.BaseRaw:
    """Add flat channels that are marked bad, with the positions of the model; cleaning interpolates them."""
    import mne

    of_model = {str(c["ch_name"]): c for c in chs_info}
    if not all(map(has_position, chs_info)):
        then = "Use a recording with all channels."
        raise DataError(f"Channels of {source} cannot be interpolated", got="a model without positions", then=then)
    raw.load_data(verbose="ERROR")
    info = mne.create_info(list(lacking), raw.info["sfreq"], [type_of(of_model[name]) for name in lacking])
    flat = mne.io.RawArray(np.zeros((len(lacking), raw.n_times)), info, first_samp=raw.first_samp, verbose="ERROR")
    raw.add_channels([flat], force_update_info=True)
    for channel in raw.info["chs"]:
        # one frame for all: positions of a file and of the model may differ by how they were measured
        channel["loc"] = np.asarray(of_model[channel["ch_name"]]["loc"], dtype=float)
        channel["coord_frame"] = of_model[channel["ch_name"]].get("coord_frame", channel["coord_frame"])
    raw.info["bads"] = [*raw.info["bads"], *lacking]
    return raw


def _refuse_elsewhere(raw: mne.io.BaseRaw, chs_info: Sequence[dict[str, Any]], source: str) -> None:
    pairs = [
        (np.asarray(own["loc"][:3]), np.asarray(other["loc"][:3]))
        for own, other in zip(raw.info["chs"], chs_info, strict=True)
        if has_position(own) and has_position(other)
    ]
    if not pairs:
        return
    distance_m = float(np.median([np.linalg.norm(own - other) for own, other in pairs]))
    if distance_m > FAR_M:
        raise DataError(
            f"{source} has another montage than the model: electrodes of the same names lie elsewhere",
            got=f"a median distance of {100 * distance_m:.1f} cm",
            expected=f"at most {100 * FAR_M:g} cm",
            then="Name the channels that are meant with --map-channels FILE=MODEL,... (Cz=Cz if they are the same).",
        )

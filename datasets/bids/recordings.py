"""Reads recordings of a BIDS folder with MNE's own readers, and joins their side tables by name.

mne-bids finds the files; it does not read them, because it also reads tables that this suite does not need
(participants, scans, events) and stops at what it finds odd in them, and because it joins channels.tsv by order.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.channel_types import CHANNEL_TYPES
from eeg2speech_bench.core.segments.segment_store import has_position
from eeg2speech_bench.core.stages.file_hashes import files_below
from eeg2speech_bench.datasets.bids.channels import choose_eeg, read_channel_table
from eeg2speech_bench.datasets.bids.electrodes import ElectrodePositions, places_of, read_positions
from eeg2speech_bench.datasets.bids.meg_channels import MegChoice, choose_meg
from eeg2speech_bench.datasets.sounds.sound_files import is_pointer

if TYPE_CHECKING:
    import mne
    import numpy as np
    from mne_bids import BIDSPath

#: folders beside ``eeg`` and ``meg`` whose recordings are not read
OTHER_DATATYPES = ("ieeg", "nirs")


@dataclass(frozen=True)
class OpenedRecording:
    """A recording whose samples are not read yet.

    Attributes
    ----------
    raw : mne.io.BaseRaw
        As `read_raw` returns it.
    notes : tuple of str
        Which channels are used, and where their positions come from.
    """

    raw: mne.io.BaseRaw
    notes: tuple[str, ...]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.raw.n_times / self.raw.info["sfreq"])

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the EEG and MEG channels, bad ones included."""
        kinds = self.raw.get_channel_types()
        return tuple(name for name, kind in zip(self.raw.ch_names, kinds, strict=True) if kind in CHANNEL_TYPES)

    @property
    def channel_types(self) -> tuple[str, ...]:
        """MNE's types of these channels."""
        return tuple(kind for kind in self.raw.get_channel_types() if kind in CHANNEL_TYPES)


def read_raw(path: BIDSPath) -> mne.io.BaseRaw:
    """Read a recording with its channel types, bad channels and electrode positions; samples stay on the disk.

    Where nothing gives positions and every EEG channel bears a name of the 10-05 system, the positions are those of
    MNE's template head.

    Parameters
    ----------
    path : BIDSPath
        A BrainVision, EDF, BDF or EEGLAB file of EEG, or a FIF, KIT or CTF file of MEG.

    Returns
    -------
    mne.io.BaseRaw
        Channels of type ``"eeg"``, ``"mag"`` and ``"grad"`` are those to use, under the names of their electrodes and
        sensors.

    Raises
    ------
    DataError
        If the file or one of its tables cannot be read or contradicts another.
    """
    return open_recording(path).raw


def not_downloaded(eeg: Path) -> str:
    """Reason to skip a recording of which git-annex holds only a pointer."""
    beside = [*sorted(eeg.parent.glob(f"{eeg.stem}.*")), *(files_below(eeg) if eeg.is_dir() else ())]
    parts = [p for p in beside if p.suffix != ".json" and is_pointer(p)]
    return f"{parts[0].name} was not downloaded (git-annex pointer); run: datalad get {eeg.parent}" if parts else ""


def open_recording(path: BIDSPath) -> OpenedRecording:
    """Open a recording and say what was decided of its channels; raises as `read_raw` does."""
    eeg, root = Path(path.fpath), Path(path.root)
    raw = read_file(eeg)
    kinds = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
    if path.datatype == "meg":
        return _with_meg(raw, choose_meg(eeg, kinds, read_channel_table(eeg, root)))
    positions = read_positions(eeg, root)
    places = places_of(positions, raw.ch_names) if positions else {}
    located = set(places) | {c["ch_name"] for c in raw.info["chs"] if has_position(c)}
    choice = choose_eeg(eeg, kinds, read_channel_table(eeg, root), located)
    kinds_now = {name: "misc" for name in choice.left_out if kinds[name] == "eeg"}
    kinds_now |= {name: "eeg" for name in choice.electrodes if kinds[name] != "eeg"}
    raw.set_channel_types(kinds_now, on_unit_change="ignore", verbose="ERROR")
    raw.info["bads"] = list(choice.bads)
    if positions:
        _place(raw, {name: place for name, place in places.items() if name in choice.electrodes}, positions)
    _rename(raw, choice.electrodes)
    notes = [*choice.notes, *(positions.notes if positions else ()), *_template(raw, list(choice.electrodes.values()))]
    return OpenedRecording(raw, (*notes, *_ignored(eeg)))


def _with_meg(raw: mne.io.BaseRaw, choice: MegChoice) -> OpenedRecording:
    """Keep the types, and the places of sensors in the helmet, that the file itself gives."""
    raw.set_channel_types(dict.fromkeys(choice.left_out, "misc"), on_unit_change="ignore", verbose="ERROR")
    raw.info["bads"] = list(choice.bads)
    raw.rename_channels({name: sensor for name, sensor in choice.names.items() if name != sensor}, verbose="ERROR")
    return OpenedRecording(raw, choice.notes)


def _rename(raw: mne.io.BaseRaw, electrodes: dict[str, str]) -> None:
    """Give channels the names of their electrodes, and way to them where another channel bears the name."""
    taken = {name: f"{name} (left out)" for name in raw.ch_names if name in set(electrodes.values())}
    raw.rename_channels({**taken, **electrodes}, verbose="ERROR")


def _place(raw: mne.io.BaseRaw, places: dict[str, np.ndarray], positions: ElectrodePositions) -> None:
    import mne

    frame = "unknown" if positions.landmarks else "head"
    montage = mne.channels.make_dig_montage(places, **positions.landmarks, coord_frame=frame)
    raw.set_montage(montage, on_missing="ignore", verbose="ERROR")


def _template(raw: mne.io.BaseRaw, names: list[str]) -> list[str]:
    """Place electrodes on the template head where nothing else places any, and say where positions come from."""
    lacking = [name for name in names if not has_position(raw.info["chs"][raw.ch_names.index(name)])]
    if not lacking:
        return []
    if len(lacking) < len(names):
        return [f"no electrode position: {', '.join(lacking)}"]
    template = _template_head()
    if not set(names) <= set(template.ch_names):
        return ["no electrode positions"]
    raw.set_montage(template, on_missing="ignore", verbose="ERROR")
    return ["electrode positions are those of MNE's template head (colin27_1005), by name"]


@cache
def _template_head() -> mne.channels.DigMontage:
    import mne

    return mne.channels.make_standard_montage("colin27_1005")


def _ignored(eeg: Path) -> list[str]:
    found = [kind for kind in OTHER_DATATYPES if (eeg.parent.parent / kind).is_dir()]
    return [f"recordings of the same session that are not read: {', '.join(found)}"] if found else []


def read_file(eeg: Path) -> mne.io.BaseRaw:
    """Read a file as MNE does, without the tables beside it; a `DataError` if that fails."""
    import mne

    _check_data_file(eeg)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # of Elekta's active shielding: what it takes out of the samples matters to source models alone
            shielded = {"allow_maxshield": "yes"} if eeg.suffix == ".fif" else {}
            try:
                return mne.io.read_raw(eeg, preload=False, verbose="ERROR", **shielded)
            except Exception as error:
                if "latin1" not in str(error):
                    raise
                # EDF+ asks for UTF-8 in its notes; some amplifiers write Latin-1, and MNE names the way out
                return mne.io.read_raw(eeg, preload=False, encoding="latin1", verbose="ERROR")
    except Exception as error:  # MNE's readers raise whatever a broken file leads them to
        raise DataError(
            f"Recording {eeg} cannot be read",
            got=f"{type(error).__name__}: {error}",
            expected="a complete BrainVision, EDF, BDF, EEGLAB, FIF, KIT or CTF file",
            then="Download it again if it is shorter than the original; mne.io.read_raw shows more.",
        ) from error


def _check_data_file(eeg: Path) -> None:
    """Refuse a BrainVision header that points at a file of another name: its files were renamed one by one."""
    if eeg.suffix != ".vhdr":
        return
    found = re.search(r"^DataFile=(.*)$", eeg.read_text(encoding="latin-1"), flags=re.MULTILINE)
    named = found[1].strip() if found else ""
    if not named or (eeg.parent / named).is_file():
        return
    beside = [p.name for p in sorted(eeg.parent.glob(f"{eeg.stem}.*")) if p.suffix in (".eeg", ".dat", ".avg", ".seg")]
    then = f"Write DataFile={beside[0]} and MarkerFile={eeg.stem}.vmrk into it." if beside else ""
    raise DataError(
        f"{eeg} points at a file that does not exist",
        got=f"DataFile={named}",
        expected=f"the samples of the recording: {beside[0] if beside else f'{eeg.stem}.eeg'}",
        then=then or f"Download {named} into the same folder.",
    )

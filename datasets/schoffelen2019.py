"""Opens MOUS (Schoffelen et al. 2019): the half of its people who listened, with the rows that start a sound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.datasets.bids.bids_dataset import PublishedTables, open_bids
from eeg2speech_bench.datasets.bids.description import Description, EventsDescription, TranscriptsDescription
from eeg2speech_bench.datasets.opened_dataset import OpenedDataset

if TYPE_CHECKING:
    import pandas as pd

ABOUT = "Listeners to Dutch sentences and lists of their words, MEG (Schoffelen et al. 2019)"
#: below ``stimuli``
SOUNDS = "audio_files"
SOUND = SOUNDS + "/EQ_Ramp_Int2_Int1LPF{:03d}.wav"
#: the tier of words in the TextGrids that WebMAUS makes
TIER = "ORT-MAU"

DESCRIPTION = Description(
    events=EventsDescription(rows="starts", sound="stim_file", duration=""),
    transcripts=TranscriptsDescription(tier=TIER),
)


def open_schoffelen2019(
    root: Path, hashes: FileHashes | None = None, report: Callable[[str], None] = lambda line: None
) -> OpenedDataset:
    """Open a folder of MOUS; people who read, and recordings at rest, are left out.

    Parameters
    ----------
    root : Path
        With ``sub-A2002`` and its siblings, and ``stimuli/audio_files``.
    hashes : FileHashes, optional
        Remembers the content of files from run to run; by default all are read.
    report : callable, optional
        Receives a line of text before a long wait.

    Raises
    ------
    DataError
        As `open_bids` does, if the sounds are not there, or a table is not one of MOUS.
    """
    sounds = Path(root).expanduser() / "stimuli" / SOUNDS
    if not sounds.is_dir():
        raise DataError(
            f"The sounds of MOUS are not in {root}",
            got=f"no folder {sounds}",
            expected=f"the files {Path(SOUND.format(1)).name} and its siblings",
            then="They are part of DSC_3011020.09_236 at data.ru.nl, which the Donders Institute opens to those who "
            "sign its agreement: download its folder stimuli as well.",
        )
    return open_bids(root, hashes, report, PublishedTables("schoffelen2019", ABOUT, DESCRIPTION, _rewritten))


def _rewritten(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Name the sound of the rows that start one (``14 Start File 045.wav``); all others name none."""
    lacking = [name for name in ("type", "value") if name not in table]
    if lacking:
        raise DataError(
            f"{source} is no table of MOUS",
            got=f"the columns {', '.join(map(str, table.columns))}",
            expected="the columns onset, type and value",
            then="Download it again, or use the type bids for a data set of your own.",
        )
    numbers = table["value"].str.extract(r"(\d+)\.wav\s*$", expand=False)
    starts = (table["type"].str.lower() == "sound") & numbers.notna()
    named = [SOUND.format(int(number)) if is_one else "n/a" for number, is_one in zip(numbers, starts, strict=True)]
    return table.assign(stim_file=named)

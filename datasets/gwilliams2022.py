"""Opens MEG-MASC (Gwilliams et al. 2023): its events.tsv as the authors wrote them, or as nm000229 spells them out."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.stages.file_hashes import FileHashes
from eeg2speech_bench.datasets.bids.bids_dataset import PublishedTables, open_bids
from eeg2speech_bench.datasets.bids.description import Description, EventsDescription
from eeg2speech_bench.datasets.bids.tables import is_missing
from eeg2speech_bench.datasets.opened_dataset import OpenedDataset

if TYPE_CHECKING:
    import pandas as pd

ABOUT = "Listeners to four synthesised English stories with word lists between, MEG (Gwilliams et al. 2023)"

#: what a row tells of a sound: the start of a file, or a word in it (phonemes say no more)
KINDS = ("sound", "word")
COLUMNS = ("kind", "sound", "start")

#: ``lw1_0.0.wav`` is how rows of sounds spell ``lw1_0.wav``
_SPURIOUS = re.compile(r"\.0(?=\.wav$)")
#: a value that is not a number, which no Python literal can be
_NAN = re.compile(r"(:\s*)nan(?=\s*[,}])")

DESCRIPTION = Description(
    events=EventsDescription(
        rows="inside", sound="stim_file", inside="start", word="spoken", sentence="sentence", duration="duration"
    )
)


def open_gwilliams2022(
    root: Path, hashes: FileHashes | None = None, report: Callable[[str], None] = lambda line: None
) -> OpenedDataset:
    """Open a folder of MEG-MASC, or its re-release nm000229.

    Parameters
    ----------
    root : Path
        With ``sub-01`` and its siblings, and ``stimuli/audio``.
    hashes : FileHashes, optional
        Remembers the content of files from run to run; by default all are read.
    report : callable, optional
        Receives a line of text before a long wait.

    Raises
    ------
    DataError
        As `open_bids` does, and if a table is not one of MEG-MASC.
    """
    rewritten = partial(_rewritten, sounds=_sounds_below(Path(root).expanduser() / "stimuli"))
    return open_bids(root, hashes, report, PublishedTables("gwilliams2022", ABOUT, DESCRIPTION, rewritten))


def _sounds_below(stimuli: Path) -> dict[str, str]:
    """Return the sound files by their names in lower case: tables spell a story in two ways."""
    return {path.name.lower(): path.relative_to(stimuli).as_posix() for path in sorted(stimuli.glob("**/*.wav"))}


def _rewritten(table: pd.DataFrame, source: str, sounds: Mapping[str, str]) -> pd.DataFrame:
    import pandas as pd

    told = table.get("trial_type", pd.Series("", index=table.index))
    if told.str.startswith("{").any():
        cells = [_unpacked(cell, number, source) for number, cell in told.items()]
        table = table.drop(columns="trial_type").join(
            pd.DataFrame(cells, index=table.index, dtype=object).fillna("n/a")
        )
    lacking = [name for name in COLUMNS if name not in table]
    if lacking:
        raise DataError(
            f"{source} is no table of MEG-MASC",
            got=f"the columns {', '.join(map(str, table.columns))}",
            expected=f"a Python dictionary in each trial_type, or the columns {', '.join(COLUMNS)}",
            then="Download it again, or use the type bids for a data set of your own.",
        )
    table = table[table["kind"].isin(KINDS)]
    is_word = table["kind"] == "word"
    return table.assign(
        stim_file=[_sound(cell, sounds) for cell in table["sound"]],
        spoken=table.get("word", pd.Series("n/a", index=table.index)).where(is_word, "n/a"),
        sentence=table.get("sequence_id", pd.Series("n/a", index=table.index)).where(is_word, "n/a"),
    )


def _unpacked(cell: str, number: object, source: str) -> dict[str, str]:
    try:
        told = ast.literal_eval(_NAN.sub(r"\1None", cell))
        if not isinstance(told, dict):
            raise ValueError(type(told).__name__)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise DataError(
            f"Row {number} of {source} has a trial_type that is no Python dictionary",
            got=f"{cell[:80]!r} ({error})",
            expected="{'kind': 'word', 'sound': 'stimuli/audio/lw1_0.wav', 'start': 0.0, ...}",
            then="Download the table again.",
        ) from None
    return {str(name): _as_cell(value) for name, value in told.items()}


def _as_cell(value: Any) -> str:
    """Write a value as a cell of a table; whole numbers without a point."""
    if value is None:
        return "n/a"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _sound(cell: str, sounds: Mapping[str, str]) -> str:
    """Return the path below ``stimuli`` of the file that a cell names; its own spelling if there is none."""
    if is_missing(cell):
        return "n/a"
    name = _SPURIOUS.sub("", PurePosixPath(cell).name)
    return sounds.get(name.lower(), f"audio/{name}")

"""Reads the tables (.tsv) of a BIDS folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def read_table(path: Path) -> pd.DataFrame:
    """Read a table as text, with blanks around cells and column names removed.

    Parameters
    ----------
    path : Path

    Returns
    -------
    DataFrame
        All cells are str; empty ones are "".
    """
    import pandas as pd

    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, encoding="utf-8-sig", quoting=3)
    return table.rename(columns=str.strip).apply(lambda column: column.str.strip())

"""Makes the table that says whether pretraining helps: encoders with pretrained weights against their twins."""

from __future__ import annotations

from collections.abc import Iterable

from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.leaderboard.labels import BOARD_METRICS, metric_titles, p_text
from eeg2speech_bench.leaderboard.standings.standings import Standings
from eeg2speech_bench.leaderboard.tables.table import Table

NOTES = [
    "Twin: the same network under the same strategy, with random weights. Difference: means over seeds, paired over "
    "listeners and blocks, above 0 is better; p by min F', Holm-corrected for all pairs of the competition.",
]


def pretraining_table(records: Iterable[Record], standings: Standings) -> Table | None:
    """Return one row per encoder that has a twin, data set and headline metric; None if none has one."""
    records = list(records)
    called = metric_titles(records)
    table = Table("Does pretraining help?", ["encoder", "weights", "data set", "metric", "difference", "p", "verdict"])
    table.optional = ("weights",)
    for record in records:
        for metric in BOARD_METRICS:
            standing = standings.get((record.cell.id, metric))
            if standing is None or (found := standing.pretraining) is None:
                continue
            row = [record.cell.title, weights_text(record), record.cell.dataset, called[metric]]
            row += [f"{found.difference:+.3f}", p_text(found.p).removeprefix("p ").removeprefix("= "), found.verdict]
            if row not in table.rows:  # of its seeds
                table.rows.append(row)
    table.notes = NOTES
    return table if table.rows else None


def weights_text(record: Record) -> str:
    """Return the weights of an encoder with their revision, and the data that they were trained on."""
    about = record.alignment.pretraining
    pinned = f"{about.get('weights', '?')} at {str(about.get('revision', '?'))[:19]}"
    return f"{pinned}, trained on: {about.get('trained_on', 'not stated')}"

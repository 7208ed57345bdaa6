"""Writes ranks into the pages of rows, once all encoders of a board are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from markupsafe import Markup

from eeg2speech_bench.leaderboard.page.rows import Row
from eeg2speech_bench.leaderboard.standings.standings import Standing, Standings
from eeg2speech_bench.leaderboard.tables.table import IMPROVING_NOTE


def standing_mark(metric: str) -> Markup:
    """Return the mark that a row's standing later replaces; it shows nothing if there is none."""
    return Markup("<!--standing in {}-->").format(metric.encode().hex())


def write_standings(out: Path, rows: Iterable[Row], metrics: Sequence[str], standings: Standings) -> None:
    """Put the standing of every row that competes into its page.

    Parameters
    ----------
    out : Path
        Folder with the pages, ``rows/<name>.html``.
    rows : iterable of Row
    metrics : sequence of str
        Headline metrics.
    standings : mapping
        See `standings.stand`.
    """
    for row in rows:
        found = {name: row.standing(name, standings) for name in metrics}
        texts = {name: standing_text(one) for name, one in found.items() if one is not None}
        if not any(texts.values()):
            continue
        path = out / "rows" / f"{row.name}.html"
        page = path.read_text(encoding="utf8")
        for name, text in texts.items():
            page = page.replace(standing_mark(name), Markup('<p class="muted standing">{}</p>').format(text), 1)
        path.unlink()  # the file may be shared with the last board
        path.write_text(page, encoding="utf8")


def standing_text(standing: Standing) -> str:
    """Return rank, ties, margin over the best baseline and what pretraining does; empty for one without rivals."""
    parts = []
    if (rank := standing.rank) is not None and rank.n > 1:
        ties = f"letter{'s' if len(rank.groups) > 1 else ''} {rank.letters}"
        place = f"At worst rank {rank.high}" if standing.improving else f"Rank {rank.low}–{rank.high}"
        parts.append(f"{place} of {rank.n} encoders on equal terms, {ties}")
    if standing.improving:
        parts.append(f"It {IMPROVING_NOTE}")
    if standing.reason:
        parts.append(f"Not ranked: {standing.reason}")
    if (margin := standing.margin) is not None:
        parts.append(margin.text)
    if (pretraining := standing.pretraining) is not None:
        parts.append(pretraining.text[0].upper() + pretraining.text[1:])
    return "".join(f"{part}. " for part in parts).rstrip()

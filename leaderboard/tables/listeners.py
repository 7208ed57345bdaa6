"""Tables known listeners beside new ones, and new ones once calibrated: scores, ranks and how both change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.records.groups import GROUPS
from eeg2speech_bench.core.records.metrics import Metric, Verdict
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.leaderboard.labels import p_text, signed
from eeg2speech_bench.leaderboard.standings.differences import Difference, LocatedRecord, compare
from eeg2speech_bench.leaderboard.standings.identity import identify
from eeg2speech_bench.leaderboard.standings.standings import Competitor, Standing, competitor, find_standings
from eeg2speech_bench.leaderboard.tables.table import NO_SIGNAL, Table, name_text, value_text

#: what the table shows; the records hold every metric of retrieval
METRIC = "top1"
#: what the record's own scores are of
NEW = "new"
NOTES = [
    "Known listeners were trained on, new ones never; sounds, candidates and controls are the same. New - known is of "
    "other people; calibrated - new is of the same segments (95 % bootstrap; p by min F').",
    "Calibrated: a new listener takes the place of the known one who serves a few minutes of their training audio "
    "best. 'as new': it makes no difference to the encoder who listens. Ranks: among encoders on equal terms, per "
    "group of listeners; in parentheses how far the middle of the interval moved from that among known ones.",
]


class GroupScore(NamedTuple):
    """What one group of listeners scored, and what is needed to rank it."""

    entry: Metric
    verdict: Verdict | None
    competitor: Competitor | None


class ListenerScores(NamedTuple):
    """A cell whose listeners were held out.

    Attributes
    ----------
    cell, name, dataset : str
        Id of the cell, what its row is called, and its data set.
    groups : dict of str to GroupScore
        ``"known"``, ``"new"`` and, where the encoder reads who listens, ``"calibrated"``.
    alike : bool
        Whether new listeners score the same once calibrated, since the encoder does not read who listens.
    gain : Difference, optional
        Calibrated minus new; None where there is no such group, or its segments are missing.
    """

    cell: str
    name: str
    dataset: str
    seed: int
    groups: dict[str, GroupScore]
    alike: bool
    gain: Difference | None


def listener_scores(path: Path, record: Record) -> ListenerScores | None:
    """Return what a cell scored by groups of listeners; None if none were held out.

    Parameters
    ----------
    path : Path
        Where the record lies, ``<results>/records/<cell id>.json``.
    record : Record
    """
    if record.status != "done" or not record.groups:
        return None
    identity, alike = identify(record), "calibrate" in record.training and "calibrated" not in record.groups
    views: dict[str, Record] = {group: record.of_group(group) for group in GROUPS if group in record.groups}
    if alike:  # it takes part among the calibrated by what it scores anyway
        views["calibrated"] = record
    found = {
        name: GroupScore(entry, view.verdict.get(METRIC), competitor(path, view, identity))
        for name, view in {**views, NEW: record}.items()
        if (entry := view.metric(METRIC)) is not None
    }
    gain = None if alike else _gain(path, record, views.get("calibrated"))
    return ListenerScores(record.cell.id, name_text(record), record.cell.dataset, record.cell.seed, found, alike, gain)


def _gain(path: Path, record: Record, calibrated: Record | None) -> Difference | None:
    if calibrated is None:
        return None
    try:
        (found,) = compare([LocatedRecord(path, calibrated)], [LocatedRecord(path, record)], [METRIC])
    except BenchError:  # copied without its segments
        return None
    return found


def listeners_table(scores: Iterable[ListenerScores]) -> Table | None:
    """Return one row per cell whose listeners were held out, the best with new listeners first; None without any."""
    scores = sorted(scores, key=lambda one: (one.dataset, -one.groups[NEW].entry.value if NEW in one.groups else 0.0))
    if not scores:
        return None
    groups = ["known", NEW, *(["calibrated"] if any("calibrated" in one.groups for one in scores) else [])]
    standings = {group: _standings(group, scores) for group in groups}
    changes = ["new - known", *(["calibrated - new"] if len(groups) > 2 else [])]
    heads = [f"{title}, {group}" for title in ("top-1", "retrieval", "rank") for group in groups]
    n = len(groups)
    table = Table("Known and new listeners", ["encoder", "data set", "seed", *heads[:n], *changes, *heads[n:]])
    for one in scores:
        values = [_value(one, group) for group in groups]
        verdicts = [_verdict(one, group) for group in groups]
        ranks = [_rank(one, group, standings) for group in groups]
        row = [one.name, one.dataset, str(one.seed), *values, _change(one), *[_gain_text(one)][: len(changes) - 1]]
        table.rows.append([*row, *verdicts, *ranks])
    table.notes = list(NOTES)
    return table


def _standings(group: str, scores: list[ListenerScores]) -> Mapping[str, Standing]:
    competing = [one.groups[group].competitor for one in scores if group in one.groups]
    found = find_standings(one for one in competing if one is not None)
    return {cell: standing for (cell, metric), standing in found.items() if metric == METRIC}


def _value(one: ListenerScores, group: str) -> str:
    if group == "calibrated" and one.alike:
        return "as new"
    return value_text(one.groups[group].entry) if group in one.groups else "-"


def _change(one: ListenerScores) -> str:
    if not {"known", NEW} <= one.groups.keys():
        return "-"
    return f"{one.groups[NEW].entry.value - one.groups['known'].entry.value:+.3f}"


def _gain_text(one: ListenerScores) -> str:
    if one.gain is None:
        return "-"
    return f"{signed(one.gain.effect, one.gain.low, one.gain.high)}, {p_text(one.gain.p)}"


def _verdict(one: ListenerScores, group: str) -> str:
    verdict = one.groups[group].verdict if group in one.groups else None
    if verdict is None:
        return "-"
    return f"signal, {p_text(verdict.p)}" if verdict.distinguishable else NO_SIGNAL


def _rank(one: ListenerScores, group: str, standings: Mapping[str, Mapping[str, Standing]]) -> str:
    """Return the rank in a group, with how far its middle moved from that among known listeners."""
    own, known = (standings[name].get(one.cell) for name in (group, "known"))
    if own is None:
        return "-"
    if group == "known" or own.rank is None or known is None or known.rank is None or own.rank.n < 2:
        return own.text
    moved = (own.rank.place[0] - known.rank.place[0]) / 2
    return f"{own.text} ({moved:+z.1f})"

"""Renders the page to listen on: the same test clips of every encoder, beside true speech and ceilings."""

from __future__ import annotations

from collections.abc import Sequence

from eeg2speech_bench.core.conditions import CONDITIONS, EMBEDDED, brain_signals, condition_label
from eeg2speech_bench.leaderboard.page.markup import render
from eeg2speech_bench.leaderboard.page.rows import Row

#: clips that belong to the item; where all encoders share them they are shown once
SHARED = tuple(condition.name for condition in CONDITIONS if not condition.embedded)


def render_listening(dataset: str, rows: Sequence[Row]) -> str:
    """Return the page of a data set; empty if nothing of it can be heard.

    Rows whose items are other pieces of speech (another number of clips, another split) stand apart. A row of several
    seeds is heard by its lowest seed that is done, which is a rule and not a choice.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.first.clips is not None:
            groups.setdefault(row.first.clips.same_items, []).append(row)
    if not groups:
        return ""
    shown = list(groups.values())
    return render(
        "listen.html", dataset=dataset, groups=shown, shared=SHARED, own=EMBEDDED, condition_label=condition_label,
        brain=brain_signals(row.first.modality for group in shown for row in group),
    )  # fmt: skip

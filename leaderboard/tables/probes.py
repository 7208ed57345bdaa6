"""Tables what linear models read out of embeddings, beside controls and ceiling, and says what looks like a leak."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from eeg2speech_bench.core.conditions import condition_label
from eeg2speech_bench.core.records.metrics import Metric
from eeg2speech_bench.core.records.probes import LISTENER, PROBES
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.leaderboard.tables.table import NO_SIGNAL, Table, name_text, verdict_text

COLUMNS = ["encoder", "data set", "seed", "probe", "read out", "chance", "hardest control", "ceiling", "verdict"]
NOTE = (
    "Probes: linear models from test embeddings, fitted anew under every condition and tested on other audio. "
    "Classes: balanced accuracy; numbers: share of the variance, 0 is the mean. Ceiling: the true audio embedding. "
    "'listener' is tested against the controls of other listeners alone. Docs: probes."
)


def probes_table(records: Iterable[Record]) -> Table | None:
    """Return one row per cell and probe, with a note on every cell that looks like a leak; None without any."""
    probed = [record for record in records if record.status == "done" and record.probes is not None]
    if not probed:
        return None
    rows = [row for record in probed for row in _rows(record)]
    return Table("What the embeddings hold", COLUMNS, rows, [*leaks(probed), *_unread(probed), NOTE], ("chance",))


def leaks(records: Iterable[Record]) -> list[str]:
    """Return a sentence on every cell whose embeddings hold the listener and no speech."""
    return [f"{_cell_text(record)}: {record.probes.leak}" for record in records if record.probes and record.probes.leak]


def _rows(record: Record) -> Iterator[list[str]]:
    view = record.of_group(PROBES)
    for name, verdict in view.verdict.items():
        read = view.metric(name)
        if read is None:
            continue
        hardest, ceiling = view.metric(name, verdict.hardest_control), view.metric(name, "audio")
        control = condition_label(verdict.hardest_control, record.encoder.modality)
        cell = [name_text(record), record.cell.dataset, str(record.cell.seed), read.title]
        values = [
            f"{read.value:.3f} [{read.low:.3f}, {read.high:.3f}]",
            "-" if read.chance is None else f"{read.chance:.3f}",
        ]
        against = [f"{_number(hardest)} {control}", _number(ceiling)]
        yield [*cell, *values, *against, _verdict(view, name)]


def _verdict(view: Record, name: str) -> str:
    """Return what is said of a probe; the true audio has no listener, so that this ceiling says nothing of theirs."""
    if name == LISTENER and not view.verdict[name].distinguishable:
        return NO_SIGNAL
    return verdict_text(view, name)


def _unread(records: Sequence[Record]) -> list[str]:
    """Return why probes were left out, each reason once."""
    skipped = [one for record in records for one in record.skipped.items() if one[0].startswith("probe ")]
    return list(dict.fromkeys(f"Not read out: {what.removeprefix('probe ')}: {why}." for what, why in skipped))


def _cell_text(record: Record) -> str:
    return f"{name_text(record)} on {record.cell.dataset}, seed {record.cell.seed}"


def _number(entry: Metric | None) -> str:
    return "-" if entry is None else f"{entry.value:.3f}"

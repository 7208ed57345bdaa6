"""Prints what a check of a data set found: faults first, then the recordings in a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from eeg2speech_bench.core.segments.segment_store import SPLITS
from eeg2speech_bench.core.terminal.progress import say
from eeg2speech_bench.datasets.checking.report import CheckedRecording, CheckReport, Finding

#: recordings of one finding that are named, and rows of the table
SHOWN, MAX_ROWS = 12, 24
#: findings with one advice that are shown
MAX_OF_A_KIND = 3
TITLES = {
    "refused": "Refused: run would stop at",
    "wrong": "Wrong: run would take it, and scores would be wrong",
    "told": "Worth knowing",
}


def print_report(report: CheckReport, console: Console) -> None:
    """Print a report; one without findings is a line and a table."""
    if not report.findings:
        say(console, f"{report.dataset}: nothing found in {len(report.recordings)} recordings.")
    for severity, title in TITLES.items():
        findings = [f for f in report.findings if f.severity == severity]
        if findings:
            console.print(Text(f"{title} ({len(findings)})", style="bold"))
            for line in _lines(findings):
                say(console, line)
    if report.recordings:
        console.print(_table(report.recordings))
    for line in [*_about_split(report), *_about_missing(report)]:
        say(console, line)


def _lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Put recordings of which the same is said in one line, and few lines where one advice is for many findings."""
    kinds: dict[tuple[str, str], dict[str, list[str]]] = {}
    for finding in findings:
        recordings = kinds.setdefault((finding.check, finding.then), {}).setdefault(finding.found, [])
        recordings += [finding.recording] if finding.recording else []
    for (_, then), said in kinds.items():
        for found, recordings in list(said.items())[:MAX_OF_A_KIND]:
            where = f"{_listed(recordings)}: " if recordings else ""
            yield f"- {where}{found.rstrip('.')}. {then}".rstrip()
        if len(said) > MAX_OF_A_KIND:
            yield f"  and {len(said) - MAX_OF_A_KIND} more of this kind: --json has them"


def _table(recordings: Sequence[CheckedRecording]) -> Table:
    table = Table(
        "recording", "min", "Hz", "channels", "heard", "line noise", "follows the sound", box=None, pad_edge=False
    )
    for one in recordings[:MAX_ROWS]:
        bad = f" ({len(one.bad)} bad)" if one.bad else ""
        table.add_row(
            Text(one.recording),
            "-" if one.hours is None else f"{60 * one.hours:.1f}",
            "-" if one.sfreq is None else f"{one.sfreq:g}",
            f"{len(one.channels)}{bad}" if one.channels else "-",
            f"{one.n_presentations} x, {one.heard_s / 60:.1f} min",
            "-" if one.line_noise_db is None else f"{one.line_noise_db:.0f} dB",
            _alignment(one),
        )
    if len(recordings) > MAX_ROWS:
        table.add_row(f"and {len(recordings) - MAX_ROWS} more: --json has them")
    return table


def _alignment(one: CheckedRecording) -> str:
    said = one.alignment
    if said is None:
        return "-"
    if said.outcome == "no evidence":
        return "no evidence (a weak answer is normal)"
    lag = f", {1e3 * said.lag_s:+.0f} ms" if said.outcome == "shifted" else ""
    p = "p < 0.001" if said.p < 0.001 else f"p = {said.p:.3f}"
    return f"{said.outcome}{lag}: r = {said.r:.2f}, {p}"


def _about_split(report: CheckReport) -> list[str]:
    lines = []
    if report.split:
        parts = ", ".join(f"{report.split.seconds.get(s, 0):.0f} s {s}" for s in SPLITS)
        near = report.split.smallest_distance_s
        distance = "no sound has two parts" if near is None else f"{near:.1f} s apart at the closest"
        lines.append(f"Split: {parts}; {sum(report.split.shared_s.values()):.1f} s shared; {distance}.")
    if report.forecast:
        size = f"{report.forecast.disk_bytes / 1e6:.0f} MB"
        took = f"about {report.forecast.seconds:.0f} s on this machine (an estimate)"
        segments = ", ".join(f"{n} {split}" for split, n in report.forecast.n_segments.items())
        lines.append(f"Preparing it takes {size} on disk and {took}: {segments} segments.")
    return lines


def _about_missing(report: CheckReport) -> list[str]:
    if not report.not_downloaded:
        return []
    return [f"Recordings not downloaded: {_listed(report.not_downloaded)}. Their tables were checked."]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")

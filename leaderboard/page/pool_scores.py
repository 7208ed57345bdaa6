"""Tabulates the metrics in other pools than all test windows, beside chance and control."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eeg2speech_bench.core.conditions import condition_label
from eeg2speech_bench.core.records.metrics import Metric
from eeg2speech_bench.leaderboard.page.means import Entries


@dataclass(frozen=True)
class PoolRow:
    """One metric under its pool.

    Attributes
    ----------
    eeg : Metric
        The entry of the EEG, a mean over seeds.
    control : str
        The hardest control, by the largest p; empty if the EEG was not tested against any.
    control_value : float, optional
    p : float, optional
        Of the EEG against it, the largest of all seeds.
    """

    eeg: Metric
    control: str
    control_value: float | None
    p: float | None


def pool_rows(entries: Entries, tested: Mapping[tuple[str, str], float], modality: str) -> list[PoolRow]:
    """Return the metrics that were scored in a declared pool.

    Parameters
    ----------
    entries : dict
        Metric, then condition, then entry.
    tested : mapping of (str, str) to float
        Metric and control, then p.
    modality : str
        What the encoder reads, which names the controls.
    """
    made = []
    for name, found in entries.items():
        if (eeg := found.get("eeg")) is None or not eeg.pool:
            continue
        p_values = {control: p for (metric, control), p in tested.items() if metric == name and control in found}
        # of controls with one p the one that comes closest
        closeness = {control: (p, eeg.sign * found[control].value) for control, p in p_values.items()}
        hardest = max(closeness, key=lambda control: closeness[control], default="")
        value = found[hardest].value if hardest in found else None
        control = condition_label(hardest, modality)
        made.append(PoolRow(eeg, control, value, p_values.get(hardest)))
    return made

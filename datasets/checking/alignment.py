"""Asks the EEG itself whether it follows the sound at the time that the tables say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from eeg2speech_bench.datasets.checking.decoder import Moments, features, moments, reconstruct_by_parts
from eeg2speech_bench.datasets.checking.heard import Heard
from eeg2speech_bench.datasets.checking.lag_curve import (
    LagCurve,
    correlate,
    gumbel_p,
    mean_curve,
    peak_interval,
    products_of_pieces,
)
from eeg2speech_bench.datasets.checking.mislabelled import findings_of_labels
from eeg2speech_bench.datasets.checking.report import Alignment, Finding, Outcome
from eeg2speech_bench.datasets.checking.response import EXPECTED_S, TYPICAL_S, response_curve
from eeg2speech_bench.datasets.checking.slips import findings_of_slips

CHECK = "alignment"
#: shorter recordings, or less sound, say nothing
MIN_S = 30.0
#: listeners differ by less than this in how late they respond
SAME_S = 0.1
#: probability of one false alarm in a data set, and of calling one recording aligned by chance
ALARM_P, ALIGNED_P = 0.01, 0.05


class _Verdict(NamedTuple):
    """What one look at a recording says, its lags relative to all recordings."""

    outcome: Outcome
    lag_s: float
    low_s: float
    high_s: float
    p: float


@dataclass
class AlignmentEvidence:
    """Collects recordings on disk and judges them when all are there.

    A decoder of the envelope is fitted to all *other* recordings, so that one which is late among them gives itself
    away by the lag at which its reconstruction fits. That all of them are late together shows in how long after the
    sound they respond. Recordings that respond at a time when none can are left out of the others' decoder.

    Parameters
    ----------
    folder : Path
        Holds the recordings meanwhile, so that memory holds one at a time.
    envelopes : dict of str to array
        Of every stimulus, by id; see `heard.speech_envelope`.
    """

    folder: Path
    envelopes: dict[str, np.ndarray] = field(repr=False)
    _responses: dict[str, LagCurve] = field(default_factory=dict)
    _channels: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, heard: Heard) -> None:
        """Keep a recording, unless it is too short to say anything."""
        too_short = np.count_nonzero(heard.presentation >= 0) < MIN_S * heard.rate_hz
        if not too_short:
            self._responses[heard.recording] = response_curve(heard)
            self._channels[heard.recording] = heard.channels
            heard.write(self._path(heard.recording))

    def judge(self) -> tuple[dict[str, Alignment], list[Finding]]:
        """Return the evidence of each recording, and what is wrong."""
        if not self._responses:
            return {}, []
        trusted = {name for name in self._responses if not self._is_impossible(name, 0.0)}
        late_s = self._common_lateness_s(trusted)
        trusted = set(self._responses) if late_s else trusted
        findings = [self._finding_of_all(late_s)] if late_s else []
        total = self._total(trusted, late_s)
        evidence: dict[str, Alignment] = {}
        for name in self._responses:
            heard = self._read(name)
            lagged = features(heard, late_s)
            estimate, trained_on = self._estimate(heard, lagged, total, trusted)
            evidence[name] = self._evidence(heard, estimate, trained_on, late_s)
            findings += self._findings(heard, estimate, evidence[name], late_s)
        return evidence, findings

    def _is_impossible(self, recording: str, late_s: float) -> bool:
        """Whether a recording responds, and at a time when none can."""
        response = self._responses[recording]
        peak_s = response.peak_s() - late_s
        possible = EXPECTED_S[0] <= peak_s <= EXPECTED_S[1]
        return not possible and response.p(response.at(response.peak_s())) * len(self._responses) < ALARM_P

    def _common_lateness_s(self, trusted: set[str]) -> float:
        """Return how much later than usual all recordings respond; 0 if only some do, or none is known to."""
        impossible = set(self._responses) - trusted
        if 2 * len(impossible) < len(self._responses):
            return self._lateness_s(trusted)
        others_respond = bool(trusted) and self._mean_response(trusted)[1] and not self._lateness_s(trusted)
        return 0.0 if others_respond else self._lateness_s(set(self._responses))

    def _lateness_s(self, recordings: set[str]) -> float:
        peak_s, responds = self._mean_response(recordings)
        possible = EXPECTED_S[0] <= peak_s <= EXPECTED_S[1]
        return peak_s - TYPICAL_S if responds and not possible else 0.0

    def _mean_response(self, recordings: set[str]) -> tuple[float, bool]:
        """Return when recordings respond in the mean, and whether they do."""
        curve, maxima = mean_curve([self._responses[name] for name in sorted(recordings)])
        peak_s = curve.peak_s()
        return peak_s, gumbel_p(curve.at(peak_s), maxima) < ALARM_P

    def _finding_of_all(self, late_s: float) -> Finding:
        return Finding(
            check=CHECK,
            severity="wrong",
            found=f"all recordings together respond {_ms(TYPICAL_S + late_s)} after the sound, where "
            f"{_ms(EXPECTED_S[0])} to {_ms(EXPECTED_S[1])} are possible: they are about {_ms(abs(late_s))} "
            f"{_later(late_s)} than the tables say",
            then="Correct all onsets: see whether they are starts of epochs, or a delay was counted twice.",
        )

    def _path(self, recording: str) -> Path:
        return self.folder / f"{list(self._responses).index(recording)}.npz"

    def _read(self, recording: str) -> Heard:
        return Heard.read(self._path(recording))

    def _total(self, trusted: set[str], late_s: float) -> dict[tuple[str, ...], Moments]:
        """Sum the products of trusted recordings, apart for every set of channels."""
        total: dict[tuple[str, ...], Moments] = {}
        for name in self._responses:
            if name in trusted:
                heard = self._read(name)
                own = moments(features(heard, late_s), heard)
                total[heard.channels] = total[heard.channels] + own if heard.channels in total else own
        return total

    def _estimate(
        self, heard: Heard, lagged: np.ndarray, total: dict[tuple[str, ...], Moments], trusted: set[str]
    ) -> tuple[np.ndarray, str]:
        alike = {name for name in trusted if self._channels[name] == heard.channels}
        if not alike - {heard.recording}:
            return reconstruct_by_parts(lagged, heard), "other parts"
        others = total[heard.channels]
        if heard.recording in alike:
            others = others - moments(lagged, heard)
        return lagged @ others.weights().astype(np.float32), "other recordings"

    def _evidence(self, heard: Heard, estimate: np.ndarray, trained_on: str, late_s: float) -> Alignment:
        curve = correlate(estimate, heard.envelope, heard.rate_hz)
        response = self._responses[heard.recording]
        products, _ = products_of_pieces(estimate, heard.envelope, heard.presentation, heard.rate_hz)
        verdict = self._by_lag(curve, *peak_interval(products, curve.lags_s))
        is_impossible = self._is_impossible(heard.recording, late_s)
        # A decoder of a recording's own data adapts to any shift: only the time of the response tells.
        if trained_on == "other parts" or (is_impossible and verdict.outcome != "shifted"):
            verdict = self._by_response(response, is_impossible, late_s)
        return Alignment(
            outcome="shifted" if late_s and verdict.outcome == "aligned" else verdict.outcome,
            lag_s=round(verdict.lag_s + late_s, 4),
            low_s=round(verdict.low_s + late_s, 4),
            high_s=round(verdict.high_s + late_s, 4),
            r=round(curve.at(verdict.lag_s), 4),
            p=verdict.p,
            latency_s=round(response.peak_s(), 4),
            trained_on=trained_on,
            minutes=round(np.count_nonzero(heard.presentation >= 0) / heard.rate_hz / 60, 2),
            lags_s=np.round(curve.lags_s, 4).tolist(),
            curve=np.round(curve.near, 5).tolist(),
            null_high=round(float(np.percentile(curve.null_maxima(), 95)), 5),
        )

    def _by_lag(self, curve: LagCurve, low_s: float, high_s: float) -> _Verdict:
        """Judge by the lag at which the decoder of the others fits."""
        peak_s = curve.peak_s()
        p = curve.p(curve.at(peak_s))
        is_off = high_s - low_s < 2 * SAME_S and (low_s > SAME_S or high_s < -SAME_S)
        if is_off and p * len(self._responses) < ALARM_P:
            return _Verdict("shifted", peak_s, low_s, high_s, p)
        near_s = curve.peak_s(-SAME_S, SAME_S)
        near_p = curve.p(curve.at(near_s), 2 * SAME_S)
        aligned = near_p < ALIGNED_P
        said: tuple[Outcome, float, float] = ("aligned", near_s, near_p) if aligned else ("no evidence", peak_s, p)
        return _Verdict(said[0], said[1], low_s, high_s, said[2])

    def _by_response(self, curve: LagCurve, is_impossible: bool, late_s: float) -> _Verdict:
        """Judge by how long after the sound a recording responds, which differs between people by `EXPECTED_S`."""
        peak_s = curve.peak_s() - late_s
        if is_impossible:
            low_s, high_s = (peak_s - edge for edge in reversed(EXPECTED_S))
            return _Verdict("shifted", peak_s - TYPICAL_S, low_s, high_s, curve.p(curve.at(curve.peak_s())))
        low_s, high_s = (edge + late_s for edge in EXPECTED_S)
        p = curve.p(curve.at(curve.peak_s(low_s, high_s)), high_s - low_s)
        outcome: Outcome = "aligned" if p < ALIGNED_P else "no evidence"
        return _Verdict(outcome, 0.0, EXPECTED_S[0] - TYPICAL_S, EXPECTED_S[1] - TYPICAL_S, p)

    def _findings(self, heard: Heard, estimate: np.ndarray, said: Alignment, late_s: float) -> Iterator[Finding]:
        if said.outcome == "shifted" and abs(said.lag_s - late_s) > SAME_S:
            yield Finding(
                check=CHECK,
                severity="wrong",
                recording=heard.recording,
                found=f"it follows the sound {_ms(abs(said.lag_s))} {_later(said.lag_s)} than the tables say "
                f"({_ms(said.low_s)} to {_ms(said.high_s)}; p {said.p:.1g})",
                then="Correct the onsets of this recording, or leave it out.",
            )
            return
        yield from findings_of_labels(heard, estimate, self.envelopes, len(self._responses))
        if said.outcome == "aligned" and not late_s:
            yield from findings_of_slips(heard, estimate, len(self._responses))


def _later(seconds: float) -> str:
    return "later" if seconds > 0 else "earlier"


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.0f} ms"

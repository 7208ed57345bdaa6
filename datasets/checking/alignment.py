"""Asks the EEG itself whether it follows the sound at the time that the tables say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

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
        trusted = {name for name in self._responses if not self._is_impossible(name, 0.0)} or set(self._responses)
        late_s = self._late_s(trusted)
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

    def _late_s(self, recordings: set[str]) -> float:
        """Return how much later than usual recordings respond in the mean; 0 if they do so when they can, or do not."""
        curve, maxima = mean_curve([self._responses[name] for name in sorted(recordings)])
        peak_s = curve.peak_s()
        possible = EXPECTED_S[0] <= peak_s <= EXPECTED_S[1]
        return 0.0 if possible or gumbel_p(curve.at(peak_s), maxima) >= ALARM_P else peak_s - TYPICAL_S

    def _finding_of_all(self, late_s: float) -> Finding:
        return Finding(
            check=CHECK,
            severity="wrong",
            found=f"all recordings together respond {_ms(TYPICAL_S + late_s)} after the sound, where "
            f"{_ms(EXPECTED_S[0])} to {_ms(EXPECTED_S[1])} are possible: their EEG is about {_ms(abs(late_s))} "
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
        products, _ = products_of_pieces(estimate, heard.envelope, heard.presentation, heard.rate_hz)
        low_s, high_s = peak_interval(products, curve.lags_s)
        response = self._responses[heard.recording]
        if trained_on == "other parts":  # a decoder of its own data adapts to any shift: only the response tells
            outcome, lag_s, p = self._by_response(heard.recording, late_s)
        else:
            is_off = high_s - low_s < 2 * SAME_S and (low_s > SAME_S or high_s < -SAME_S)
            is_off = is_off or self._is_impossible(heard.recording, late_s)
            outcome, lag_s, p = self._by_lag(curve, is_off)
        return Alignment(
            outcome="shifted" if late_s and outcome == "aligned" else outcome,
            lag_s=round(lag_s + late_s, 4),
            low_s=round(low_s + late_s, 4),
            high_s=round(high_s + late_s, 4),
            r=round(curve.at(lag_s), 4),
            p=p,
            latency_s=round(response.peak_s(), 4),
            trained_on=trained_on,
            minutes=round(np.count_nonzero(heard.presentation >= 0) / heard.rate_hz / 60, 2),
            lags_s=np.round(curve.lags_s, 4).tolist(),
            curve=np.round(curve.near, 5).tolist(),
            null_high=round(float(np.percentile(curve.null_maxima(), 95)), 5),
        )

    def _by_lag(self, curve: LagCurve, looks_shifted: bool) -> tuple[Outcome, float, float]:
        peak_s = curve.peak_s()
        p = curve.p(curve.at(peak_s))
        if looks_shifted and abs(peak_s) > SAME_S and p * len(self._responses) < ALARM_P:
            return "shifted", peak_s, p
        near_s = curve.peak_s(-SAME_S, SAME_S)
        near_p = curve.p(curve.at(near_s), 2 * SAME_S)
        return ("aligned", near_s, near_p) if near_p < ALIGNED_P else ("no evidence", peak_s, p)

    def _by_response(self, recording: str, late_s: float) -> tuple[Outcome, float, float]:
        curve = self._responses[recording]
        peak_s = curve.peak_s()
        if self._is_impossible(recording, late_s):
            return "shifted", peak_s - late_s - TYPICAL_S, curve.p(curve.at(peak_s))
        low_s, high_s = (edge + late_s for edge in EXPECTED_S)
        p = curve.p(curve.at(curve.peak_s(low_s, high_s)), high_s - low_s)
        return ("aligned" if p < ALIGNED_P else "no evidence"), 0.0, p

    def _findings(self, heard: Heard, estimate: np.ndarray, said: Alignment, late_s: float) -> Iterator[Finding]:
        if said.outcome == "shifted" and abs(said.lag_s - late_s) > SAME_S:
            yield Finding(
                check=CHECK,
                severity="wrong",
                recording=heard.recording,
                found=f"the EEG follows the sound {_ms(abs(said.lag_s))} {_later(said.lag_s)} than the tables say "
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

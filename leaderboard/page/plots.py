"""Plots one cell as inline SVG; colours come from the page's style, so they follow light and dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup, escape

from eeg2speech_bench.core.conditions import CEILINGS, SCORED, condition_label
from eeg2speech_bench.core.records.metrics import Metric
from eeg2speech_bench.core.statistics.proportions import guessing_band

WIDTH = 560
ROW = 22


class PixelScale:
    """Maps values to pixels, linearly or by their logarithm."""

    def __init__(self, values: Sequence[float], pixels: tuple[float, float], *, log: bool = False) -> None:
        self._log = log
        low, high = min(values), max(values)
        if log:
            low, high = math.log10(low), math.log10(high)
        room = (high - low) * 0.04 or 0.5
        self._low, self._high = low - room, high + room
        self._slope = (pixels[1] - pixels[0]) / (self._high - self._low)
        self._start = pixels[0] - self._slope * self._low

    def __call__(self, value: float) -> float:
        """Return the pixel of a value, to a tenth."""
        return round(self._start + self._slope * (math.log10(value) if self._log else value), 1)

    def ticks(self) -> list[float]:
        """Return four to ten round values inside the range."""
        if self._log:
            return _log_ticks(self._low, self._high)
        raw = (self._high - self._low) / 5
        step = 10 ** math.floor(math.log10(raw))
        step *= next(m for m in (1, 2, 2.5, 5, 10) if m * step >= raw)
        first = math.ceil(self._low / step)
        return [round(i * step, 10) for i in range(first, math.floor(self._high / step) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    steps = (1,) if high - low > 3 else (1, 2, 5) if high - low > 1 else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)
    decades = range(math.floor(low), math.ceil(high) + 1)
    return [m * 10**d for d in decades for m in steps if low <= math.log10(m * 10**d) <= high]


def short(value: float) -> str:
    """Return a number in few characters."""
    if value and abs(value) >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if abs(value) >= 1e4 else f"{value:.4g}"


def svg(width: float, height: float, label: str, body: str, *, role: str = "img") -> Markup:
    """Wrap the parts of a picture; ``label`` is read to those who do not see it, and with ``group`` its links are."""
    size = f'width="{width:g}" viewBox="0 0 {width:g} {height:g}"'
    return Markup(f'<svg class="plot" {size} role="{role}" aria-label="{escape(label)}">{body}</svg>')


def control_bars(entries: dict[str, Metric], label: str, modality: str) -> Markup:
    """Draw one bar per condition with its interval, chance as a dashed line in its band, and the level of a baseline.

    Parameters
    ----------
    entries : dict of str to Metric
        By condition.
    label : str
        What the values are.
    modality : str
        What the encoder reads, which names the conditions.
    """
    signal = condition_label("eeg", modality)
    shown = [c for c in SCORED if c in entries]
    chance, baseline, band = entries["eeg"].chance, entries["eeg"].baseline, tuple(entries["eeg"].chance_band or ())
    values = [level for entry in entries.values() for level in (entry.value, entry.low, entry.high)]
    values += [0.0, chance or 0.0, baseline or 0.0, *band]
    x, height = PixelScale(values, (202, WIDTH - 50)), ROW * len(shown) + 26
    parts = [axis(x, height - 20, 4)]
    parts.append(_band(band, "guesses at every test window once", lambda lo, hi: (x(lo), 2, x(hi), height - 20)))
    for number, condition in enumerate(shown):
        y, entry = 4 + ROW * number, entries[condition]
        left, right = sorted((x(0), x(entry.value)))
        kind = "eeg" if condition == "eeg" else "ceil" if condition in CEILINGS else "ctl"
        whisker = f"M{x(entry.low)} {y + 10}H{x(entry.high)}"
        parts.append(
            f'<text class="{kind}" x="194" y="{y + 14}" text-anchor="end">{condition_label(condition, modality)}</text>'
            f'<rect class="{kind}" x="{left}" y="{y + 4}" width="{max(right - left, 1):g}" height="12" rx="2"/>'
            f'<path class="whisker" d="{whisker}"/>'
            f'<text x="{WIDTH - 4}" y="{y + 14}" text-anchor="end">{entry.value:.3f}</text>'
        )
    if baseline is not None:
        title = f"mean spectrogram {baseline:.4f}"
        line = f'<path class="baseline" d="M{x(baseline)} 2V{height - 20}"><title>{title}</title></path>'
        parts.append(line)
    parts.append(_chance_line(x, chance, 2, height - 20))
    return svg(WIDTH, height, f"{label} for the {signal}, its controls and the ceilings", "".join(parts))


def subject_dots(
    eeg: Metric,
    seeds: Sequence[dict[str, float]],
    control: Metric | None,
    label: str,
    *,
    proportion: bool,
) -> Markup:
    """Draw one dot per listener, best first, with the same listener's control and the band that guessing reaches.

    Parameters
    ----------
    eeg, control : Metric
        Means over seeds, of listeners too.
    seeds : sequence of dict
        Each seed's own values by listener, drawn small behind the mean; empty for one seed.
    label : str
        What the values are.
    proportion : bool
        Values are shares of hits, so guessing is binomial with about ``n / listeners`` segments each: a listener may
        have heard a few of the windows only, and the record's band is of guesses at all of them.
    """
    subjects = sorted(eeg.per_subject.items(), key=lambda pair: -pair[1])
    controls = control.per_subject if control is not None else {}
    chance, n_each = eeg.chance, round(eeg.n / len(subjects))
    band = guessing_band(n_each, chance) if proportion and chance is not None and 0 < chance < 1 and n_each else ()
    values = [v for _, v in subjects] + list(controls.values()) + [0.0, chance or 0.0, *band]
    values += [v for seed in seeds for v in seed.values()]
    step = min(40.0, max(6.0, 480 / len(subjects)))
    width, height = 64 + step * len(subjects), 190
    y = PixelScale(values, (height - 34, 10))
    parts = [_rows(y, 44, width - 6)]
    parts.append(
        _band(band, f"guessing listeners, {n_each} segments each", lambda lo, hi: (44, y(hi), width - 6, y(lo)))
    )
    if chance is not None:
        parts.append(f'<path class="chance" d="M44 {y(chance)}H{width - 6:g}"/>')
    for number, (subject, value) in enumerate(subjects):
        cx = round(44 + step * (number + 0.5), 1)
        if subject in controls:
            parts.append(f'<path class="ctl" d="M{cx - 5:g} {y(controls[subject])}h10"/>')
        parts += [f'<circle class="seed" cx="{cx}" cy="{y(s[subject])}" r="2.5"/>' for s in seeds if subject in s]
        title = escape(f"listener {subject}: {value:.3f}")
        parts.append(f'<circle class="eeg" cx="{cx}" cy="{y(value)}" r="4.5"><title>{title}</title></circle>')
        if step >= 16:
            name = escape(str(subject)[:4])
            parts.append(f'<text class="tick" x="{cx}" y="{height - 18}" text-anchor="middle">{name}</text>')
    parts.append(f'<text class="tick" x="44" y="{height - 4}">listeners, best first</text>')
    return svg(max(width, 200), height, f"{label} of every listener", "".join(parts))


def _band(band: tuple[float, ...], of: str, place: Callable[[float, float], tuple[float, float, float, float]]) -> str:
    """Return the band that guessing reaches, if there is one; ``place`` says its left, top, right and bottom."""
    if not band:
        return ""
    low, high = band
    left, top, right, bottom = place(low, high)
    size = f'x="{left:g}" y="{top:g}" width="{max(right - left, 1):.1f}" height="{max(bottom - top, 1):.1f}"'
    return f'<rect class="band" {size}><title>95 % of {of}: {low:.3f} to {high:.3f}</title></rect>'


def curves(
    lines: dict[int, list[tuple[float, float]]], name: str, step_name: str, kept: Mapping[int, float | None]
) -> Markup:
    """Draw the learning curve of every seed, with a dot at the step that was kept, where one was chosen.

    ``step_name`` is what the horizontal axis counts.
    """
    width, height = 280, 150
    points = [point for line in lines.values() for point in line]
    x = PixelScale([p[0] for p in points], (44, width - 10))
    y = PixelScale([p[1] for p in points], (height - 34, 10))
    drawn = "".join(
        f'<path class="curve" d="M{"L".join(f"{x(a)} {y(b)}" for a, b in line)}">'
        f"<title>seed {seed}: from {short(line[0][1])} to {short(line[-1][1])}</title></path>"
        for seed, line in lines.items()
    )
    drawn += "".join(
        f'<circle class="eeg" cx="{x(a)}" cy="{y(b)}" r="3.5"><title>seed {seed}: kept at {short(a)}</title></circle>'
        for seed, line in lines.items()
        for a, b in line
        if a == kept.get(seed)
    )
    ticks = "".join(
        f'<text class="tick" x="{x(t)}" y="{height - 20}" text-anchor="middle">{short(t)}</text>'
        for t in x.ticks()[:: 1 + len(x.ticks()) // 6]
    )
    foot = f'<text class="tick" x="44" y="{height - 4}">{escape(step_name)}</text>'
    body = _rows(y, 44, width - 10) + ticks + drawn + foot
    return svg(width, height, f"{name} over {step_name}", body)


def axis(x: PixelScale, bottom: float, top: float) -> str:
    """Return vertical grid lines with their values below."""
    return "".join(
        f'<path class="grid" d="M{x(t)} {top:g}V{bottom:g}"/>'
        f'<text class="tick" x="{x(t)}" y="{bottom + 14:g}" text-anchor="middle">{short(t)}</text>'
        for t in x.ticks()
    )


def _rows(y: PixelScale, left: float, right: float) -> str:
    return "".join(
        f'<path class="grid" d="M{left:g} {y(t)}H{right:g}"/>'
        f'<text class="tick" x="{left - 6:g}" y="{y(t) + 4:g}" text-anchor="end">{short(t)}</text>'
        for t in y.ticks()
    )


def _chance_line(x: PixelScale, chance: float | None, top: float, bottom: float) -> str:
    if chance is None:
        return ""
    return f'<path class="chance" d="M{x(chance)} {top:g}V{bottom:g}"><title>chance {chance:.4f}</title></path>'

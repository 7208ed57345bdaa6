"""Plots cost against quality of every encoder, and marks those that no other beats at lower cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from eeg2speech_bench.leaderboard.page.plots import PixelScale, axis, short, svg
from eeg2speech_bench.leaderboard.standings.identity import EEG_KINDS, Kind

WIDTH, HEIGHT, LEFT = 560, 320, 56
#: so many points are all named; of more, only the front
FEW = 8


@dataclass(frozen=True)
class ParetoPoint:
    """One encoder: its cost, its quality, and the page that its figures come from."""

    name: str
    cost: float
    quality: float
    low: float
    high: float
    href: str
    kind: Kind
    distinguishable: bool


def front(points: list[ParetoPoint]) -> list[ParetoPoint]:
    """Return the points that no other reaches at the same cost or less, cheapest first.

    References take no part, nor does what is not told from no signal: that is worth no cost at all.
    """
    best: list[ParetoPoint] = []
    for point in sorted(points, key=lambda p: (p.cost, -p.quality)):
        competes = point.distinguishable and point.kind in EEG_KINDS
        if competes and (not best or point.quality > best[-1].quality):
            best.append(point)
    return best


def cost_quality(
    points: list[ParetoPoint], cost: str, quality: str, chance: float | None, *, left_out: Sequence[str] = ()
) -> Markup:
    """Draw the points over a logarithmic cost axis; the front is a line, its members are named.

    Parameters
    ----------
    points : list of ParetoPoint
    cost, quality : str
        What the axes show.
    chance : float, optional
        What guessing reaches.
    left_out : sequence of str
        Encoders that have no place on a logarithmic axis, as their cost is 0 or unknown; the caption names them.
    """
    x = PixelScale([p.cost for p in points], (LEFT, WIDTH - 90), log=True)
    y = PixelScale([*(p.low for p in points), *(p.high for p in points), chance or 0.0], (HEIGHT - 46, 16))
    best = front(points)
    parts = [axis(x, HEIGHT - 46, 16)]
    for t in y.ticks():
        parts.append(f'<path class="grid" d="M{LEFT} {y(t)}H{WIDTH - 90}"/>'
                     f'<text class="tick" x="50" y="{y(t) + 4:g}" text-anchor="end">{short(t)}</text>')  # fmt: skip
    if chance is not None:
        parts.append(f'<path class="chance" d="M{LEFT} {y(chance)}H{WIDTH - 90}"/>'
                     f'<text class="tick" x="{WIDTH - 86}" y="{y(chance) + 4:g}">chance</text>')  # fmt: skip
    if best:
        steps = "".join(f"H{x(p.cost)}V{y(p.quality)}" for p in best[1:])
        start = f"M{x(best[0].cost)} {y(best[0].quality)}"
        parts.append(f'<path class="front" d="{start}{steps}H{WIDTH - 90}"/>')
    names = _names(points if len(points) <= FEW else best, best, x, y)
    parts += [_mark(p, x, y, named=p.href in names) for p in sorted(points, key=lambda p: p in best)]
    parts += names.values()
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 8}">{escape(cost)} (logarithmic)</text>'
                 f'<text x="4" y="11">{escape(quality)}</text>')  # fmt: skip
    picture = svg(WIDTH, HEIGHT, f"{quality} over {cost}", "".join(parts), role="group")
    said = Markup("<figcaption>Not drawn, with 0 or unknown {}: {}.</figcaption>")
    return picture + (said.format(cost, ", ".join(left_out)) if left_out else Markup())


def _mark(point: ParetoPoint, x: PixelScale, y: PixelScale, *, named: bool) -> str:
    """Shape says the kind, filling whether it is told from no signal; nothing rests on colour alone."""
    cx, cy = x(point.cost), y(point.quality)
    shapes = {
        "encoder": f'<circle cx="{cx}" cy="{cy}" r="5.5"/>',
        "baseline": f'<rect x="{cx - 5:g}" y="{cy - 5:g}" width="10" height="10"/>',
    }
    shapes["reference"] = shapes["ceiling"] = f'<path d="M{cx} {cy - 7:g}l7 7l-7 7l-7 -7z"/>'
    state = "signal" if point.distinguishable else "none"
    said = "" if point.distinguishable else ", not distinguishable from no signal"
    reached = f"{point.quality:.3f} [{point.low:.2f}, {point.high:.2f}] at {short(point.cost)}"
    title = escape(f"{point.name} ({point.kind}): {reached}{said}")
    right = f'x="{cx + 9:g}"' if cx < WIDTH / 2 else f'x="{cx - 9:g}" text-anchor="end"'
    name = "" if named else f'<text class="name told" {right} y="{cy - 8:g}">{escape(_short_name(point))}</text>'
    return (
        f'<a href="{escape(point.href)}" class="mark {state}" aria-label="{title}"><title>{title}</title>'
        f'<path class="whisker" d="M{cx} {y(point.low)}V{y(point.high)}"/>{shapes[point.kind]}{name}</a>'
    )


def _names(points: list[ParetoPoint], best: list[ParetoPoint], x: PixelScale, y: PixelScale) -> dict[str, str]:
    """Name points beside their marks, by page: up and to the left of the front nothing can be, others to the right."""
    parts: dict[str, str] = {}
    last = float("-inf")
    for point in sorted(points, key=lambda p: -p.quality):
        at = y(point.quality) - 8
        if at - last < 13 and last > float("-inf"):
            continue  # too close to the name above; its mark says it when it is pointed at or has the focus
        last = at
        left = point in best and x(point.cost) > LEFT + 80
        place = f'x="{x(point.cost) - 8:g}" text-anchor="end"' if left else f'x="{x(point.cost) + 9:g}"'
        parts[point.href] = f'<text class="name" {place} y="{at:g}">{escape(_short_name(point))}</text>'
    return parts


def _short_name(point: ParetoPoint) -> str:
    return point.name if len(point.name) <= 24 else point.name[:23] + "…"

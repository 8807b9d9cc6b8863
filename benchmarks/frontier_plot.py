"""The plot of accuracy against look-up tables, as SVG."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 860, 520
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 150, 50, 60
_OURS, _THEIRS = "#c0392b", "#34495e"


@dataclass(frozen=True)
class Point:
    """A design: its name, accuracy in percent, look-up tables, and whether they hold an encoder."""

    name: str
    accuracy: float
    luts: float
    encoder: bool


def plot(published: Sequence[Point], ours: Sequence[Point]) -> str:
    """Return the SVG: ours in colour, the published ones grey; core only is a hollow mark."""
    every = [*published, *ours]
    low = _decade_step(min(point.luts for point in every), down=True)
    high = _decade_step(max(point.luts for point in every), down=False)
    bottom = math.floor(min(point.accuracy for point in every)) - 0.5
    top = min(100.0, math.ceil(max(point.accuracy for point in every)) + 0.5)

    def x(luts: float) -> float:
        share = math.log(luts / low) / math.log(high / low)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(accuracy: float) -> float:
        return HEIGHT - _BOTTOM - (accuracy - bottom) / (top - bottom) * (HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="24" font-size="15">Accuracy against LUT6; filled: encoder '
        "counted, hollow: core only or not said</text>",
    ]
    for luts in _ticks(low, high):
        parts.append(
            f'<line x1="{x(luts):.1f}" x2="{x(luts):.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}" '
            'stroke="#ddd"/>'
        )
        parts.append(
            f'<text x="{x(luts):.1f}" y="{HEIGHT - _BOTTOM + 18}" text-anchor="middle">'
            f"{luts:,.0f}</text>"
        )
    step = 0.5 if top - bottom <= 5 else 1.0 if top - bottom <= 12 else 5.0
    for index in range(math.ceil(bottom / step), math.floor(top / step) + 1):
        at = y(index * step)
        parts.append(
            f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>'
        )
        parts.append(
            f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{index * step:g} %</text>'
        )
    parts.append(
        f'<text x="{(WIDTH + _LEFT - _RIGHT) / 2:.0f}" y="{HEIGHT - 16}" text-anchor="middle">'
        "look-up tables of up to six inputs, carries apart</text>"
    )
    marks = [(point, _OURS, x(point.luts), y(point.accuracy)) for point in ours]
    marks += [(point, _THEIRS, x(point.luts), y(point.accuracy)) for point in published]
    taken = [Box(cx - 6, cy - 6, cx + 6, cy + 6) for _, _, cx, cy in marks]
    for point, colour, cx, cy in marks:
        fill = colour if point.encoder else "white"
        title = f"{point.name}: {point.accuracy:g} %, {point.luts:,.0f} LUT"
        parts.append(
            f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="5" '
            f'fill="{fill}" stroke="{colour}" stroke-width="1.5">'
            f"<title>{escape(title)}</title></circle>"
        )
        place = _free_place(point.name, cx, cy, taken)
        taken.append(place)
        weight = "bold" if colour == _OURS else "normal"
        parts.append(
            f'<text x="{place.left:.1f}" y="{place.bottom - 3:.1f}" '
            f'font-weight="{weight}" fill="{colour}">{escape(point.name)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


class Box(NamedTuple):
    """A rectangle, in the plot's units."""

    left: float
    top: float
    right: float
    bottom: float


def _free_place(text: str, cx: float, cy: float, taken: Sequence[Box]) -> Box:
    """Return where the label of a point hides least of what is there: beside, above or below it."""
    width, height = 7.2 * len(text), 14.0
    corners = [
        (cx + 9, cy - height / 2),
        (cx - width / 2, cy - height - 6),
        (cx - width / 2, cy + 6),
        (cx - width - 9, cy - height / 2),
        (cx + 4, cy - height - 6),
        (cx - width - 4, cy - height - 6),
        (cx + 4, cy + 6),
        (cx - width - 4, cy + 6),
    ]
    places = [Box(left, top, left + width, top + height) for left, top in corners]
    return min(places, key=lambda place: sum(_overlap(place, other) for other in taken))


def _overlap(one: Box, two: Box) -> float:
    """Return the area that two boxes share."""
    width = min(one.right, two.right) - max(one.left, two.left)
    height = min(one.bottom, two.bottom) - max(one.top, two.top)
    return max(0.0, width) * max(0.0, height)


def _ticks(low: float, high: float) -> Iterator[float]:
    """Yield 1, 2 and 5 times the powers of ten from ``low`` to ``high``."""
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        for digit in (1, 2, 5):
            if low <= digit * 10.0**power <= high:
                yield digit * 10.0**power


def _decade_step(value: float, *, down: bool) -> float:
    """Return the 1, 2 or 5 times a power of ten next to ``value``, below it or above."""
    power = math.floor(math.log10(value))
    steps = [digit * 10.0**at for at in (power, power + 1) for digit in (1, 2, 5)]
    if down:
        return max(step for step in steps if step <= value)
    return min(step for step in steps if step >= value)

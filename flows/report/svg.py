"""Pictures for the report: the network with its wires, and training curves, as inline SVG.

Colours come from the page's style sheet, by class. Text is escaped: ``Markup.format`` does it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

from htaflow.model.integer.network import (
    FirstLayer,
    IntArray,
    Layer,
    Network,
    Values,
)

_COLUMN = 150  # from one layer to the next
_BAR = 14  # width of a layer's bar
_TOP, _BOTTOM = 16, 64
_HEIGHT = 240
_MAX_NEURONS, _MAX_WIRES = 28, 12  # drawn a layer, and a neuron


def draw_network(network: Network) -> Markup:
    """Return a drawing of ``network``: a bar a layer, and a sample of the wires between them.

    A bar is as tall as the logarithm of what its layer yields; a wire leaves and arrives at the
    height of its index.
    """
    chain = [network.input, *network.values.values()]
    most = math.log2(1 + max(values.count for values in chain))
    heights = [max(8.0, _HEIGHT * math.log2(1 + values.count) / most) for values in chain]
    parts = [Markup()]
    for index, layer in enumerate(network.layers):
        parts.append(_draw_wires(layer, index, chain, heights))
    names = ["frame", *(layer.name for layer in network.layers)]
    details = [
        _features(network.encode),
        *(_yields(layer, values) for layer, values in zip(network.layers, chain[1:], strict=True)),
    ]
    for index, (name, detail, height) in enumerate(zip(names, details, heights, strict=True)):
        x = _x(index)
        parts.append(
            Markup(
                '<rect class="bar" x="{}" y="{:.1f}" width="{}" height="{:.1f}" rx="3"/>'
            ).format(x - _BAR / 2, _y(0, height), _BAR, height)
        )
        for line, (text, kind) in enumerate(((name, "name"), *((d, "detail") for d in detail))):
            parts.append(
                Markup('<text class="{}" x="{}" y="{}" text-anchor="middle">{}</text>').format(
                    kind, x, _TOP + _HEIGHT + 20 + 15 * line, text
                )
            )
    width, height = _COLUMN * len(chain), _TOP + _HEIGHT + _BOTTOM
    return Markup(
        '<svg class="network" viewBox="0 0 {} {}" style="min-width:{}px" role="img" '
        'aria-label="Layers of network {}">{}</svg>'
    ).format(width, height, 120 * len(chain), network.name, Markup().join(parts))


def _x(index: int) -> float:
    return _COLUMN * (index + 0.5)


def _y(position: float, height: float) -> float:
    """Height on the page of ``position`` (0 to 1) along a bar."""
    return _TOP + (_HEIGHT - height) / 2 + position * height


def _features(encode: FirstLayer) -> list[str]:
    sign = "signed " if encode.signed else ""
    return [f"{encode.features} features", f"{sign}{encode.feature_bits} bits each"]


def _yields(layer: Layer, values: Values) -> list[str]:
    plural = "" if values.count == 1 else "s"
    count = str(values.count) if len(values.shape) == 1 else "x".join(map(str, values.shape))
    lines = [layer.type, f"{count} {layer.noun(values)}{plural}"]
    if layer.fan_in is not None:
        lines[1] += f", fan-in {describe_fan_in(layer.fan_in)}"
    if values.steps is not None:
        lines[0] += f", {values.steps} steps"
    return lines


def describe_fan_in(fan_in: IntArray) -> str:
    """Return the fan-in of a layer's neurons: one number, or the least and the largest."""
    low, high = int(fan_in.min()), int(fan_in.max())
    return str(low) if low == high else f"{low} to {high}"


def _draw_wires(
    layer: Layer, index: int, chain: Sequence[Values], heights: Sequence[float]
) -> Markup:
    """Return two paths, one for the wires of each sign, from ``chain[index]`` to the next."""
    left, right = _x(index) + _BAR / 2, _x(index + 1) - _BAR / 2
    middle = (left + right) / 2
    counts = chain[index].count, chain[index + 1].count
    paths: dict[str, list[str]] = {"positive": [], "negative": []}
    for source, target, sign in sample_wires(layer, chain[index], counts[1]):
        y0 = _y((source + 0.5) / counts[0], heights[index])
        y1 = _y((target + 0.5) / counts[1], heights[index + 1])
        paths["positive" if sign > 0 else "negative"].append(
            f"M{left:.0f} {y0:.1f}C{middle:.0f} {y0:.1f} {middle:.0f} {y1:.1f} {right:.0f} {y1:.1f}"
        )
    return Markup().join(
        Markup('<path class="wire {}" d="{}"/>').format(sign, "".join(path))
        for sign, path in paths.items()
        if path
    )


def sample_wires(layer: Layer, values: Values, outputs: int) -> Iterator[tuple[int, int, int]]:
    """Yield (index that a wire leaves, index where it arrives, sign) for a sample of wires.

    ``values`` is what ``layer`` is fed.
    """
    most = _MAX_WIRES if outputs > 1 else _MAX_NEURONS
    for target in _spread(outputs, _MAX_NEURONS):
        wires = layer.wires_to(target, values)
        for source, weight in (wires[k] for k in _spread(len(wires), most)):
            yield source, target, weight


def _spread(count: int, most: int) -> list[int]:
    """Return at most ``most`` of ``range(count)``, evenly spread, first and last among them."""
    if count <= most:
        return list(range(count))
    return [round(k * (count - 1) / (most - 1)) for k in range(most)]


_LEAST = 1e-290  # below, fractions of it are 0
_PLOT = (360, 150)  # size of a chart's plotting area
_MARGIN = (46, 12, 12, 28)  # left, top, right, bottom


def draw_curves(
    title: str, curves: Mapping[str, Sequence[float]], *, percent: bool = False
) -> Markup:
    """Return a line chart of ``curves``, one value an epoch, with its own scale.

    ``percent`` shows fractions as percentages. Values that are not finite are left out.
    """
    finite = [value for curve in curves.values() for value in curve if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    ticks = _ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    epochs = max([2, *(len(curve) for curve in curves.values())])
    left, top, right, bottom = _MARGIN

    def at(epoch: int, value: float) -> tuple[float, float]:
        return (
            left + _PLOT[0] * epoch / (epochs - 1),
            top + _PLOT[1] * (high - value) / (high - low),
        )

    parts = [Markup()]
    for tick in ticks:
        y = at(0, tick)[1]
        text = f"{100 * tick:g} %" if percent else f"{tick:g}"
        parts.append(
            Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
                '<text class="detail" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
            ).format(left, left + _PLOT[0], y, y, left - 6, y + 4, text)
        )
    for index, (name, curve) in enumerate(curves.items()):
        points = [at(k, value) for k, value in enumerate(curve) if math.isfinite(value)]
        parts.append(
            Markup('<polyline class="curve c{}" points="{}"><title>{}</title></polyline>').format(
                index, " ".join(f"{x:.1f},{y:.1f}" for x, y in points), name
            )
        )
    base = top + _PLOT[1] + 18
    parts.append(
        Markup(
            '<text class="detail" x="{}" y="{}">epoch 1</text>'
            '<text class="detail" x="{}" y="{}" text-anchor="end">{}</text>'
        ).format(left, base, left + _PLOT[0], base, epochs)
    )
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(left + _PLOT[0] + right, top + _PLOT[1] + bottom, title, Markup().join(parts))


def _ticks(low: float, high: float) -> list[float]:
    """Return three to six round numbers that enclose ``low`` to ``high``."""
    span = next((span for span in (high - low, abs(high)) if span > _LEAST), 1.0)
    step = 10.0 ** math.floor(math.log10(span))
    step *= next(k for k in (0.2, 0.5, 1.0, 2.0, 5.0) if span / (k * step) <= 4)
    first = math.floor(low / step + 1e-9)
    last = max(first + 1, math.ceil(high / step - 1e-9))
    return [round(k * step, 12) for k in range(first, last + 1)]

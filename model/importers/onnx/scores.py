"""Scores of different scales and biases as integers that are ordered as they are.

A class's score is ``scale * sum + offset``, with numbers of its own. The smallest integers
``multiplier * sum + shift`` are looked for that put all values that all classes can have in the
same order, equal ones included: then the class is the same for every input, ties too.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np

from htaflow.model.importers.onnx.exact import Numbers, each
from htaflow.model.importers.onnx.tensor import Unsupported
from htaflow.model.integer.layers.scale import Scale

_MOST_BITS = 30
_MOST_VALUES = 1 << 20
"""Values of all classes together that are put in order."""


def scores_layer(
    name: str, scale: Numbers, offset: Numbers, ends: Sequence[tuple[int, int]]
) -> tuple[Scale | None, Numbers, Numbers, float]:
    """Return the layer that makes scores comparable, and what its integers stand for.

    Args:
        name: of the layer.
        scale: of the scores, for each class or for all.
        offset: the same.
        ends: the least and the largest sum of each class.

    Returns:
        The layer, None if none is needed; scale and offset of its integers; and by how much these
        may be off.

    Raises:
        Unsupported: no integers of 31 bits are in the same order.
    """
    count = len(ends)
    scales, offsets = ([each(numbers, c) for c in range(count)] for numbers in (scale, offset))
    if len(set(scales)) == len(set(offsets)) == 1 and scales[0] > 0:
        return None, scale, offset, 0.0
    if any(factor == 0 for factor in scales):
        raise Unsupported("a class has the same score for every frame", "remove the class")
    if sum(high - low + 1 for low, high in ends) > _MOST_VALUES:
        raise Unsupported(
            "its scores have different scales or biases, and too many values to be put in order",
            "end with one scale for all classes, without bias",
        )
    exact = _exact_values(scales, offsets, ends)
    order = sorted(range(len(exact)), key=lambda at: exact[at])
    same = np.array([exact[a] == exact[b] for a, b in pairwise(order)], bool)
    largest, lowest = max(map(abs, scales)), min(offsets)
    for bits in range(_MOST_BITS):
        unit = largest / (1 << bits)
        multipliers = [round(factor / unit) for factor in scales]
        shifts = [round((one - lowest) / unit) for one in offsets]
        if 0 in multipliers:
            continue
        values = np.concatenate(
            [
                m * np.arange(low, high + 1, dtype=np.int64) + s
                for m, s, (low, high) in zip(multipliers, shifts, ends, strict=True)
            ]
        )
        if max(abs(int(values.min())), abs(int(values.max()))) >= 1 << _MOST_BITS:
            break
        steps = np.diff(values[order])
        if (steps[same] == 0).all() and (steps[~same] > 0).all():
            slack = max(
                abs(m * unit - factor) * max(abs(low), abs(high)) + abs(s * unit + lowest - one)
                for m, s, factor, one, (low, high) in zip(
                    multipliers, shifts, scales, offsets, ends, strict=True
                )
            )
            layer = Scale(name, np.array(multipliers), np.array(shifts))
            return layer, (unit,), (lowest,), float(slack)
    raise Unsupported(
        "its scores have different scales or biases, and no integers of 31 bits compare as they do",
        "end with one scale for all classes, a power of two best",
    )


def _exact_values(
    scales: Sequence[Fraction], offsets: Sequence[Fraction], ends: Sequence[tuple[int, int]]
) -> list[int]:
    """Return every value of every class, times one number that makes all of them whole."""
    whole = math.lcm(*(number.denominator for number in (*scales, *offsets)))
    found: list[int] = []
    for factor, one, (low, high) in zip(scales, offsets, ends, strict=True):
        step, start = int(factor * whole), int(one * whole)
        found += [step * number + start for number in range(low, high + 1)]
    return found

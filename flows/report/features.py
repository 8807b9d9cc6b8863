"""The report's part about features: their names, units, and the image that they are."""

from typing import Any

from htaflow.model.data.features import Features

MOST = 100
"""Features that are listed, at most."""

Facts = dict[str, Any]


def describe_features(known: Features) -> Facts | None:
    """Return what is known of the features, as plain JSON values; ``None`` if nothing is.

    ``listed`` are the first of those with names, or a scale of their own; of a scaled one, ``low``
    and ``high`` are the values that the lowest and the highest level stand for.
    """
    if known.names is None and known.shape is None and known.scale is None:
        return None
    count = len(known.names) if known.names is not None else 0
    if known.scale is not None and known.shape is None:
        count = len(known.scale.offset)
    scale = known.scale
    listed = []
    for index in range(min(count, MOST)):
        facts: Facts = {"name": known.name(index)}
        if scale is not None:
            offset, step = float(scale.offset[index]), float(scale.step[index])
            facts |= {"low": offset, "high": offset + scale.high * step, "step": step}
        listed.append(facts)
    return {
        "image": None if known.shape is None else list(known.shape),
        "channels_last": known.source == "nhwc",
        "bits": None if scale is None else scale.bits,
        "listed": listed,
        "left_out": max(0, count - MOST),
    }

"""What people need to read a network's features: their names, units, and place in an image."""

from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import numpy as np

from htaflow.model.data.scale import Scale
from htaflow.model.integer.network import IntArray
from htaflow.model.support.errors import abbreviate

Shape = tuple[int, int, int]
"""Channels, height and width of an image."""


class ScaleFacts(TypedDict):
    """A scale in ``features.json``: a value is offset + level * step."""

    bits: int
    offset: list[float]
    step: list[float]


class ImageFacts(TypedDict):
    """An image in ``features.json``: channel 0 first, in it row 0."""

    channels: int
    height: int
    width: int
    source: NotRequired[str | None]


class FeatureFacts(TypedDict):
    """``features.json``."""

    network: str
    features: int
    names: list[str] | None
    image: ImageFacts | None
    scale: ScaleFacts | None


@dataclass(frozen=True, eq=False)
class Features:
    """What is known of a frame's features beside their numbers.

    Attributes:
        names: of each feature, as the header of a table has them.
        shape: of the image that a frame is; its features are in the order of these axes.
        source: the order of the axes where the images came from, if it is another one.
        scale: what makes integers of the user's numbers.
    """

    names: tuple[str, ...] | None = None
    shape: Shape | None = None
    source: str | None = None
    scale: Scale | None = None

    def facts(self, network: str, count: int) -> dict[str, Any] | None:
        """Return ``features.json`` of the network of that digest; ``None`` if nothing is known."""
        if self.names is None and self.shape is None and self.scale is None:
            return None
        image: dict[str, Any] | None = None
        if self.shape is not None:
            image = dict(zip(("channels", "height", "width"), self.shape, strict=True))
            image["source"] = self.source
        scale = None
        if self.scale is not None:
            scale = {
                "bits": self.scale.bits,
                "offset": self.scale.offset.tolist(),
                "step": self.scale.step.tolist(),
            }
        return {
            "network": network,
            "features": count,
            "names": None if self.names is None else list(self.names),
            "image": image,
            "scale": scale,
        }

    def name(self, index: int) -> str:
        """Return what a feature is called: its name, its pixel, or its number."""
        if self.names is not None:
            return abbreviate(self.names[index])[1:-1]
        if self.shape is not None:
            channel, row, column = np.unravel_index(index, self.shape)
            return f"channel {channel}, row {row}, column {column}"
        return f"feature {index}"

    def values(self, frame: IntArray) -> list[float | int]:
        """Return a frame, integers ``[features]``, in the user's units."""
        if self.scale is None:
            return [int(level) for level in frame]
        return [float(value) for value in self.scale.decode(frame[None])[0]]


def read_facts(facts: FeatureFacts, count: int) -> Features:
    """Return what ``features.json`` says of ``count`` features.

    Raises ``ValueError`` in words if it contradicts itself.
    """
    names, image, scale = facts["names"], facts["image"], facts["scale"]
    if names is not None and len(names) != count:
        raise ValueError(f"it names {len(names)} features of {count}")
    shape = None
    if image is not None:
        shape = (image["channels"], image["height"], image["width"])
        if min(shape) < 1 or shape[0] * shape[1] * shape[2] != count:
            raise ValueError(f"its image of {shape} has not {count} features")
    made = None
    if scale is not None:
        offset, step = np.array(scale["offset"], float), np.array(scale["step"], float)
        if not len(offset) == len(step) == count or (step <= 0).any():
            raise ValueError(f"its scale is not one of {count} features")
        if not 1 <= scale["bits"] <= 16:
            raise ValueError(f"its scale has {abbreviate(scale['bits'])} bits")
        made = Scale(scale["bits"], offset, step)
    source = None if image is None else image.get("source")
    return Features(None if names is None else tuple(names), shape, source, made)

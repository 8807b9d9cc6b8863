"""A fault, as plain data: what kind, where, and the numbers that say exactly what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from htaflow.model.support.errors import HtaflowError


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        kind: what is wrong, such as ``weight sign``.
        layer: the name of the layer, or of the layer whose register it is.
        site: what names the place: neuron, input, and so on.
    """

    kind: str
    layer: str
    site: Mapping[str, int | str] = field(default_factory=dict)

    def __str__(self) -> str:
        place = ", ".join(f"{name} {value}" for name, value in self.site.items())
        return f"{self.kind}, {self.layer}" + (f", {place}" if place else "")

    def describe(self) -> dict[str, Any]:
        """Return the fault as JSON values; ``Fault(**facts)`` is the fault again."""
        return {"kind": self.kind, "layer": self.layer, "site": dict(self.site)}


class FaultError(HtaflowError):
    """A fault found nothing to change where it belongs: the mutation itself is broken."""


def pick(rng: np.random.Generator, count: int) -> int:
    """Return one of ``count`` indices."""
    return int(rng.integers(count))

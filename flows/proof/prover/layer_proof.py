"""What is proved of a layer, and why something is not."""

from dataclasses import asdict, dataclass, field
from typing import Any

MOST_FAILURES = 10
"""Counterexamples that are kept of a layer; the others are counted."""


@dataclass
class LayerProof:
    """What is proved of a layer.

    Attributes:
        name, type: the layer's.
        items: neurons, votes or numbers of which there is something to prove.
        proved: how many of them are.
        failures: counterexamples of others, the first few: the neuron, the inputs that are 1 (by
            index; all others of those that matter are 0), what is defined and what the Verilog
            gives.
        assumed: what the proof takes for granted of its inputs; the layer before guarantees it.
        open: why something could not be decided, if so.
        seconds: time taken.
    """

    name: str
    type: str
    items: int = 0
    proved: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)
    assumed: str = ""
    open: str = ""
    seconds: float = 0.0

    @property
    def closed(self) -> bool:
        """Whether all of it is proved."""
        return not self.open and self.proved == self.items > 0

    def describe(self) -> dict[str, Any]:
        """Return it as it stands in a certificate."""
        return asdict(self)


class NotProvedError(Exception):
    """Something about a layer is not as it must be for a proof; the message says what."""

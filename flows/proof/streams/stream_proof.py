"""What a proof of stream rules says, and where a whole design's streams are."""

from dataclasses import asdict, dataclass, field
from typing import Any

from htaflow.flows.proof.gates import Gates
from htaflow.flows.proof.streams.sequences import Ports


@dataclass
class StreamProof:
    """What is proved of a component.

    Attributes:
        name: what it is, with its parameters.
        method: how it is proved.
        rules: those that are proved.
        broken: those that do not hold, each with what shows it.
        bound: cycles within which something happens, if it is about that.
        states, transitions: how many were explored.
        open: why something could not be decided, if so.
    """

    name: str
    method: str
    rules: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    bound: int | None = None
    states: int | None = None
    transitions: int | None = None
    open: str = ""

    @property
    def closed(self) -> bool:
        """Whether all rules are proved."""
        return bool(self.rules) and not self.broken and not self.open

    def describe(self) -> dict[str, Any]:
        """Return it as it stands in a certificate."""
        return asdict(self)


def ports_of_design(gates: Gates, taken: str, yielded: str) -> Ports:
    """Return the ports of the streams ``taken`` and ``yielded`` of a whole design."""
    inputs, outputs = gates.inputs, gates.outputs
    return Ports(
        inputs[f"{taken}__payload"],
        inputs[f"{taken}__valid"][0],
        outputs[f"{taken}__ready"][0],
        outputs[f"{yielded}__payload"],
        outputs[f"{yielded}__valid"][0],
        inputs[f"{yielded}__ready"][0],
        inputs["rst"][0],
        outputs["dropped"][0] if "dropped" in outputs else None,
    )

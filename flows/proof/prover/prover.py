"""A design, and where in it the proof has got to; each layer module registers its own proof."""

from collections.abc import Callable, Mapping
from functools import singledispatch
from typing import Any

from htaflow.flows.proof.bdd import FALSE, Bdd, Edge
from htaflow.flows.proof.gates import Bit, Gates
from htaflow.flows.proof.prover.layer_proof import LayerProof, NotProvedError
from htaflow.flows.proof.prover.relation import Relation
from htaflow.model.integer.network import Layer, Network, Values


class Prover:
    """The design, and where in it the proof has got to.

    Attributes:
        gates, network, interface: the design, what it is made from, and its ``rtl/top.json``.
        stages: the interface's stages by name.
        payload: what the layer before yields.
        relation: what is known of it.
    """

    def __init__(self, gates: Gates, network: Network, interface: Mapping[str, Any]) -> None:
        self.gates = gates
        self.network = network
        self.interface = interface
        self.stages = {stage["name"]: stage for stage in interface["stages"]}
        self.relation = Relation.none(0)
        self.payload: list[Bit] = []

    def fed(self, index: int) -> Values:
        """Return what layer ``index`` is fed."""
        if not index:
            return self.network.input
        return self.network.values[self.network.layers[index - 1].name]

    def skip(self, layer: Layer) -> None:
        """Go on behind ``layer``, of which nothing is known."""
        self.payload = self.gates.signals.get(str(self.stages[layer.name]["probe"]), [])
        self.relation = Relation.none(len(self.payload))

    def signal(self, name: str) -> list[Bit]:
        """Return the bits of a signal. Raises ``NotProvedError`` if there is none of that name."""
        if name not in self.gates.signals:
            raise NotProvedError(f"the Verilog has no signal {name}")
        return self.gates.signals[name]

    def inputs(self, bdd: Bdd, count: int, order: Callable[[int], int] | None = None) -> list[Edge]:
        """Return variables for ``count`` input bits, or what stands for them."""
        found = []
        for where, flip in self.relation.literals:
            edge = FALSE if where < 0 else bdd.var(order(where) if order else where)
            found.append(edge ^ int(flip))
        if len(found) != count:
            raise NotProvedError(f"{len(found)} bits come in, not {count}")
        return found


@singledispatch
def prove_layer(layer: Layer, prover: Prover, values: Values, proof: LayerProof) -> None:
    """Prove ``layer``, fed ``values``, and note in ``proof`` what is proved of it.

    Raises ``NotProvedError`` if the Verilog has not the form that the proof needs, and
    ``NotImplementedError`` for a type that nothing is registered for.
    """
    raise NotImplementedError(f"no proof of a {layer.type}")

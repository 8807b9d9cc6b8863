"""Concepts in hardware: bits that pass unchanged, and leave beside the decision too."""

from htaflow.hw.layers.placement import Part, Placement, layer_logic, layer_parts
from htaflow.hw.logic.constants import BitFacts
from htaflow.hw.logic.netlist import Logic
from htaflow.hw.logic.target import PORTABLE, Target
from htaflow.hw.stream.stage import Tap
from htaflow.model.integer.network import Concepts, Values


@layer_logic.register
def same_logic(
    layer: Concepts, values: Values, target: Target = PORTABLE, known: BitFacts | None = None
) -> Logic:
    """Return the logic of a layer that changes no bit."""
    logic = Logic(f"{layer.name}_logic", values.count, target, known)
    logic.outputs = logic.sources
    return logic


@layer_parts.register
def _(layer: Concepts, place: Placement) -> list[Part]:
    logic = layer_logic(layer, place.incoming, place.target, place.known)
    return [Tap(layer.name, logic, registered=False, chain=place.chain)]

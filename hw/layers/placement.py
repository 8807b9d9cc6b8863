"""How a layer becomes hardware: each module registers the logic and parts of its own layers."""

from dataclasses import dataclass
from functools import singledispatch

from htaflow.hw.logic.constants import BitFacts
from htaflow.hw.logic.netlist import Logic
from htaflow.hw.logic.retime import cut
from htaflow.hw.logic.target import PORTABLE, Target
from htaflow.hw.stream.component import LayerComponent
from htaflow.hw.stream.stage import Stage
from htaflow.model.integer.layers.base import Layer, Values

Part = LayerComponent | Stage
"""What the chain of a network consists of."""


@dataclass(frozen=True)
class Placement:
    """Where a layer is placed.

    Attributes:
        incoming: what the layer is fed.
        outgoing: what it yields.
        known: what is known of the bits that come in; None for nothing.
        target: what its logic is made for.
        registered: whether its last stage ends in a register.
        depth: about how many look-up tables may lie between registers; None for any number.
        chain: name of the chain that its stages are in.
        carried: how many bits of an earlier layer pass beside it.
    """

    incoming: Values
    outgoing: Values
    known: BitFacts | None
    target: Target
    registered: bool
    depth: float | None
    chain: str
    carried: int

    def stage(self, layer: Layer, values: Values, known: BitFacts | None) -> Stage:
        """Return the logic of ``layer``, fed ``values``, as a stage cut to the depth."""
        logic = layer_logic(layer, values, self.target, known)
        cuts = cut(logic, self.depth) if self.registered and self.depth is not None else ()
        return Stage(layer.name, logic, self.registered, cuts, self.chain, self.carried)


@singledispatch
def layer_logic(
    layer: Layer, values: Values, target: Target = PORTABLE, known: BitFacts | None = None
) -> Logic:
    """Return what ``layer``, one that computes something, yields when fed ``values``.

    A layer that looks through a window is fed one window's bits. ``target`` is what it is made for,
    ``known`` what is known of the bits that come in. Raises ``NotImplementedError`` for a type that
    has no logic.
    """
    raise NotImplementedError(f"a {layer.type} has no logic")


@singledispatch
def layer_parts(layer: Layer, place: Placement) -> list[Part]:
    """Return the parts of ``layer``, in the order of the stream: by default one stage."""
    return [place.stage(layer, place.incoming, place.known)]


@singledispatch
def widest_word(layer: Layer, incoming: Values) -> tuple[str, int, str] | None:
    """Return (what is widest inside ``layer``, its bits, what to do if they are too many)."""
    return None

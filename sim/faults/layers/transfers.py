"""What a part of a core yields of one frame: one registration a component, in its layer's module.

:class:`htaflow.sim.faults.circuit.Circuit` puts a core together from these.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import singledispatch

from htaflow.hw.layers.placement import Part
from htaflow.hw.logic.netlist import Logic, Net
from htaflow.hw.stream.layout import InputLayout
from htaflow.hw.stream.stage import Stage
from htaflow.model.integer.network import Layer, Values
from htaflow.sim.faults.inline import inline

Transfers = list[list[Net]]
"""The bits of each transfer of one frame."""


@dataclass(frozen=True)
class Surroundings:
    """Where a part is: the netlist it becomes part of, and the core's layers.

    Attributes:
        logic: the netlist.
        layout: of the frame's bits, all in one beat.
        layers: the network's layers by name.
        fed: what each layer is fed, by name.
    """

    logic: Logic
    layout: InputLayout
    layers: dict[str, Layer]
    fed: dict[str, Values]


@singledispatch
def transfers(part: Part, taken: Transfers, around: Surroundings) -> Transfers:
    """Return what ``part`` yields when it has ``taken`` a frame's transfers.

    Raises ``NotImplementedError`` for a component that nothing is registered for.
    """
    raise NotImplementedError(f"no circuit of a {type(part).__name__}")


@transfers.register
def _(part: Stage, taken: Transfers, around: Surroundings) -> Transfers:
    for logic in part.parts or [part.logic]:
        taken = [inline(logic, around.logic, bits) for bits in taken]
    return taken


def grouped(bits: list[Net], width: int) -> list[list[Net]]:
    """Return ``bits`` as numbers of ``width`` bits."""
    return [bits[at : at + width] for at in range(0, len(bits), width)]


def joined(numbers: Iterable[list[Net]]) -> list[Net]:
    """Return the bits of ``numbers``."""
    return [net for number in numbers for net in number]


def image(pixels: Transfers, width: int) -> list[list[Net]]:
    """Return the numbers of an image in its flat order."""
    by_pixel = [grouped(bits, width) for bits in pixels]
    return [numbers[channel] for channel in range(len(by_pixel[0])) for numbers in by_pixel]
